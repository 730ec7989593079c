// Weighted least connections: whoever would have the fewest for its weight with one more, (active + 1) / weight.
// Who is equal has its turn: the search begins behind whom was picked last.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "baton/roster.hpp"

namespace {

using namespace baton::sdk;

struct LeastConnections {
    static constexpr const char* name = "least_connections";
    static constexpr const char* description = "whoever has the fewest connections for its weight";
    class State;
};

class LeastConnections::State {
  public:
    State(const LeastConnections&, const Pool& pool, const State* previous)
        : roster_(pool), active_(pool.live().active), cost_(pool.size()),
          load_((pool.size() + lanes - 1) / lanes * lanes, excluded_bits) {
        weigh();
        next_ = pool.size() == 0 ? 0 : pool.worker() % pool.size();
        if (previous == nullptr) return;
        // Behind whom was picked last, if it is still there.
        last_ = previous->last_;
        if (const std::uint32_t last = roster_.find(last_); last != none) next_ = last + 1 == pool.size() ? 0 : last + 1;
    }

    std::uint32_t pick(const baton_request& request) {
        if (roster_.refresh()) weigh();
        const std::uint32_t best = request.tried == nullptr ? least() : least_untried(request);
        if (best == none) return none;
        next_ = best + 1 == roster_.size() ? 0 : best + 1;
        last_ = roster_.id(best);
        return best;
    }

  private:
    static constexpr float excluded = std::numeric_limits<float>::infinity();
    static constexpr std::int32_t excluded_bits = std::bit_cast<std::int32_t>(excluded);
    static constexpr std::uint32_t lanes = 16;

    // What one connection costs each.
    void weigh() {
        for (std::uint32_t i = 0; i < roster_.size(); ++i) cost_[i] = cost_of(roster_.weights()[i]);
    }
    static float cost_of(std::uint32_t weight) { return weight == 0 ? excluded : 1.0F / static_cast<float>(weight); }

    float load_with(std::uint32_t i, float cost) const { return static_cast<float>(static_cast<std::int32_t>(active_[i] + 1)) * cost; }

    // Over plain arrays, of which the compiler makes vector instructions. Numbers that are not negative are in
    // the same order as their bits, and the smallest of integers needs no order of its operations.
    std::uint32_t least() {
        const std::uint32_t count = roster_.size();
        const std::uint32_t* __restrict active = active_;
        const float* __restrict cost = cost_.data();
        std::int32_t* __restrict load = load_.data();
        std::int32_t best = excluded_bits;
        for (std::uint32_t i = 0; i < count; ++i) {
            const float one = static_cast<float>(static_cast<std::int32_t>(active[i] + 1)) * cost[i];
            load[i] = std::bit_cast<std::int32_t>(one);
            best = std::min(best, load[i]);
        }
        if (best == excluded_bits) return none;
        // From where the last one was to the end, then from the beginning.
        const std::uint32_t found = first_of(best, next_);
        return found != none ? found : first_of(best, 0);
    }

    // The first place from `from` on whose load is this.
    std::uint32_t first_of(std::int32_t wanted, std::uint32_t from) const {
        const std::int32_t* load = load_.data();
        for (; from % lanes != 0; ++from) {
            if (load[from] == wanted) return from;
        }
        for (; from < load_.size(); from += lanes) {
            std::int32_t equal = 0;
            for (std::uint32_t lane = 0; lane < lanes; ++lane) equal |= load[from + lane] == wanted ? -1 : 0;
            if (equal == 0) continue;
            while (load[from] != wanted) ++from;
            return from;
        }
        return none;
    }

    std::uint32_t least_untried(const baton_request& request) const {
        const bool backups = roster_.backups_for(request);
        std::uint32_t best = none;
        float lowest = excluded;
        for (std::uint32_t k = 0; k < roster_.size(); ++k) {
            const std::uint32_t i = (next_ + k) % roster_.size();
            const float load = load_with(i, cost_of(roster_.weight_for(request, backups, i)));
            if (load >= lowest) continue;
            best = i;
            lowest = load;
        }
        return best;
    }

    Roster roster_;
    const std::uint32_t* active_;
    std::vector<float> cost_;
    std::vector<std::int32_t> load_;  // the bits of numbers, in whole blocks
    std::uint32_t next_ = 0;
    std::uint64_t last_ = 0;  // id
};

}  // namespace

BATON_STRATEGIES("least_connections", "1.0", "weighted least connections", LeastConnections)
