#include "plan/upgrade.h"

#include <csignal>

#include <algorithm>

#include <boost/describe/enum_to_string.hpp>
#include <fmt/core.h>

#include "base/check.h"
#include "base/limits.h"

namespace baton::plan {

using model::Upgrade;
using model::UpgradePhase;

namespace {

class Machine {
  public:
    Machine(Upgrade& upgrade, std::uint32_t own, Millis now)
        : upgrade_(upgrade), own_(own), now_(now), unanswered_(upgrade.phase == UpgradePhase::trial && upgrade.generation == 0) {}

    std::vector<UpgradeAction> take_actions() { return std::move(actions_); }

    void operator()(const UpgradeAsked& event) {
        if (upgrade_.phase != UpgradePhase::idle || upgrade_.ending) {
            return report("upgrade.refused", fmt::format("an upgrade is on already: generation {} is in phase {}{}", upgrade_.generation,
                                                         phase_name(), upgrade_.ending ? ", ending" : ""), true);
        }
        upgrade_ = Upgrade{};
        upgrade_.binary = event.binary;
        upgrade_.automatic = event.automatic;
        upgrade_.soak = event.soak;
        become(UpgradePhase::trial);
        upgrade_.deadline = now_ + event.ready_timeout;
        report("upgrade.trial", fmt::format("{} has {} to prove itself", event.binary, format_duration(event.ready_timeout)));
        act(SetAsidePidFile{});
        act(StartCandidate{event.binary});
    }
    void operator()(const CandidateStarted& event) {
        if (upgrade_.phase == UpgradePhase::idle && upgrade_.ending && upgrade_.generation == 0) {
            // The answer came after its time was over.
            upgrade_.ending = event.error.empty();
            if (upgrade_.ending) end(event.generation);
            return;
        }
        if (upgrade_.phase != UpgradePhase::trial || upgrade_.generation != 0) return;
        unanswered_ = false;
        if (!event.error.empty()) return go_back(event.error);
        upgrade_.generation = event.generation;
    }
    void operator()(const CandidateReady& event) {
        if (upgrade_.phase != UpgradePhase::trial || !is_candidate(event.generation)) return;
        upgrade_.generation = event.generation;
        act(ProbeCandidate{event.generation});
    }
    void operator()(const CandidateProbed& event) {
        if (upgrade_.generation == 0 || (event.generation != 0 && event.generation != upgrade_.generation)) return;
        if (upgrade_.phase == UpgradePhase::trial) {
            if (!event.failure.empty()) return go_back("it failed its probe: " + event.failure);
            become(UpgradePhase::proved);
            report("upgrade.proved", fmt::format("generation {} could serve", upgrade_.generation));
            if (upgrade_.automatic || upgrade_.quit_requested) hand_over();
        } else if (upgrade_.phase == UpgradePhase::handed) {
            if (!event.failure.empty()) return go_back("it failed a probe after it took over: " + event.failure);
            upgrade_.confirmed = true;
            if (upgrade_.quit_requested || now_ >= upgrade_.deadline) commit();
        }
    }
    void operator()(const CandidateGone& event) {
        if (!is_candidate(event.generation)) return;
        const bool told = std::exchange(upgrade_.ending, false);
        if (upgrade_.phase == UpgradePhase::idle) return;
        // Nothing to end any more; the keeper has given back what it owned.
        upgrade_.generation = 0;
        unanswered_ = false;
        go_back(told ? "it was told to end" : "it ended: " + event.how);
    }
    void operator()(const DrainAsked&) {
        if (upgrade_.phase != UpgradePhase::proved) {
            return report("upgrade.refused", fmt::format("WINCH: there is no proved newer generation to take over (phase {})", phase_name()), true);
        }
        hand_over();
    }
    void operator()(const ReturnAsked&) {
        if (upgrade_.phase != UpgradePhase::handed) return;
        act(TakeInstances{});
        become(UpgradePhase::proved);
        upgrade_.automatic = false;
        upgrade_.quit_requested = false;
        report("upgrade.taken_back", fmt::format("this generation owns the instances again; generation {} stands by", upgrade_.generation));
    }
    void operator()(const CommitAsked&) {
        switch (upgrade_.phase) {
            case UpgradePhase::trial:
                upgrade_.quit_requested = true;
                return report("upgrade.queued", "QUIT: carried out when the new generation has proved itself");
            case UpgradePhase::proved: upgrade_.quit_requested = true; return hand_over();
            case UpgradePhase::handed:
                upgrade_.quit_requested = true;
                if (upgrade_.confirmed) commit();
                return;
            case UpgradePhase::idle:
            case UpgradePhase::committed: return;
        }
    }
    void operator()(const UpgradeTick&) {
        if (now_ < next_deadline(upgrade_)) return;
        if (upgrade_.phase == UpgradePhase::trial) return go_back("it did not prove itself in time");
        if (upgrade_.phase == UpgradePhase::handed) commit();
    }
    void operator()(const UpgradeResumed& event) {
        const auto lives = [&](const std::vector<std::uint32_t>& list) { return std::find(list.begin(), list.end(), upgrade_.generation) != list.end(); };
        if (upgrade_.phase == UpgradePhase::idle) {
            // A candidate while none is wanted: it was to end and was not told, or the note that knew of it
            // was lost with its master.
            upgrade_.ending = !event.others.empty() && event.others.back() > own_;
            if (upgrade_.ending) end(event.others.back());
            return act(RestorePidFile{});
        }
        if (upgrade_.generation == 0 && !event.others.empty()) upgrade_.generation = event.others.back();
        unanswered_ = false;
        if (!lives(event.others)) {
            upgrade_.generation = 0;
            return go_back("it ended while its judge was being replaced");
        }
        // The note is written before the keeper is asked: what was asked last may not have happened.
        if (upgrade_.phase == UpgradePhase::committed) {
            if (event.owner == own_) act(GiveInstances{upgrade_.generation});
            return act(LeaveForGood{});
        }
        if (upgrade_.phase == UpgradePhase::handed && event.owner == own_) return act(GiveInstances{upgrade_.generation});
        if (upgrade_.phase == UpgradePhase::proved && event.owner != own_) return act(TakeInstances{});
        if (upgrade_.phase == UpgradePhase::trial && lives(event.ready)) act(ProbeCandidate{upgrade_.generation});
    }

