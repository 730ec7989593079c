// The limits of the datagrams that workers pass on, each named once with the reason for its value.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace baton::limits {

// The largest datagram there is (a jumbogram is none that programs send).
inline constexpr std::size_t datagram_bytes = 65'536;
// Datagrams taken from one socket before the others have their turn, and by one system call.
inline constexpr std::size_t datagram_turn = 32;
// A datagram of at most so many bytes is kept until it is known that somebody was there to take it: more than one
// packet holds.
inline constexpr std::size_t datagram_kept_bytes = 2'048;
// What may wait in a listening socket while its reader is replaced; the kernel clips it to net.core.rmem_max.
inline constexpr int datagram_queue_bytes = 4 * 1024 * 1024;
// Flows of one listener. One costs a descriptor and a port towards its instance, of which the kernel has some
// 28,000 for each address.
inline constexpr std::size_t listener_flows = 16'384;
// The share of a worker's descriptors that flows may have: whoever forges source addresses shall not keep
// connections out.
inline constexpr std::size_t flows_share = 4;
// The reader of a listener waits so long for the flows of the one before it, which hands them over in moments;
// beyond that, clients would notice the wait more than the change of instance.
inline constexpr Millis flows_hand_over = 1'000;
// A worker that leaves and has nobody to give its flows to waits so long for answers.
inline constexpr Millis flow_leaving = 1'000;
// That datagrams are dropped is said at most this often for each listener.
inline constexpr Millis datagram_drop_note = 10'000;

}  // namespace baton::limits
