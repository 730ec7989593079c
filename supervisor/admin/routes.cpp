#include "admin/routes.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/core.h>

#include "admin/body.h"
#include "admin/problem.h"
#include "base/limits.h"
#include "model/codec.h"

namespace baton::admin {
namespace {

struct Call {
    const Request& request;
    const Target& target;
    const engine::Console& console;
    std::vector<std::string> arguments;  // what stands where the pattern has '*'

    const std::string& service() const { return arguments.at(0); }
    const std::string* parameter(const std::string& name) const {
        const auto found = target.query.find(name);
        return found == target.query.end() ? nullptr : &found->second;
    }
};

Reply refuse(int status, std::string detail, std::vector<std::string> errors = {}) {
    return Refusal{problem(status, std::move(detail), std::move(errors)), {}};
}

// --- documents ---

Reply show_status(const Call& call) {
    return Document{model::encode(call.console.status())};
}
Reply show_services(const Call& call) {
    return Document{model::encode(call.console.services())};
}
Reply show_instances(const Call& call) {
    return Document{model::encode(call.console.instances())};
}
Reply show_listeners(const Call& call) {
    return Document{model::encode(call.console.listeners())};
}
Reply show_nodes(const Call& call) {
    return Document{model::encode(call.console.nodes())};
}
Reply show_workers(const Call& call) {
    return Document{model::encode(call.console.workers())};
}
Reply show_plugins(const Call& call) {
    return Document{model::encode(call.console.plugins())};
}
Reply show_revisions(const Call& call) {
    return Document{model::encode(call.console.revisions())};
}
Reply show_generations(const Call& call) {
    return Document{model::encode(call.console.generations())};
}

Reply show_service(const Call& call) {
    for (const auto& service : call.console.services()) {
        if (service.name == call.service()) return Document{model::encode(service)};
    }
    return refuse(404, fmt::format("there is no service '{}'", call.service()));
}

Reply show_instance(const Call& call) {
    const std::string name = fmt::format("{}/{}", call.arguments[0], call.arguments[1]);
    // While a rollover is on, a place may have two; the newer one is meant.
    std::optional<model::InstanceView> newest;
    for (const auto& instance : call.console.instances()) {
        if (instance.name == name && (!newest || instance.revision >= newest->revision)) newest = instance;
    }
    if (newest) return Document{model::encode(*newest)};
    return refuse(404, fmt::format("there is no instance '{}'", name));
}

// true, false, or a mistake; `fallback` where the parameter is absent.
std::optional<bool> flag(const Call& call, const std::string& name, bool fallback) {
    const auto* text = call.parameter(name);
    if (text == nullptr) return fallback;
    if (*text == "true") return true;
    if (*text == "false") return false;
    return {};
}

Reply check_health(const Call& call) {
    const auto as_owner = flag(call, "owner", false);
    if (!as_owner) return refuse(400, "'owner' must be true or false");
    return CheckHealth{*as_owner};
}

// --- streams ---

Reply follow_events(const Call& call) {
    const auto follow = flag(call, "follow", true);
    if (!follow) return refuse(400, "'follow' must be true or false");
    const auto* after = call.parameter("after");
    // A client that reconnects names the last event it saw, whatever it asked for at first.
    const std::string& text = call.request.last_event_id;
    const auto number = !text.empty()      ? parse_number(text, 0, UINT64_MAX)
                        : after != nullptr ? parse_number(*after, 0, UINT64_MAX)
                                           : std::optional<std::uint64_t>(0);
    if (!number) return refuse(400, "'after' and Last-Event-ID must be the number of an event");
    return FollowEvents{*number, *follow};
}

Reply follow_logs(const Call& call) {
    FollowLogs logs;
    const auto follow = flag(call, "follow", false);
    if (!follow) return refuse(400, "'follow' must be true or false");
    logs.follow = *follow;
    logs.lines = limits::log_lines_default;
    if (const auto* text = call.parameter("lines")) {
        const auto lines = parse_number(*text, 0, limits::log_lines_max);
        if (!lines)
            return refuse(400, fmt::format("'lines' must be a number from 0 to {}", limits::log_lines_max));
        logs.lines = *lines;
    }
    if (call.arguments.empty()) return logs;
    logs.service = call.service();
    if (call.arguments.size() > 1) {
        const auto ordinal = parse_number(call.arguments[1], 1, UINT32_MAX);
        if (!ordinal)
            return refuse(404, fmt::format("there is no instance '{}/{}'", logs.service, call.arguments[1]));
        logs.ordinal = static_cast<std::uint32_t>(*ordinal);
    }
    const auto services = call.console.services();
    const auto named = [&](const auto& service) { return service.name == logs.service; };
    if (std::ranges::none_of(services, named)) {
        return refuse(404, fmt::format("there is no service '{}'", logs.service));
    }
    return logs;
}

// --- commands ---

// The command, or everything that is wrong with its body.
template <class Command>
Reply run(const Body& body, Command command) {
    auto mistakes = body.mistakes();
    if (mistakes.empty()) return RunCommand{std::move(command)};
    std::string detail = "the body is wrong: " + mistakes.front();
    return refuse(400, std::move(detail), std::move(mistakes));
}

template <engine::Power power>
Reply power_service(const Call& call) {
    const Body body(call.request.body);
    return run(body, engine::PowerCommand{power, call.service(), {}});
}

Reply no_such_instance(const Call& call) {
    return refuse(404, fmt::format("there is no instance '{}/{}'", call.arguments[0], call.arguments[1]));
}

template <engine::Power power>
Reply power_instance(const Call& call) {
    const Body body(call.request.body);
    const auto ordinal = parse_number(call.arguments[1], 1, UINT32_MAX);
    if (!ordinal) return no_such_instance(call);
    return run(body, engine::PowerCommand{power, call.service(), static_cast<std::uint32_t>(*ordinal)});
}

Reply scale(const Call& call) {
    Body body(call.request.body);
    const auto replicas = body.number("replicas", 1, limits::replicas);
    return run(body, engine::ScaleCommand{call.service(), replicas});
}

Reply weigh(const Call& call) {
    Body body(call.request.body);
    const auto ordinal = parse_number(call.arguments[1], 1, UINT32_MAX);
    if (!ordinal) return no_such_instance(call);
    const auto weight = body.number("weight", 0, limits::weight_max);
    return run(body, engine::WeightCommand{call.service(), static_cast<std::uint32_t>(*ordinal), weight});
}

template <model::AdminState admin>
Reply administer(const Call& call) {
    const Body body(call.request.body);
    const auto ordinal = parse_number(call.arguments[1], 1, UINT32_MAX);
    if (!ordinal) return no_such_instance(call);
    return run(body, engine::AdminCommand{call.service(), static_cast<std::uint32_t>(*ordinal), admin});
}

Reply reload(const Call& call) {
    Body body(call.request.body);
    const bool wait = body.boolean("wait", true);
    return run(body, engine::ReloadCommand{wait});
}

Reply upgrade(const Call& call) {
    Body body(call.request.body);
    engine::UpgradeCommand command;
    command.binary = body.text("binary").value_or("");
    if (!command.binary.empty() && !command.binary.starts_with('/'))
        body.mistake("'binary' must be an absolute path");
    if (command.binary.size() > limits::path_bytes) body.mistake(fmt::format("'binary' is longer than {} bytes", limits::path_bytes));
    if (const auto text = body.text("soak")) {
        const auto soak = parse_duration(*text);
        if (soak) command.soak = *soak;
        if (!soak) body.mistake("'soak': " + soak.error().message());
    }
    command.wait = body.boolean("wait", true);
    return run(body, std::move(command));
}

Reply reload_plugins(const Call& call) {
    const Body body(call.request.body);
    return run(body, engine::PluginReloadCommand{});
}

Reply check_plugin(const Call& call) {
    Body body(call.request.body);
    engine::PluginCheckCommand command;
    command.file = body.text("file").value_or("");
    if (!command.file.starts_with('/')) body.mistake("'file' must be an absolute path");
    if (command.file.size() > limits::path_bytes) body.mistake(fmt::format("'file' is longer than {} bytes", limits::path_bytes));
    return run(body, std::move(command));
}

Reply reopen(const Call& call) {
    const Body body(call.request.body);
    return run(body, engine::ReopenCommand{});
}

Reply shut_down(const Call& call) {
    Body body(call.request.body);
    const bool graceful = body.boolean("graceful", true);
    return run(body, engine::ShutdownCommand{graceful});
}

// --- the table ---

struct Route {
    std::string_view method;
    std::string_view pattern;  // '*' stands for one part of the path
    Reply (*answer)(const Call&);
    std::array<std::string_view, 2> parameters{};
};

constexpr Route routes[] = {
    {"GET", "healthz", check_health, {"owner"}},
    {"GET", "v1/status", show_status},
    {"GET", "v1/services", show_services},
    {"GET", "v1/services/*", show_service},
    {"GET", "v1/instances", show_instances},
    {"GET", "v1/instances/*/*", show_instance},
    {"GET", "v1/listeners", show_listeners},
    {"GET", "v1/nodes", show_nodes},
    {"GET", "v1/workers", show_workers},
    {"GET", "v1/plugins", show_plugins},
    {"GET", "v1/revisions", show_revisions},
    {"GET", "v1/generations", show_generations},
    {"GET", "v1/events", follow_events, {"after", "follow"}},
    {"GET", "v1/logs", follow_logs, {"lines", "follow"}},
    {"GET", "v1/logs/*", follow_logs, {"lines", "follow"}},
    {"GET", "v1/logs/*/*", follow_logs, {"lines", "follow"}},
    {"POST", "v1/services/*/start", power_service<engine::Power::start>},
    {"POST", "v1/services/*/stop", power_service<engine::Power::stop>},
    {"POST", "v1/services/*/restart", power_service<engine::Power::restart>},
    {"POST", "v1/services/*/scale", scale},
    {"POST", "v1/instances/*/*/start", power_instance<engine::Power::start>},
    {"POST", "v1/instances/*/*/stop", power_instance<engine::Power::stop>},
    {"POST", "v1/instances/*/*/restart", power_instance<engine::Power::restart>},
    {"POST", "v1/instances/*/*/weight", weigh},
    {"POST", "v1/instances/*/*/drain", administer<model::AdminState::drain>},
    {"POST", "v1/instances/*/*/maint", administer<model::AdminState::maint>},
    {"POST", "v1/instances/*/*/ready", administer<model::AdminState::ready>},
    {"POST", "v1/reload", reload},
    {"POST", "v1/upgrade", upgrade},
    {"POST", "v1/plugins/reload", reload_plugins},
    {"POST", "v1/plugins/check", check_plugin},
    {"POST", "v1/reopen", reopen},
    {"POST", "v1/shutdown", shut_down},
};

// What stands where the pattern has '*'; nothing if the path is another.
std::optional<std::vector<std::string>> match(std::string_view pattern,
                                              const std::vector<std::string>& path) {
    std::vector<std::string> arguments;
    for (const auto& part : path) {
        const auto end = pattern.find('/');
        const auto wanted = pattern.substr(0, end);
        if (wanted == "*") {
            arguments.push_back(part);
        } else if (wanted != part) {
            return {};
        }
        pattern.remove_prefix(end == std::string_view::npos ? pattern.size() : end + 1);
    }
    if (!pattern.empty()) return {};
    return arguments;
}

std::optional<std::string> unknown_parameter(const Route& known, const Target& target) {
    for (const auto& [name, value] : target.query) {
        if (std::ranges::find(known.parameters, name) == known.parameters.end()) return name;
    }
    return {};
}

struct DescribeCommand {
    std::string operator()(const engine::ReloadCommand&) const { return "reload"; }
    std::string operator()(const engine::ScaleCommand& command) const {
        return fmt::format("scale {} to {}", command.service, command.replicas);
    }
    std::string operator()(const engine::PowerCommand& command) const {
        static constexpr std::array<std::string_view, 3> verbs{"start", "stop", "restart"};
        const auto verb = verbs[static_cast<std::size_t>(command.power)];
        if (!command.ordinal) return fmt::format("{} {}", verb, command.service);
        return fmt::format("{} {}/{}", verb, command.service, *command.ordinal);
    }
    std::string operator()(const engine::WeightCommand& command) const {
        return fmt::format("weight of {}/{} to {}", command.service, command.ordinal, command.weight);
    }
    std::string operator()(const engine::AdminCommand& command) const {
        static constexpr std::array<std::string_view, 3> verbs{"ready", "drain", "maint"};
        return fmt::format("{} {}/{}", verbs[static_cast<std::size_t>(command.admin)], command.service, command.ordinal);
    }
    std::string operator()(const engine::UpgradeCommand& command) const {
        return command.binary.empty() ? "upgrade" : "upgrade to " + command.binary;
    }
    std::string operator()(const engine::PluginReloadCommand&) const { return "plugin reload"; }
    std::string operator()(const engine::PluginCheckCommand& command) const { return "plugin check " + command.file; }
    std::string operator()(const engine::ReopenCommand&) const { return "reopen the logs"; }
    std::string operator()(const engine::ShutdownCommand& command) const {
        return command.graceful ? "graceful shutdown" : "fast shutdown";
    }
};

}  // namespace

Reply route(const Request& request, const engine::Console& console) {
    const auto target = parse_target(request.target);
    if (!target) return refuse(400, target.error().message());
    const std::string_view method =
        request.manner.head ? std::string_view("GET") : std::string_view(request.method);
    std::string allow;
    for (const Route& known : routes) {
        auto arguments = match(known.pattern, target->path);
        if (!arguments) continue;
        if (known.method != method) {
            if (!allow.empty()) allow += ", ";
            allow += known.method == "GET" ? "GET, HEAD" : known.method;
            continue;
        }
        if (const auto unknown = unknown_parameter(known, *target)) {
            return refuse(400, fmt::format("the parameter '{}' is unknown here", *unknown));
        }
        return known.answer(Call{request, *target, console, std::move(*arguments)});
    }
    if (allow.empty()) return refuse(404, fmt::format("there is nothing at '{}'", request.target));
    return Refusal{problem(405, fmt::format("{} is not possible here, but {}", request.method, allow)),
                   allow};
}

std::string describe(const engine::Command& command) {
    return std::visit(DescribeCommand{}, command);
}

}  // namespace baton::admin
