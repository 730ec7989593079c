// The decisions of an upgrade, made by the master that would be replaced. Pure, like plan/step.
//
// The keeper does the mechanical part by rules of its own: when the new master ends, whatever it owned
// comes back to the old one. What is decided here is when to trust it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/upgrade.h"

namespace baton::plan {

// --- what can happen ---
struct UpgradeAsked {
    std::string binary;
    bool automatic = false;
    Millis soak = 0;
    Millis ready_timeout = 0;
};
// error empty: it runs.
struct CandidateStarted {
    std::uint32_t generation = 0;
    std::string error;
};
struct CandidateReady {
    std::uint32_t generation = 0;
};
struct CandidateGone {
    std::uint32_t generation = 0;
    std::string how;
};
// The result of a probe of the new master, as what it is in the present phase: one on trial, or the owner.
struct CandidateProbed {
    std::string failure;           // empty: it answered well
    std::uint32_t generation = 0;  // whom the probe was meant for; 0: the present candidate
};
struct DrainAsked {};   // WINCH
struct ReturnAsked {};  // HUP to the old master
struct CommitAsked {};  // QUIT to the old master
struct UpgradeTick {};
// After this master was replaced by one from its note: the other masters that live.
struct UpgradeResumed {
    std::vector<std::uint32_t> others;
    std::vector<std::uint32_t> ready;
    std::uint32_t owner = 0;
};

using UpgradeEvent = std::variant<UpgradeAsked, CandidateStarted, CandidateReady, CandidateGone, CandidateProbed, DrainAsked,
                                  ReturnAsked, CommitAsked, UpgradeTick, UpgradeResumed>;

// --- what to do, in this order ---
struct SetAsidePidFile {};   // PATH becomes PATH.oldbin
struct RestorePidFile {};    // and back
struct StartCandidate {
    std::string binary;
};
struct ProbeCandidate {
    std::uint32_t generation = 0;
};
struct EndCandidate {
    std::uint32_t generation = 0;
    int signal = 9;
};
struct GiveInstances {
    std::uint32_t generation = 0;
};
struct TakeInstances {};
struct LeaveForGood {};
struct Report {
    std::string kind;  // "upgrade.proved"
    std::string text;
    bool warning = false;
};

using UpgradeAction = std::variant<SetAsidePidFile, RestorePidFile, StartCandidate, ProbeCandidate, EndCandidate, GiveInstances,
                                   TakeInstances, LeaveForGood, Report>;

// `own` is the generation of the master that decides.
std::vector<UpgradeAction> step(model::Upgrade& upgrade, std::uint32_t own, const UpgradeEvent& event, Millis now);
Millis next_deadline(const model::Upgrade& upgrade);
// Whether a QUIT that comes now was overtaken by the end of the new generation that it meant to commit.
bool overtook_commit(const model::Upgrade& upgrade, Millis now);

}  // namespace baton::plan
