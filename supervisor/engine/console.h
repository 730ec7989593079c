// What the admin API asks of the engine: views to show, commands to carry out, streams to follow.
//
// One thread: the master's io_context. Views are made for one answer. A command is a coroutine that
// ends when the thing asked for is true, or cannot become true; it reports its progress on the way and
// returns an Error that says what failed, in which phase.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.h"
#include "base/time.h"
#include "model/instance.h"
#include "model/views.h"

namespace baton::engine {

struct ReloadCommand {
    bool wait = true;  // for the rollovers it starts
};
struct ScaleCommand {
    std::string service;
    std::uint32_t replicas = 1;
};
enum class Power { start, stop, restart };
struct PowerCommand {
    Power power = Power::start;
    std::string service;
    std::optional<std::uint32_t> ordinal;  // one instance; empty: the service
};
struct WeightCommand {
    std::string service;
    std::uint32_t ordinal = 1;
    std::uint32_t weight = 1;
};
struct AdminCommand {
    std::string service;
    std::uint32_t ordinal = 1;
    model::AdminState admin = model::AdminState::ready;
};
struct UpgradeCommand {
    std::string binary;  // empty: the path of the running one
    std::optional<Millis> soak;
    bool wait = true;
};
struct ReopenCommand {};
struct ShutdownCommand {
    bool graceful = true;
};
// Looks at the plugin directories again; what is new and passes its check comes into force.
struct PluginReloadCommand {};
// Checks a file as if it were to come into force; changes nothing.
struct PluginCheckCommand {
    std::string file;
};

using Command = std::variant<ReloadCommand, ScaleCommand, PowerCommand, WeightCommand, AdminCommand, UpgradeCommand,
                             ReopenCommand, ShutdownCommand, PluginReloadCommand, PluginCheckCommand>;

// Called for each step of a command; cheap, may be called any number of times.
using Progress = std::function<void(const model::ProgressView&)>;

// A failed command's Error, with the lines an operator needs beside it.
struct CommandFailure {
    int status = 409;  // HTTP: 400 bad request, 404 no such thing, 409 refused or failed, 503 not the owner
    std::string message;
    std::vector<std::string> details;
    std::string phase = {};  // in which it failed; empty: the last that Progress was told
};

// Follows events or log lines: `next` waits for the next one. Slow readers lose the oldest and are told
// by a gap in `number`.
template <class View>
class Subscription {
  public:
    virtual ~Subscription() = default;
    // The next view; ends with an empty optional after `wait`, or when the master is about to end
    // (then `closed()`).
    virtual boost::asio::awaitable<std::optional<View>> next(Millis wait) = 0;
    virtual bool closed() const = 0;
};

class Console {
  public:
    virtual ~Console() = default;

    virtual model::StatusView status() const = 0;
    virtual std::vector<model::ServiceView> services() const = 0;
    virtual std::vector<model::InstanceView> instances() const = 0;
    virtual std::vector<model::ListenerView> listeners() const = 0;
    virtual std::vector<model::GenerationView> generations() const = 0;
    virtual std::vector<model::RevisionView> revisions() const = 0;
    virtual std::vector<model::NodeView> nodes() const = 0;
    virtual std::vector<model::WorkerView> workers() const = 0;
    virtual std::vector<model::PluginView> plugins() const = 0;

    // Whether this generation can serve: empty, or why it cannot. `as_owner`: it must own the instances, for
    // which it is given limits::ownership_patience. GET /healthz.
    virtual boost::asio::awaitable<std::vector<std::string>> health(bool as_owner) = 0;

    // Returns an empty optional when the command has succeeded.
    virtual boost::asio::awaitable<std::optional<CommandFailure>> execute(Command command, Progress progress) = 0;

    // Events after number `after` (0: all that are kept), then those to come.
    virtual std::unique_ptr<Subscription<model::EventView>> follow_events(std::uint64_t after) = 0;
    // The last `lines` of `service` (an instance where `ordinal` is given; everything where both are
    // empty), then those to come.
    virtual std::unique_ptr<Subscription<model::LogLineView>> follow_logs(std::string service,
                                                                          std::optional<std::uint32_t> ordinal,
                                                                          std::size_t lines) = 0;
};

}  // namespace baton::engine
