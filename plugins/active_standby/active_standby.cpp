// One endpoint gets everything: the first that is usable, by priority and then in the order of the
// configuration, backups last. Weights do not matter, but 0 is never picked.
//
// preempt = true: one that comes first and is usable again takes over at once. preempt = false: whoever has the
// traffic keeps it as long as it is usable. Each worker decides by what it sees; they see the same but for the
// moment of a failure.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "baton/roster.hpp"

namespace {

using namespace baton::sdk;

struct ActiveStandby {
    static constexpr const char* name = "active_standby";
    static constexpr const char* description = "the first usable endpoint gets everything, by priority, backups last";
    static constexpr std::array options{
        flag("preempt", "true", "whether an endpoint that comes first takes over again when it is back"),
    };
    explicit ActiveStandby(const Settings& settings) : preempt(settings.flag("preempt")) {}
    bool preempt;
    class State;
};

class ActiveStandby::State {
  public:
    State(const ActiveStandby& strategy, const Pool& pool, const State* previous) : roster_(pool), order_(pool.size()) {
        std::iota(order_.begin(), order_.end(), 0U);
        std::stable_sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
            return roster_.backup(a) != roster_.backup(b) ? roster_.backup(b) : pool[a].priority < pool[b].priority;
        });
        keeps_ = !strategy.preempt;
        if (previous != nullptr && previous->active_ != none) active_ = roster_.find(previous->roster_.id(previous->active_));
        choose();
    }

    std::uint32_t pick(const baton_request& request) {
        if (roster_.refresh()) choose();
        if (request.tried == nullptr || active_ == none || !tried(request, active_)) return active_;
        // For this request only: whether the active one is still good is the host's to say.
        const bool backups = roster_.backups_for(request);
        for (const std::uint32_t i : order_) {
            if (roster_.weight_for(request, backups, i) != 0) return i;
        }
        return none;
    }

  private:
    void choose() {
        // A backup never keeps the traffic from the others.
        if (keeps_ && active_ != none && roster_.weights()[active_] != 0) return;
        active_ = none;
        for (const std::uint32_t i : order_) {
            if (roster_.weights()[i] == 0) continue;
            active_ = i;
            return;
        }
    }

    Roster roster_;
    std::vector<std::uint32_t> order_;
    std::uint32_t active_ = none;
    bool keeps_ = false;
};

}  // namespace

BATON_STRATEGIES("active_standby", "1.0", "one endpoint at a time", ActiveStandby)
