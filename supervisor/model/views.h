// What the supervisor shows of itself: the documents of the admin API, which `baton` prints. A view is
// made for one answer and says what an operator asks at night; it is no state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

#include "base/time.h"

namespace baton::model {

struct InstanceView {
    std::string name;     // "web/1"
    std::string service;
    std::string state;    // an InstanceState; of an external server: ready, down
    std::string version;
    std::uint64_t revision = 0;
    std::uint64_t id = 0; // unique for each start
    std::int64_t pid = 0; // 0: no process
    std::uint32_t restarts = 0;
    Millis since = 0;     // milliseconds in this state
    std::uint32_t weight = 1;
    std::string status;   // what the program said of itself (STATUS=); of an external server: its address
    std::string last_exit;  // "exited 1", "killed by signal 9"; empty: never ended
    std::string admin;    // what an operator wants: an AdminState
};
BOOST_DESCRIBE_STRUCT(InstanceView, (), (name, service, state, version, revision, id, pid, restarts, since, weight, status, last_exit, admin))

struct ServiceView {
    std::string name;
    std::string state;  // running, degraded, starting, rolling, stopping, stopped, failed
    std::string version;
    std::uint64_t revision = 0;
    std::uint32_t replicas = 0;
    std::uint32_t ready = 0;
    std::string delivery;
    std::string steering;  // "kernel", "shared", "workers" (delivery proxy), "-" without listeners
    std::string rollout;   // empty, or a sentence: "rolling to revision 3: 1 of 2 ready"
    std::vector<std::string> listeners;
};
BOOST_DESCRIBE_STRUCT(ServiceView, (), (name, state, version, revision, replicas, ready, delivery, steering, rollout, listeners))

struct ListenerView {
    std::string name;
    std::string identity;
    std::string protocol;
    std::string service;
    std::string steering;
    std::uint32_t sockets = 0;
    std::uint32_t queued = 0;  // connections waiting to be accepted
    std::string state;         // listening, closing
};
BOOST_DESCRIBE_STRUCT(ListenerView, (), (name, identity, protocol, service, steering, sockets, queued, state))

struct GenerationView {
    std::uint32_t generation = 0;
    std::int64_t pid = 0;
    std::string role;    // owner, standby (the old master of an upgrade), trial (the new one)
    std::string binary;
    std::string version;
    std::string phase;   // of the upgrade it is part of: idle, trial, proved, handed
    Millis since = 0;
};
BOOST_DESCRIBE_STRUCT(GenerationView, (), (generation, pid, role, binary, version, phase, since))

struct WorkerView {
    std::string name;  // "4.0": of generation 4, the first
    std::uint32_t generation = 0;
    std::int64_t pid = 0;
    std::string state;  // a WorkerState
    Millis since = 0;
    std::uint64_t open = 0;      // connections now
    std::uint64_t accepted = 0;  // connections since it was started, as the rest
    std::uint64_t failed = 0;    // no instance could be reached for them
    std::uint64_t taken = 0;     // from another worker
    std::uint64_t given = 0;     // to another worker
    std::uint64_t to_instances = 0;  // bytes
    std::uint64_t to_clients = 0;
    std::uint64_t faults = 0;        // picks of strategies that may not be, and were replaced
    std::uint64_t refused = 0;       // of those accepted: whose PROXY header or TLS handshake came to nothing
    std::uint64_t aborted = 0;       // requests whose clients had gone before their responses were whole
    std::uint64_t dropped = 0;       // datagrams that could not be passed on
};
BOOST_DESCRIBE_STRUCT(WorkerView, (),
                      (name, generation, pid, state, since, open, accepted, failed, taken, given, to_instances, to_clients, faults, refused, aborted,
                       dropped))

// One strategy of a plugin, or a file that gives none.
struct PluginView {
    std::string name;     // the strategy's; of a file that could not be read, its own
    std::string kind;     // "baton.balancer/1"
    std::string version;  // the plugin's
    std::string file;
    std::string state;    // used, unused, refused, quarantined; unchecked: nobody has asked for it
    std::string reason;   // why it is refused or quarantined, or what else is to be known
    std::string description;
};
BOOST_DESCRIBE_STRUCT(PluginView, (), (name, kind, version, file, state, reason, description))

struct RevisionView {
    std::string service;
    std::uint64_t revision = 0;
    std::string version;
    std::string state;  // current, previous, rejected
    std::string command;
    std::string reason; // why it was rejected
};
BOOST_DESCRIBE_STRUCT(RevisionView, (), (service, revision, version, state, command, reason))

struct NodeView {
    std::string name;
    std::string state;
    std::int64_t keeper_pid = 0;
    std::int64_t master_pid = 0;
    std::uint32_t generation = 0;
    std::string version;
    std::string steering;  // "kernel", or "shared: why"
    std::string cgroups;   // "v2", or "none: why"
    std::string configuration;
    Millis uptime = 0;
    std::string keeper;  // running, or "silent for 12s": it is stopped or hangs, and nothing can be started
};
BOOST_DESCRIBE_STRUCT(NodeView, (), (name, state, keeper_pid, master_pid, generation, version, steering, cgroups, configuration, uptime, keeper))

struct StatusView {
    NodeView node;
    std::vector<GenerationView> generations;
    std::vector<ServiceView> services;
    std::vector<InstanceView> instances;
    std::vector<WorkerView> workers;
    std::vector<PluginView> plugins;  // those in force that are quarantined; /v1/plugins has them all
};
BOOST_DESCRIBE_STRUCT(StatusView, (), (node, generations, services, instances, workers, plugins))

struct EventView {
    std::uint64_t number = 0;
    std::string time;  // 2026-01-31T12:00:00.123Z
    std::string kind;  // "instance.ready", "rollout.failed", "upgrade.committed", ...
    std::string subject;  // "web/1", "web", "generation 4"
    std::string text;
};
BOOST_DESCRIBE_STRUCT(EventView, (), (number, time, kind, subject, text))

struct LogLineView {
    std::uint64_t number = 0;
    std::string time;
    std::string instance;
    std::string text;
};
BOOST_DESCRIBE_STRUCT(LogLineView, (), (number, time, instance, text))

// One line of a long command's answer; the last one of a command has `done`.
struct ProgressView {
    std::string phase;
    std::string text;
    std::uint32_t percent = 0;
    bool done = false;
    bool succeeded = false;
    std::vector<std::string> details;  // on failure: what failed, the log's last lines
    int status = 0;  // on failure: the HTTP status it has; 503: another master is to be asked
};
BOOST_DESCRIBE_STRUCT(ProgressView, (), (phase, text, percent, done, succeeded, details, status))

// RFC 9457.
struct ProblemView {
    std::string type = "about:blank";
    std::string title;
    int status = 0;
    std::string detail;
    std::vector<std::string> errors;
};
BOOST_DESCRIBE_STRUCT(ProblemView, (), (type, title, status, detail, errors))

}  // namespace baton::model
