// The upgrade of the supervisor's own binary, as its old master (the standby-to-be) sees and judges it.
//
//          USR2              proved              WINCH, QUIT          QUIT, confirmed
//   idle ────────▶ trial ──────────────▶ proved ─────────────▶ handed ─────────────▶ committed
//    ▲               │                   │  ▲  ▲                 │ │  the old master ends
//    │  fails, hangs │  the new one ends │  │  └──────HUP────────┘ │
//    ├───────────────┴───────────────────┘  │                      │
//    │                                      │  the new one ends, or fails the soak
//    └──────────────────────────────────────┴──────────────────────┘
//
// idle       one generation
// trial      the new master loads, takes the listeners, and must pass the probe before the deadline
// proved     both could serve; the old one owns the instances
// handed     the new one owns the instances; the old one stands by to take them back. It is confirmed when
//            it has answered a probe as their owner; before that nobody leaves
// committed  the old one leaves; nothing of it remains. Should the new one end before it has left, it stays (idle)
//
// In `automatic` upgrades (`baton upgrade`, mode = "auto") the old master takes the steps itself, and
// the time in `handed` is the soak.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "base/time.h"

namespace baton::model {

enum class UpgradePhase { idle, trial, proved, handed, committed };
BOOST_DESCRIBE_ENUM(UpgradePhase, idle, trial, proved, handed, committed)

struct UpgradeEdge {
    UpgradePhase from;
    UpgradePhase to;
};
inline constexpr std::array upgrade_edges{
    UpgradeEdge{UpgradePhase::idle, UpgradePhase::trial},
    UpgradeEdge{UpgradePhase::trial, UpgradePhase::proved},
    UpgradeEdge{UpgradePhase::trial, UpgradePhase::idle},
    UpgradeEdge{UpgradePhase::proved, UpgradePhase::handed},
    UpgradeEdge{UpgradePhase::proved, UpgradePhase::idle},
    UpgradeEdge{UpgradePhase::handed, UpgradePhase::proved},
    UpgradeEdge{UpgradePhase::handed, UpgradePhase::idle},
    UpgradeEdge{UpgradePhase::handed, UpgradePhase::committed},
    UpgradeEdge{UpgradePhase::committed, UpgradePhase::idle},
};

struct Upgrade {
    UpgradePhase phase = UpgradePhase::idle;
    std::uint32_t generation = 0;  // of the new master; 0: not started yet
    Millis since = 0;
    Millis deadline = never;       // trial: its end; handed: the end of the soak
    bool automatic = false;
    Millis soak = 0;
    std::string binary;
    bool quit_requested = false;   // QUIT came: commit as soon as the new one is confirmed
    bool confirmed = false;        // handed: it has answered well as the owner
    bool ending = false;           // the new master was told to end, or will be when its number is known; its exit is awaited
    std::string verdict;           // of the last upgrade: "committed", or why it was taken back
};
BOOST_DESCRIBE_STRUCT(Upgrade, (),
                      (phase, generation, since, deadline, automatic, soak, binary, quit_requested, confirmed, ending, verdict))
using boost::describe::operators::operator==;

}  // namespace baton::model
