// What can happen to services: the only inputs of plan/step. Ids are those of the keeper's children.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/configuration.h"
#include "model/instance.h"
#include "model/plugin.h"

namespace baton::model {

// Time passed; what is due is done.
struct Tick {};
// A valid configuration whose new listeners are open. `retry`: an operator asked, so a revision that
// was taken back is tried again.
struct Configured {
    Configuration configuration;
    bool retry = false;
};
struct ChildStarted {
    std::uint64_t id = 0;
    std::int64_t pid = 0;
};
struct ChildNotStarted {
    std::uint64_t id = 0;
    std::string why;
    bool port_taken = false;  // somebody else has the port it was to bind: another one may do
};
struct ChildExited {
    std::uint64_t id = 0;
    int status = 0;  // as waitpid gives it
    std::uint64_t crumb = 0;  // of a worker: the Breadcrumb it left
};
struct KnownChild {
    std::uint64_t id = 0;
    std::int64_t pid = 0;
    bool exited = false;
    int status = 0;
    std::uint64_t crumb = 0;
};
// This master has just become the owner (or lost track): all children the keeper knows.
struct Adopted {
    std::vector<KnownChild> children;
    std::uint32_t generation = 0;  // of this master
    std::uint32_t cores = 1;       // of the host
};
// One sd_notify datagram.
struct Notified {
    std::uint64_t id = 0;
    bool ready = false;
    bool stopping = false;
    bool watchdog = false;
    std::optional<std::string> status;
    Millis extend = 0;
    bool hung = false;  // WATCHDOG=trigger: the program asks to be treated as one whose watchdog was silent
};
enum class ProbeKind { startup, readiness, liveness };
// A probe reached its threshold of successes or failures in a row.
struct Probed {
    std::uint64_t id = 0;
    ProbeKind kind = ProbeKind::readiness;
    bool passed = false;
    std::string why;
};
// No client waits any more on the sockets of a draining instance.
struct QueueEmpty {
    std::uint64_t id = 0;
};
struct ListenerDrained {
    std::string identity;
};
// No client of an external service that drains is left.
struct ServersDrained {
    std::string service;
};
enum class PowerChange { start, stop, restart };
struct PowerAsked {
    PowerChange change = PowerChange::start;
    std::string service;
    std::optional<std::uint32_t> ordinal;
};
struct ScaleAsked {
    std::string service;
    std::uint32_t replicas = 1;
};
struct WeightAsked {
    std::string service;
    std::uint32_t ordinal = 1;
    std::uint32_t weight = 1;
};
struct AdminAsked {
    std::string service;
    std::uint32_t ordinal = 1;
    AdminState admin = AdminState::ready;
};
// A worker serves by its first route table.
struct WorkerReady {
    std::uint64_t id = 0;
};
// It was told to leave by somebody else: it accepts nobody.
struct WorkerLeaves {
    std::uint64_t id = 0;
};
// Its loop stands still.
struct WorkerHung {
    std::uint64_t id = 0;
    std::uint64_t crumb = 0;  // the call of a plugin that does not come back; 0: none
};
// It leaves, and this one takes none of its connections any more; it has some still.
struct WorkerLostHeir {
    std::uint64_t id = 0;
    std::uint64_t heir = 0;
};
// Balancers are of these plugins from here on. Those that are quarantined stay so.
struct PluginsChosen {
    std::vector<PluginRef> plugins;
};
// Everything ends; `fast`: without draining.
struct StopAsked {
    bool fast = false;
};

using Event = std::variant<Tick, Configured, ChildStarted, ChildNotStarted, ChildExited, Adopted, Notified, Probed,
                           QueueEmpty, ListenerDrained, ServersDrained, PowerAsked, ScaleAsked, WeightAsked, AdminAsked, WorkerReady, WorkerLeaves, WorkerHung,
                           WorkerLostHeir, PluginsChosen, StopAsked>;

}  // namespace baton::model
