// A worker of the gateway, as its master sees it.
//
//              serves by its first table        a worker takes its place, or none is needed
//   starting ──────────────────────────▶ ready ─────────────────────────────────────────▶ leaving
//       │ exit                             │ exit                                            │ exit
//       └──────▶ (its record goes, and another is started) ◀──────┘            (its record goes)
//
// starting  its process was asked for
// ready     accepts and proxies
// leaving   accepts nobody; its connections go to a worker that stays, or end by themselves until the deadline
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "base/time.h"
#include "model/plugin.h"

namespace baton::model {

enum class WorkerState { starting, ready, leaving };
BOOST_DESCRIBE_ENUM(WorkerState, starting, ready, leaving)

struct WorkerEdge {
    WorkerState from;
    WorkerState to;
};
inline constexpr std::array worker_edges{
    WorkerEdge{WorkerState::starting, WorkerState::ready},
    WorkerEdge{WorkerState::starting, WorkerState::leaving},
    WorkerEdge{WorkerState::ready, WorkerState::leaving},
};

struct Worker {
    std::uint64_t id = 0;          // the keeper's child
    std::uint32_t generation = 0;  // whose program it runs
    std::uint32_t number = 0;      // from 0; each number has one worker that is not leaving
    std::int64_t pid = 0;
    WorkerState state = WorkerState::starting;
    Millis since = 0;
    Millis deadline = never;
    std::uint64_t heir = 0;        // leaving: who takes its connections; 0: nobody yet
    std::string user;              // as whom it runs; empty: as the supervisor itself
};
BOOST_DESCRIBE_STRUCT(Worker, (), (id, generation, number, pid, state, since, deadline, heir, user))

struct Gateway {
    std::uint32_t generation = 0;  // the owner's: whose workers are wanted
    std::uint32_t cores = 1;       // of the host: so many workers where none are configured
    std::vector<Worker> workers;
    std::uint32_t failures = 0;    // ends in a row of workers that had hardly served
    Millis start_at = 0;           // no worker is started before
    std::vector<PluginRef> plugins;  // in force
};
BOOST_DESCRIBE_STRUCT(Gateway, (), (generation, cores, workers, failures, start_at, plugins))
using boost::describe::operators::operator==;

}  // namespace baton::model
