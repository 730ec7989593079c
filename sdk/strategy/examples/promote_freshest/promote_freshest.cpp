// A failover strategy: when the active member has been away for `patience`, the standby whose data goes furthest
// takes its place.
//
// One that nobody can reach may still be writing, so it is fenced before another is promoted. A member that an
// operator holds is left as it is. While the active one is well, or might come back in time, nothing is done.
#include <string>

#include "baton/strategy.hpp"

namespace {

using baton::sdk::none;

struct PromoteFreshest {
    static constexpr const char* name = "promote_freshest";
    static constexpr const char* description = "the standby whose data goes furthest takes the place of an active member that failed";
    static constexpr std::array options{
        baton::sdk::duration("patience", "5s", 0, 3'600'000'000, "how long an active member may be away"),
    };

    explicit PromoteFreshest(const baton::sdk::Settings& settings)
        : patience_us(static_cast<std::uint64_t>(settings.microseconds("patience"))) {}

    void decide(const baton::sdk::Failover& failover) {
        const auto members = failover.members();
        std::uint32_t active = none;
        for (std::uint32_t i = 0; i < members.size(); ++i) {
            if (members[i].role == BATON_ROLE_ACTIVE) active = i;
        }
        if (active != none && well(members[active])) return failover.wait(0, {members[active].name, " is active and well"});
        if (active != none && (members[active].flags & BATON_MEMBER_HELD) != 0) {
            return failover.wait(0, {members[active].name, " is held by an operator"});
        }
        const std::uint64_t now = failover.view().now_us;
        if (active != none && now < members[active].since_us + patience_us) {
            return failover.wait(members[active].since_us + patience_us, {members[active].name, " is away, and has time to come back"});
        }
        const std::uint32_t next = freshest(failover, active);
        if (next == none) return failover.wait(0, {"no standby is well"});
        if (active != none) {
            const bool reachable = (members[active].flags & BATON_MEMBER_REACHABLE) != 0;
            failover.step(reachable ? BATON_DEMOTE : BATON_FENCE, active,
                          {members[active].name, reachable ? " does not answer" : " cannot be reached and may still be at work"});
        }
        failover.step(BATON_PROMOTE, next, {members[next].name, " is well, and its data goes furthest (", std::to_string(members[next].position), ")"});
    }

  private:
    static bool well(const baton_member& member) {
        constexpr std::uint32_t needed = BATON_MEMBER_RUNNING | BATON_MEMBER_READY | BATON_MEMBER_REACHABLE;
        return (member.flags & needed) == needed;
    }

    static std::uint32_t freshest(const baton::sdk::Failover& failover, std::uint32_t active) {
        const auto members = failover.members();
        std::uint32_t best = none;
        for (std::uint32_t i = 0; i < members.size(); ++i) {
            if (i == active || !well(members[i]) || (members[i].flags & BATON_MEMBER_HELD) != 0) continue;
            const bool further = best == none || members[i].position > members[best].position ||
                                 (members[i].position == members[best].position && members[i].priority < members[best].priority);
            if (further) best = i;
        }
        return best;
    }

    std::uint64_t patience_us;
};

}  // namespace

BATON_STRATEGIES("promote_freshest", "1.0", "an example: a failover strategy", PromoteFreshest)
