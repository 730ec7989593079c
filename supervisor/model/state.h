// Everything a master knows and must not forget: the state that plan/ works on and that the keeper
// holds as a snapshot. A master that dies is replaced by one that reads this and goes on.
//
// Desired and observed are kept apart: `Service` says what is wanted (its revisions and the rollover
// between them), `Instance` what is there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "base/time.h"
#include "model/configuration.h"
#include "model/instance.h"
#include "model/service.h"
#include "model/upgrade.h"

namespace baton::model {

// A service's definition that was or is in force. The number grows with each change.
struct Revision {
    std::uint64_t number = 0;
    std::string digest;
    ServiceSpec spec;
    // The listeners an instance of this revision inherits, in the order of their descriptors.
    std::vector<ListenerSpec> listeners;
};
BOOST_DESCRIBE_STRUCT(Revision, (), (number, digest, spec, listeners))

//            new revision                 all places hold it
//   settled ──────────────▶ rolling ─────────────────────────▶ settled
//                             │ the new one does not become ready
//                             ▼
//                        going_back ─────────────────────────▶ settled (the old revision, `rejected` set)
enum class RolloutPhase { settled, rolling, going_back };
BOOST_DESCRIBE_ENUM(RolloutPhase, settled, rolling, going_back)

struct Service {
    std::string name;
    std::uint64_t current = 0;   // the revision every place should hold
    std::uint64_t previous = 0;  // where to go back to; 0: nothing
    std::vector<Revision> revisions;
    RolloutPhase phase = RolloutPhase::settled;
    Millis rollout_began = 0;
    std::uint32_t rollout_failures = 0;
    // What the configuration last asked for, and why it was not kept; empty: it is in force.
    std::string rejected;  // digest
    std::string rejected_why;
    std::uint64_t rejected_revision = 0;
    std::string rejected_version;
    bool stopped = false;    // by an operator; survives reload and upgrade
    bool removed = false;    // left the configuration: ends when its instances are gone
    std::uint32_t scale = 0; // replicas an operator set; 0: as configured
};
BOOST_DESCRIBE_STRUCT(Service, (),
                      (name, current, previous, revisions, phase, rollout_began, rollout_failures, rejected,
                       rejected_why, rejected_revision, rejected_version, stopped, removed, scale))

// A listener that left the configuration: it takes nobody new and is closed when its queue is empty.
struct ClosingListener {
    ListenerSpec spec;
    Millis since = 0;
    Millis deadline = never;
};
BOOST_DESCRIBE_STRUCT(ClosingListener, (), (spec, since, deadline))

inline constexpr std::uint32_t state_version = 1;

struct State {
    std::uint32_t version = state_version;
    std::uint64_t next_child = 1;
    std::uint64_t next_revision = 1;
    std::uint64_t next_event = 1;
    Configuration configuration;  // in force
    std::map<std::string, Service> services;
    std::vector<Instance> instances;
    std::vector<ClosingListener> closing;
    Upgrade upgrade;
    bool stopping = false;  // everything is being stopped, gracefully
};
BOOST_DESCRIBE_STRUCT(State, (),
                      (version, next_child, next_revision, next_event, configuration, services, instances, closing,
                       upgrade, stopping))
using boost::describe::operators::operator==;

}  // namespace baton::model
