// One instance of a service: a place (its ordinal, "web/1") that a process of one revision fills.
//
// The life of an instance. "in map" says whether new connections are steered to it.
//
//              dependencies ready        ready              told to go        queue empty
//   waiting ────────────────────▶ starting ──────▶ ready ─────────────▶ draining ─────────▶ stopping
//                                  ▲   │ ▲          │ ▲│                   │                   │
//                    time is over  │   │ │  failing │ ││ exit              │ exit              │ exit
//                                  │   │ └───┐      ▼ │▼                   ▼                   ▼
//                                  │   │     └─── unready ───────────────▶ gone ◀──────────────┘
//                                  │   ▼ exit        │ exit                ▲ the policy says no more
//                                backoff ◀───────────┘                     │ (or its place is given up)
//                                  │ ──────────────────────────────────────┘
//                                  ▼ the limit of restarts
//                                failed, completed
//
// waiting    no process: what it depends on is not ready            not in map
// starting   a process that is not ready yet                        not in map
// ready      takes traffic                                          in map
// unready    runs, but its readiness probe fails                    not in map
// draining   out of the map; its socket's queue is being emptied    not in map
// stopping   was sent the stop signal; KILL follows at the deadline not in map
// backoff    its process ended; the next one starts at the deadline its socket keeps its queue
// failed     given up: the limit of restarts is reached             its socket keeps its queue
// completed  ended as the restart policy allows, or an operator asked for its socket keeps its queue
// gone       its record is about to be removed
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "base/time.h"

