#include "gateway/pool.h"

namespace baton::gateway {

void Pool::assign(const model::Route& route, Counters& counters, std::size_t offset) {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> weights;
    std::vector<Peer> fresh;
    for (const model::Endpoint& endpoint : route.endpoints) {
        if (endpoint.down || endpoint.draining) continue;
        const auto address = sys::to_socket_address(endpoint.address);
        if (!address) continue;  // the configuration was checked for it
        fresh.push_back({endpoint.id, *address, counters.slot(endpoint.id)});
        weights.emplace_back(endpoint.id, endpoint.weight);
    }
    peers = std::move(fresh);
    turns.assign(weights, offset);
}

}  // namespace baton::gateway
