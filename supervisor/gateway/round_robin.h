// Smooth weighted round robin, nginx's: each round every peer's current weight grows by its weight, the
// largest wins (the first on ties) and loses the sum. 5,1,1 gives a a b a c a a.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace baton::gateway {

class RoundRobin {
  public:
    // Peers by their keys; one that stays keeps its turn. `offset`: so many picks are made at first, so that
    // several workers do not all begin with the same peer.
    void assign(const std::vector<std::pair<std::uint64_t, std::uint32_t>>& keys_and_weights, std::size_t offset);
    // The index of the next one; there must be one, and of weight 0 there may be some but not only.
    std::size_t pick();
    bool empty() const { return total_ == 0; }

  private:
    struct Peer {
        std::uint64_t key;
        std::int64_t weight;
        std::int64_t current;
    };
    std::vector<Peer> peers_;
    std::int64_t total_ = 0;
};

}  // namespace baton::gateway
