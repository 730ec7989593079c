// A balancer in C++: a fixed share of the keys goes to the canaries, the others never see them.
//
// An endpoint is a canary when its name contains `mark`. Which keys go there depends on the key alone, so a
// client stays with what it got, in every worker and after every change of the endpoints. Within each of the two
// groups it is the one with the fewest connections. A group that nobody of can be picked from is stood in for by
// the other.
//
//     [service.web.balance]
//     strategy = "canary_by_key"
//     key = "cookie:session"
//     options = { mark = "-canary", share = 0.05 }
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "baton/roster.hpp"

namespace {

using baton::sdk::none;

struct CanaryByKey {
    static constexpr const char* name = "canary_by_key";
    static constexpr const char* description = "a share of the keys goes to the endpoints whose names carry a mark";
    static constexpr std::uint32_t uses = BATON_USES_KEY;
    static constexpr std::array options{
        baton::sdk::text("mark", "-canary", "what the name of a canary contains"),
        baton::sdk::number("share", "0.05", 0, 1, "how many of the keys go to the canaries"),
    };

    explicit CanaryByKey(const baton::sdk::Settings& settings) : mark(settings.text("mark")), share(settings.number("share")) {
        if (mark.empty()) throw std::invalid_argument("mark is empty: then everything would be a canary");
    }

    std::string mark;
    double share;

    class State;
};

class CanaryByKey::State {
  public:
    State(const CanaryByKey& strategy, const baton::sdk::Pool& pool, const State*) : roster_(pool), share_(strategy.share) {
        for (std::uint32_t i = 0; i < pool.size(); ++i) {
            const std::string_view endpoint(pool[i].name, pool[i].name_size);
            canary_.push_back(endpoint.find(strategy.mark) != std::string_view::npos);
        }
    }

    std::uint32_t pick(const baton_request& request) {
        roster_.refresh();
        // The upper bits, as a number from 0 to 1.
        const bool to_canary = static_cast<double>(request.key_hash >> 11U) * 0x1p-53 < share_;
        const std::uint32_t picked = least_of(request, to_canary);
        return picked != none ? picked : least_of(request, !to_canary);
    }

  private:
    std::uint32_t least_of(const baton_request& request, bool canaries) const {
        const bool backups = roster_.backups_for(request);
        std::uint32_t best = none;
        for (std::uint32_t i = 0; i < roster_.size(); ++i) {
            if (canary_[i] != canaries || roster_.weight_for(request, backups, i) == 0) continue;
            if (best == none || roster_.active(i) < roster_.active(best)) best = i;
        }
        return best;
    }

    baton::sdk::Roster roster_;
    double share_;
    std::vector<bool> canary_;
};

}  // namespace

BATON_STRATEGIES("canary_by_key", "1.0", "an example: canaries for a share of the keys", CanaryByKey)
