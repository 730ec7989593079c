// nginx's ip_hash. Of the client's address (the first 3 bytes of IPv4, all 16 of IPv6), from h = 89,
//   h = (h * 113 + byte) mod 6271;
// h mod the sum of weights walks the weights. Who cannot be picked is passed over by hashing on from h; after
// 20 such steps, and for clients without an address, it is round robin. An endpoint that is down keeps its
// place in the sum, so that the clients of the others stay with them. Backups have no places: they are used in
// turn while nobody else can be.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "baton/roster.hpp"

namespace {

using namespace baton::sdk;

constexpr std::uint32_t hashes = 6271;
constexpr std::uint32_t most_steps = 20;

struct IpHash {
    static constexpr const char* name = "ip_hash";
    static constexpr const char* description = "each client address keeps its endpoint, by nginx's mapping";
    static constexpr std::uint32_t uses = BATON_USES_CLIENT;
    class State;
};

class IpHash::State {
  public:
    State(const IpHash&, const Pool& pool, const State*) : roster_(pool), turns_(pool.size()) {
        for (std::uint32_t i = 0; i < pool.size(); ++i) {
            if ((pool[i].flags & BATON_ENDPOINT_BACKUP) != 0) continue;
            sum_ += pool[i].weight;
            const std::size_t room = hashes - places_.size();
            places_.insert(places_.end(), std::min<std::size_t>(pool[i].weight, room), static_cast<std::uint16_t>(i));
        }
    }

    std::uint32_t pick(const baton_request& request) {
        roster_.refresh();
        const bool backups = roster_.backups_for(request);
        const std::uint32_t bytes = request.client.family == BATON_FAMILY_INET4 ? 3 : request.client.size;
        if (backups || sum_ == 0 || bytes == 0) return in_turn(request);
        std::uint32_t hash = 89;
        // nginx goes on from where the attempt before was; from the beginning, that are so many steps more.
        for (std::uint32_t step = 0; step <= most_steps + request.attempt; ++step) {
            for (std::uint32_t k = 0; k < bytes; ++k) hash = (hash * 113 + request.client.bytes[k]) % hashes;
            const std::uint32_t picked = places_[hash % sum_];
            if (roster_.weight_for(request, backups, picked) != 0) return picked;
        }
        return in_turn(request);
    }

  private:
    // Smooth weighted round robin, for the few who come to it.
    std::uint32_t in_turn(const baton_request& request) {
        std::uint32_t best = none;
        std::int64_t total = 0;
        roster_.each_for(request, [&](std::uint32_t i, std::uint32_t weight) {
            turns_[i] += weight;
            total += weight;
            if (best == none || turns_[i] > turns_[best]) best = i;
        });
        if (best != none) turns_[best] -= total;
        return best;
    }

    Roster roster_;
    std::uint32_t sum_ = 0;              // of the weights
    std::vector<std::uint16_t> places_;  // the endpoint of each unit of weight; no hash is beyond the first 6271
    std::vector<std::int64_t> turns_;
};

}  // namespace

BATON_STRATEGIES("ip_hash", "1.0", "nginx's ip_hash", IpHash)
