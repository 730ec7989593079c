// Steering in the kernel: which instance's socket takes the next connection of a listener. Each instance
// listens on a socket of its own in the listener's SO_REUSEPORT group, and one eBPF program, the same for
// all listeners, chooses among them by tables this class writes. It is not in the path of a single byte.
//
// A socket takes part in three steps: set_socket gives it a place (a number the caller allots, unique
// among all groups); a probe registered for that place reaches it from then on; publish puts the place
// into its group's table, and clients come. The way back is the reverse. A socket that is closed leaves
// its place by itself; what waits in its queue moves to the places of the table (kernel 5.14).
//
// The kernel objects are reached through four descriptors, which a keeper holds under their names so
// that the next master adopts them: the program works on while nobody runs here at all. Not thread-safe;
// nothing blocks.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/address.h"
#include "model/listener.h"
#include "model/service.h"
#include "sys/descriptor.h"

namespace baton::sys {

struct Weighted {
    std::uint32_t place = 0;
    std::uint32_t weight = 1;  // 0: not in the table
    // What the hash modes know the member by, so that a successor at another place keeps its
    // predecessor's clients (an instance's ordinal); 0: its place.
    std::uint64_t key = 0;
};

enum class Mode {
    round_robin,  // smooth and weighted, exact over one length of the table
    client_hash,  // by the client's address alone
    flow_hash,    // by both addresses and ports: a udp flow stays on one instance
};

// The mode that carries out a service's strategy. Round robin over datagrams would tear a flow apart, so
// udp gets the flow hash there.
Mode mode_for(const model::ListenerSpec& listener, std::string_view strategy);

// The table the program walks; at most limits::steering_places entries. Pure: equal input, equal table.
// Round robin: nginx's smooth weighted order, of the length sum/gcd, scaled down where that is too long;
// whoever has a weight has at least one entry. Hash modes: weighted rendezvous in which nobody gets more
// than 5 % above its share, so that a member that leaves moves hardly any client but its own.
// At most limits::steering_places members with a weight (checked).
std::vector<std::uint32_t> build_table(Mode mode, std::span<const Weighted> members);

class Steering {
  public:
    struct Named {
        std::string name;
        const UniqueFd& descriptor;
    };

    // A new program with empty maps. Needs CAP_BPF and kernel 5.14; the error says which is missing.
    static Result<Steering> load();
    // Those of an earlier master, by the names that descriptors() gave them; others are ignored (and
    // closed). An error where one is missing or of another layout: then load() anew.
    static Result<Steering> adopt(std::map<std::string, UniqueFd>&& held);
    // To be held; they stay this object's own.
    std::vector<Named> descriptors() const;

    // Puts the socket's whole group under the program, for as long as the group lives. Needed once a
    // group; repeating it does no harm.
    Result<void> attach(const UniqueFd& socket);
    // `socket` listens and is in a group. Replaces another socket at that place; one that is there
    // already stays. A socket has one place.
    Result<void> set_socket(std::uint32_t place, const UniqueFd& socket);
    // The place is free again; an empty place is no error.
    Result<void> clear_socket(std::uint32_t place);

    // Replaces the group's table at once, and opens the group where it was closed. With no member of a
    // weight, the kernel spreads clients over all sockets of the group.
    Result<void> publish(const model::ListenerSpec& listener, Mode mode, std::span<const Weighted> members);
    // Refuses new clients from now on. The table still serves probes and connections that migrate.
    Result<void> close_group(const model::ListenerSpec& listener);
    // The group's table is gone: as if it had never been published.
    Result<void> forget_group(const model::ListenerSpec& listener);

    // A connection from `source` reaches `place` and no other, published or not; where no socket is
    // there, it is refused. Remove it when the probe ends: the kernel gives the port to others later.
    Result<void> add_probe(const model::Address& source, std::uint32_t place);
    Result<void> remove_probe(const model::Address& source);
    // All of them: for a master that takes over from one that died.
    Result<void> forget_probes();

  private:
    Steering() = default;

    UniqueFd program_;
    UniqueFd sockets_;
    UniqueFd groups_;
    UniqueFd probes_;
};

}  // namespace baton::sys