namespace baton::model {

enum class InstanceState { waiting, starting, ready, unready, draining, stopping, backoff, failed, completed, gone };
BOOST_DESCRIBE_ENUM(InstanceState, waiting, starting, ready, unready, draining, stopping, backoff, failed, completed, gone)

struct InstanceEdge {
    InstanceState from;
    InstanceState to;
};

// Every legal change of state; `become()` in plan/ checks against it.
inline constexpr std::array instance_edges{
    InstanceEdge{InstanceState::waiting, InstanceState::starting},    // dependencies are ready
    InstanceEdge{InstanceState::waiting, InstanceState::gone},        // no longer wanted
    InstanceEdge{InstanceState::waiting, InstanceState::completed},   // an operator stops it
    InstanceEdge{InstanceState::starting, InstanceState::ready},      // says or shows it is ready
    InstanceEdge{InstanceState::starting, InstanceState::backoff},    // ended before it was ready
    InstanceEdge{InstanceState::starting, InstanceState::failed},
    InstanceEdge{InstanceState::starting, InstanceState::completed},
    InstanceEdge{InstanceState::starting, InstanceState::stopping},   // no longer wanted, or too slow
    InstanceEdge{InstanceState::starting, InstanceState::gone},
    InstanceEdge{InstanceState::ready, InstanceState::unready},       // its probe fails
    InstanceEdge{InstanceState::ready, InstanceState::draining},      // told to go, or to restart
    InstanceEdge{InstanceState::ready, InstanceState::stopping},      // hung: ended at once
    InstanceEdge{InstanceState::ready, InstanceState::starting},      // ended, and started again at once
    InstanceEdge{InstanceState::ready, InstanceState::backoff},
    InstanceEdge{InstanceState::ready, InstanceState::failed},
    InstanceEdge{InstanceState::ready, InstanceState::completed},
    InstanceEdge{InstanceState::ready, InstanceState::gone},
    InstanceEdge{InstanceState::unready, InstanceState::ready},
    InstanceEdge{InstanceState::unready, InstanceState::draining},
    InstanceEdge{InstanceState::unready, InstanceState::stopping},
    InstanceEdge{InstanceState::unready, InstanceState::starting},
    InstanceEdge{InstanceState::unready, InstanceState::backoff},
    InstanceEdge{InstanceState::unready, InstanceState::failed},
    InstanceEdge{InstanceState::unready, InstanceState::completed},
    InstanceEdge{InstanceState::unready, InstanceState::gone},
    InstanceEdge{InstanceState::draining, InstanceState::stopping},   // its queue is empty, or time is over
    InstanceEdge{InstanceState::draining, InstanceState::starting},   // ended while it was to restart
    InstanceEdge{InstanceState::draining, InstanceState::completed},
    InstanceEdge{InstanceState::draining, InstanceState::gone},
    InstanceEdge{InstanceState::stopping, InstanceState::starting},   // ended, and was to restart
    InstanceEdge{InstanceState::stopping, InstanceState::backoff},    // ended after it was too slow or hung
    InstanceEdge{InstanceState::stopping, InstanceState::failed},
    InstanceEdge{InstanceState::stopping, InstanceState::completed},
    InstanceEdge{InstanceState::stopping, InstanceState::gone},
    InstanceEdge{InstanceState::backoff, InstanceState::starting},
    InstanceEdge{InstanceState::backoff, InstanceState::completed},
    InstanceEdge{InstanceState::backoff, InstanceState::gone},
    InstanceEdge{InstanceState::failed, InstanceState::starting},     // an operator starts it again
    InstanceEdge{InstanceState::failed, InstanceState::gone},
    InstanceEdge{InstanceState::completed, InstanceState::starting},
    InstanceEdge{InstanceState::completed, InstanceState::gone},
};

// Why a process is being ended, which decides what follows when it has.
enum class Ending { none, remove, restart, park, replace_hung };
BOOST_DESCRIBE_ENUM(Ending, none, remove, restart, park, replace_hung)

// A socket that belongs to one instance: of the listener's reuseport group, or a unix socket through which
// the workers reach it (`hidden`).
struct InstanceSocket {
    std::string listener;    // identity
    std::uint32_t place = 0; // index in the steering map, and part of its name in the keeper
    bool hidden = false;
};
BOOST_DESCRIBE_STRUCT(InstanceSocket, (), (listener, place, hidden))

// What an operator wants of a place, whatever the health of who holds it. Connections that are open stay.
// drain: nobody new. maint: nobody new, and one that was ready is not probed.
enum class AdminState { ready, drain, maint };
BOOST_DESCRIBE_ENUM(AdminState, ready, drain, maint)

struct Instance {
    std::string service;
    std::uint32_t ordinal = 1;
    std::uint64_t revision = 0;
    InstanceState state = InstanceState::waiting;
    Millis since = 0;         // when this state began
    Millis deadline = never;  // what it means depends on the state
    Ending ending = Ending::none;
    std::uint64_t id = 0;     // the keeper's child of the present or the last process; 0: none yet
    std::int64_t pid = 0;     // 0: no process
    Millis started = 0;       // when the process was asked for
    bool was_ready = false;   // this process was ready once
    bool startup_passed = false;  // this process passed its startup probe
    std::uint32_t restarts = 0;       // in all
    std::uint32_t failures = 0;       // ends in a row without having been stable
    std::uint32_t weight = 1;                   // these two as an operator asked for its place
    AdminState admin = AdminState::ready;
    std::uint16_t port = 0;   // that this process was told to bind; 0: none
    bool killed = false;      // stopping: KILL was sent
    Millis watchdog = 0;      // when it last said WATCHDOG=1; 0: it has not
    std::vector<InstanceSocket> sockets;
    std::string status_text;
    std::string last_exit;
    std::string problem;      // why it is not ready, or was not when it was ended, as its probes and deadlines tell; empty: nothing is told
};
BOOST_DESCRIBE_STRUCT(Instance, (),
                      (service, ordinal, revision, state, since, deadline, ending, id, pid, started, was_ready, startup_passed,
                       restarts, failures, weight, admin, port, killed, watchdog, sockets, status_text, last_exit, problem))
using boost::describe::operators::operator==;

inline std::string name_of(const Instance& instance) {
    return instance.service + "/" + std::to_string(instance.ordinal);
}

}  // namespace baton::model
