// A pair of SOCK_SEQPACKET sockets between keeper and master: whole messages, each with descriptors.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

// Both ends non-blocking.
Result<std::pair<UniqueFd, UniqueFd>> make_channel();

// One whole message. An Error with code() EAGAIN: the other side does not read; EMSGSIZE: it is longer than
// limits::message_bytes, or has too many descriptors. Nothing was sent then.
Result<void> send_message(const UniqueFd& channel, std::string_view bytes, const std::vector<int>& descriptors = {});

struct Received {
    std::string bytes;  // empty: the other side is gone
    std::vector<UniqueFd> descriptors;
    // It was too long, or there was no room for its descriptors, of which none is here then.
    bool cut = false;
};
// An Error with code() EAGAIN: nothing there.
Result<Received> receive_message(const UniqueFd& channel);

}  // namespace baton::sys