  private:
    void become(UpgradePhase to) {
        const bool legal = std::any_of(model::upgrade_edges.begin(), model::upgrade_edges.end(),
                                       [&](const auto& edge) { return edge.from == upgrade_.phase && edge.to == to; });
        CHECK(legal);
        upgrade_.phase = to;
        upgrade_.since = now_;
        upgrade_.deadline = never;
        upgrade_.confirmed = false;
    }
    void hand_over() {
        become(UpgradePhase::handed);
        if (upgrade_.automatic) upgrade_.deadline = now_ + upgrade_.soak;
        // Told first: once the instances are given away, the history is the other's to write.
        report("upgrade.handed", fmt::format("generation {} owns the instances{}", upgrade_.generation,
                                             upgrade_.automatic ? fmt::format("; soaking for {}", format_duration(upgrade_.soak)) : ""));
        act(GiveInstances{upgrade_.generation});
        act(ProbeCandidate{upgrade_.generation});
    }
    void commit() {
        become(UpgradePhase::committed);
        upgrade_.quit_requested = false;
        upgrade_.verdict = "committed";
        act(LeaveForGood{});
    }
    void go_back(const std::string& why) {
        const bool quit_was_queued = upgrade_.quit_requested;
        if (upgrade_.phase == UpgradePhase::handed && upgrade_.generation != 0) act(TakeInstances{});
        // One that was asked for and has no number yet is ended when it has.
        upgrade_.ending = upgrade_.generation != 0 || unanswered_;
        if (upgrade_.generation != 0) end(upgrade_.generation);
        become(UpgradePhase::idle);
        upgrade_.automatic = false;
        upgrade_.quit_requested = false;
        upgrade_.verdict = why;
        act(RestorePidFile{});
        report("upgrade.returned", why + "; this generation goes on" + (quit_was_queued ? ", the QUIT that waited is dropped" : ""), true);
    }
    void end(std::uint32_t generation) {
        upgrade_.generation = generation;
        act(EndCandidate{generation, SIGKILL});
    }
    // Before the keeper has told its number, any newer generation is the one that was asked for.
    bool is_candidate(std::uint32_t generation) const {
        if (upgrade_.generation != 0) return generation == upgrade_.generation;
        return generation > own_ && (upgrade_.phase == UpgradePhase::trial || upgrade_.ending);
    }
    const char* phase_name() const { return boost::describe::enum_to_string(upgrade_.phase, "?"); }
    void act(UpgradeAction action) { actions_.push_back(std::move(action)); }
    void report(std::string kind, std::string text, bool warning = false) { act(Report{std::move(kind), std::move(text), warning}); }

    Upgrade& upgrade_;
    std::uint32_t own_;
    Millis now_;
    bool unanswered_;  // a candidate was asked for, and the keeper has not said what became of it
    std::vector<UpgradeAction> actions_;
};

}  // namespace

std::vector<UpgradeAction> step(Upgrade& upgrade, std::uint32_t own, const UpgradeEvent& event, Millis now) {
    Machine machine(upgrade, own, now);
    std::visit(machine, event);
    return machine.take_actions();
}

bool overtook_commit(const Upgrade& upgrade, Millis now) {
    return upgrade.phase == UpgradePhase::idle && !upgrade.verdict.empty() && now - upgrade.since < limits::late_quit;
}

Millis next_deadline(const Upgrade& upgrade) {
    // The soak's end waits for the answer that confirms, which has a deadline of its own.
    const bool runs = upgrade.phase == UpgradePhase::trial || (upgrade.phase == UpgradePhase::handed && upgrade.confirmed);
    return runs ? upgrade.deadline : never;
}

}  // namespace baton::plan
