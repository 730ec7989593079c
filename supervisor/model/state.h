// Everything a master knows and must not forget: the state that plan/ works on. The keeper holds it as
// one small snapshot for each service, one of the configuration and one of the counters, so that a
// change costs what it changed; a master that dies is replaced by one that reads them and goes on.
//
// Desired and observed are kept apart: a Service says what is wanted (its revisions and the rollover
// between them), its Instances what is there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "base/time.h"
#include "model/configuration.h"
#include "model/instance.h"
#include "model/service.h"
#include "model/worker.h"

namespace baton::model {

// What a running process is made of. A digest of it must not change with what later versions add to a
// ServiceSpec: instances would be replaced for nothing when the supervisor is upgraded.
struct Program {
    std::string name;
    std::string version;
    std::vector<std::string> command;
    Delivery delivery = Delivery::inherit;
    Upstream upstream = Upstream::port;
    std::map<std::string, std::string> environment;
    std::string directory;
    std::string user;
    std::uint32_t umask = 022;
    LimitSpec limits;
};
BOOST_DESCRIBE_STRUCT(Program, (), (name, version, command, delivery, upstream, environment, directory, user, umask, limits))

// A service's definition that was or is in force. The number grows with each change.
struct Revision {
    std::uint64_t number = 0;
    std::string digest;  // equal for equal processes: see revision_digest
    ServiceSpec spec;
    // The listeners an instance of this revision inherits, in the order of their descriptors.
    std::vector<ListenerSpec> listeners;
};
BOOST_DESCRIBE_STRUCT(Revision, (), (number, digest, spec, listeners))

//            new revision                 every place holds it
//   settled ──────────────▶ rolling ─────────────────────────▶ settled
//                             │ the new one does not become ready
//                             ▼
//                        going_back ─────────────────────────▶ settled (the old revision, `rejected` set)
enum class RolloutPhase { settled, rolling, going_back };
BOOST_DESCRIBE_ENUM(RolloutPhase, settled, rolling, going_back)

// A revision that was taken back, and why.
struct Rejected {
    std::uint64_t revision = 0;  // 0: none
    std::string digest;
    std::string version;
    std::string why;
};
BOOST_DESCRIBE_STRUCT(Rejected, (), (revision, digest, version, why))

// What an operator said of one place of a service, or of one server of an external one. It holds through
// reloads, rollovers, upgrades and the death of masters, and is forgotten with the place or the server.
struct Override {
    std::uint32_t ordinal = 1;
    AdminState admin = AdminState::ready;
    std::optional<std::uint32_t> weight;  // none: as configured
    Millis since = 0;                     // when `admin` changed
};
BOOST_DESCRIBE_STRUCT(Override, (), (ordinal, admin, weight, since))

// A server of an external service. It keeps its number while its address is in the configuration.
struct External {
    std::uint32_t ordinal = 1;
    EndpointSpec spec;
    Millis since = 0;  // when it was added, or was `down` last
};
BOOST_DESCRIBE_STRUCT(External, (), (ordinal, spec, since))

// The servers of an external service, as its clients see them.
//
//            it is to run              nor does anybody who needs it        its clients have gone,
//   closed ──────────────▶ serving ──────────────────────────────▶ draining ───────────────▶ closed
//                             ▲  it is to run again                    │     or its time is over
//                             └────────────────────────────────────────┘
enum class ServersState { closed, serving, draining };
BOOST_DESCRIBE_ENUM(ServersState, closed, serving, draining)

struct Service {
    std::string name;
    std::uint64_t current = 0;   // the revision every place should hold
    std::uint64_t previous = 0;  // where to go back to; 0: nothing
    std::vector<Revision> revisions;
    std::vector<Instance> instances;
    std::vector<External> externals;  // in the configuration's order
    std::vector<Override> overrides;
    RolloutPhase phase = RolloutPhase::settled;
    Millis rollout_began = 0;
    std::uint32_t rollout_failures = 0;
    Rejected rejected;
    bool stopped = false;    // by an operator; survives reload and upgrade
    bool removed = false;    // left the configuration: ends when its instances are gone
    std::uint32_t scale = 0; // replicas an operator set, until the configuration changes its own; 0: as configured
    Millis as_of = 0;        // the last step that touched it: what an earlier one asked for has been done
    ServersState servers = ServersState::closed;  // of an external one
    Millis servers_deadline = never;              // draining: when it is over
};
BOOST_DESCRIBE_STRUCT(Service, (),
                      (name, current, previous, revisions, instances, externals, overrides, phase, rollout_began, rollout_failures, rejected,
                       stopped, removed, scale, as_of, servers, servers_deadline))

// A listener that left the configuration: it takes nobody new and is closed when its queue is empty.
struct ClosingListener {
    ListenerSpec spec;
    Millis deadline = never;
};
BOOST_DESCRIBE_STRUCT(ClosingListener, (), (spec, deadline))

inline constexpr std::uint32_t state_version = 1;

// What is read first of Counters, as the rest may be written in a way that this version does not know.
struct StateVersion {
    std::uint32_t version = state_version;
};
BOOST_DESCRIBE_STRUCT(StateVersion, (), (version))

struct Counters {
    std::uint32_t version = state_version;
    std::uint64_t next_child = 1;
    std::uint64_t next_revision = 1;
    // Places go round, so that one that was just given up is not taken again at once: the services'
    // snapshots are stored one by one, and two of them must never name one place.
    std::uint32_t next_place = 0;
    std::uint16_t next_port = 0;   // ports go round too: one that was just given up may be busy still
    bool kernel_steering = false;  // instances have sockets of their own, chosen by eBPF
    bool stopping = false;         // everything is being stopped
    std::vector<ClosingListener> closing;
};
BOOST_DESCRIBE_STRUCT(Counters, (), (version, next_child, next_revision, next_place, next_port, kernel_steering, stopping, closing))
using boost::describe::operators::operator==;

// Found from the rest and not stored: with it a step need not look at every service there is.
struct Index {
    std::unordered_map<std::uint64_t, std::string> services;  // of children that were asked for and have not ended
    bool depends = true;  // false: no revision of any service depends on another service
    bool proxies = true;  // false: none is proxied
};

struct State {
    Counters counters;
    Gateway gateway;
    Configuration configuration;  // in force
    std::map<std::string, Service> services;
    Index index;
};

// These return null when there is none.
const Override* find_override(const Service& service, std::uint32_t ordinal);
const External* find_external(const Service& service, std::uint32_t ordinal);
const Revision* find_revision(const Service& service, std::uint64_t number);
// The instance of the child with this number, and its service; null when there is none.
std::pair<Service*, Instance*> find_by_child(State& state, std::uint64_t id);
// What must be equal for a running process to stay as it is: program, environment, user, limits,
// and the listeners it inherits.
std::string revision_digest(const ServiceSpec& spec, const std::vector<ListenerSpec>& listeners);
// Of processes: an external service has none.
std::uint32_t wanted_replicas(const Service& service);
bool is_external(const Service& service);
// An external server's number for its connections: the same for the same address of the same service, with its
// highest bit set, so that it is no child's.
std::uint64_t external_id(const std::string& service, const Address& address);

}  // namespace baton::model
