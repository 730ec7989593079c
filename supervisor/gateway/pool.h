// The endpoints behind one listening socket, and who is next.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/counters.h"
#include "gateway/round_robin.h"
#include "model/route_table.h"
#include "sys/descriptor.h"
#include "sys/sockaddr.h"

namespace baton::gateway {

struct Pool {
    std::string name;        // of the listening socket
    sys::UniqueFd listener;  // invalid: not served by this worker any more
    bool is_unix = false;
    bool watched = false;    // accepted from
    Millis paused = 0;       // accepting failed; not before this

    struct Peer {
        std::uint64_t id = 0;
        sys::SocketAddress address;
        std::uint64_t* counter = nullptr;
    };
    std::vector<Peer> peers;
    RoundRobin turns;

    // Takes the route's endpoints; those that stay keep their turn.
    void assign(const model::Route& route, Counters& counters, std::size_t offset);
    bool empty() const { return turns.empty(); }
};

}  // namespace baton::gateway
