#include "gateway/round_robin.h"

#include <algorithm>

namespace baton::gateway {

void RoundRobin::assign(const std::vector<std::pair<std::uint64_t, std::uint32_t>>& keys_and_weights, std::size_t offset) {
    const bool fresh = peers_.empty();
    std::vector<Peer> peers;
    peers.reserve(keys_and_weights.size());
    total_ = 0;
    for (const auto& [key, weight] : keys_and_weights) {
        const auto known = std::find_if(peers_.begin(), peers_.end(), [key = key](const Peer& peer) { return peer.key == key; });
        peers.push_back({key, weight, known == peers_.end() ? 0 : known->current});
        total_ += weight;
    }
    peers_ = std::move(peers);
    if (!fresh || total_ == 0) return;
    for (std::size_t i = 0; i < offset % static_cast<std::size_t>(total_); ++i) pick();
}

std::size_t RoundRobin::pick() {
    std::size_t best = 0;
    for (std::size_t i = 0; i < peers_.size(); ++i) {
        peers_[i].current += peers_[i].weight;
        if (peers_[i].weight > 0 && (peers_[best].weight == 0 || peers_[i].current > peers_[best].current)) best = i;
    }
    peers_[best].current -= total_;
    return best;
}

}  // namespace baton::gateway
