// The effective configuration as TOML.
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>
#include <boost/describe/enum_to_string.hpp>

#include "config/groups.h"
#include "config/load.h"
#include "config/node.h"
#include "config/values.h"

namespace baton::config {
namespace {

class Writer {
  public:
    void header(std::string_view path) { text_ += fmt::format("{}[{}]\n", text_.empty() ? "" : "\n", path); }

    void raw(std::string_view key, std::string_view value) { text_ += fmt::format("{} = {}\n", key, value); }
    void text(std::string_view key, std::string_view value) { raw(key, in_quotes(value)); }
    void given(std::string_view key, std::string_view value) {
        if (!value.empty()) text(key, value);
    }
    void integer(std::string_view key, std::uint64_t value) { raw(key, fmt::format("{}", value)); }
    void boolean(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }
    void duration(std::string_view key, Millis value) { text(key, format_duration(value)); }

    void texts(std::string_view key, const std::vector<std::string>& values) {
        std::string list;
        for (const std::string& value : values)
            list += fmt::format("{}{}", list.empty() ? "" : ", ", in_quotes(value));
        raw(key, fmt::format("[{}]", list));
    }

    std::string take() { return std::move(text_); }

  private:
    std::string text_;
};

template <class E>
std::string_view enumerator(E value) {
    return boost::describe::enum_to_string(value, "");
}

std::string share_text(const model::Share& share) {
    return share.percent ? in_quotes(fmt::format("{}%", share.count)) : fmt::format("{}", share.count);
}

void print_supervisor(Writer& out, const model::SupervisorSpec& spec) {
    out.header("supervisor");
    out.text("pid_file", spec.pid_file);
    out.text("runtime_dir", spec.runtime_dir);
    out.text("state_dir", spec.state_dir);
    if (spec.workers == 0) out.text("workers", "auto");
    if (spec.workers > 0) out.integer("workers", spec.workers);
    out.given("user", spec.user);

    out.header("supervisor.log");
    out.text("level", enumerator(spec.log.level));
    out.given("file", spec.log.file);
    out.text("format", enumerator(spec.log.format));

    out.header("supervisor.upgrade");
    out.duration("ready_timeout", spec.upgrade.ready_timeout);
    out.duration("soak", spec.upgrade.soak);
    out.duration("drain_timeout", spec.upgrade.drain_timeout);
    out.text("mode", spec.upgrade.mode == model::UpgradeMode::automatic ? "auto" : "manual");

    out.header("admin");
    out.text("socket", spec.admin_socket);
}

void print_listener(Writer& out, const model::ListenerSpec& spec) {
    out.header("listener." + key_text(spec.name));
    out.text("address", model::to_string(spec.address));
    out.text("protocol", enumerator(spec.protocol));
    out.text("service", spec.service);
    if (spec.protocol != model::Protocol::udp)
        out.integer("backlog", static_cast<std::uint64_t>(spec.backlog));
}

void print_probe(Writer& out, const std::string& path, model::ProbeKind kind, const model::ProbeSpec& spec) {
    const auto counts = [&](std::string_view key) { return has_effect(kind, spec.type, key); };
    out.header(path);
    out.text("type", enumerator(spec.type));
    if (counts("path")) out.text("path", spec.path);
    if (spec.port != 0) out.integer("port", spec.port);
    if (counts("interval")) out.duration("interval", spec.interval);
    if (counts("timeout")) out.duration("timeout", spec.timeout);
    if (counts("success")) out.integer("success", spec.success);
    if (counts("failure")) out.integer("failure", spec.failure);
    if (counts("initial_delay")) out.duration("initial_delay", spec.initial_delay);
}

void print_limits(Writer& out, const std::string& path, const model::LimitSpec& spec) {
    if (spec == model::LimitSpec{}) return;
    out.header(path);
    if (spec.nofile != 0) out.integer("nofile", spec.nofile);
    if (spec.memory != 0) out.text("memory", format_size(spec.memory));
    if (spec.cpu != 0) out.raw("cpu", fmt::format("{}", spec.cpu));
}

void print_environment(Writer& out, const std::string& path,
                       const std::map<std::string, std::string>& environment) {
    if (environment.empty()) return;
    out.header(path);
    for (const auto& [name, value] : environment) out.text(key_text(name), value);
}

void print_policies(Writer& out, const std::string& path, const model::ServiceSpec& spec, bool balanced) {
    if (balanced) {
        out.header(path + ".balance");
        out.text("strategy", enumerator(spec.balance.strategy));
    }

    out.header(path + ".rollout");
    out.text("strategy", "rolling");
    out.raw("max_surge", share_text(spec.rollout.max_surge));
    out.raw("max_unavailable", share_text(spec.rollout.max_unavailable));
    out.duration("min_ready", spec.rollout.min_ready);
    out.duration("deadline", spec.rollout.deadline);
    out.boolean("auto_rollback", spec.rollout.auto_rollback);

    out.header(path + ".restart");
    out.text("policy", enumerator(spec.restart.policy));
    if (spec.restart.policy != model::RestartPolicy::never) {
        out.duration("backoff", spec.restart.backoff);
        out.duration("backoff_max", spec.restart.backoff_max);
        out.integer("limit", spec.restart.limit);
    }

    out.header(path + ".stop");
    out.text("signal", signal_name(spec.stop.signal));
    out.duration("drain_timeout", spec.stop.drain_timeout);
    out.duration("kill_timeout", spec.stop.kill_timeout);
}

void print_service(Writer& out, const model::ServiceSpec& spec, bool balanced) {
    const std::string path = "service." + key_text(spec.name);
    out.header(path);
    out.text("version", spec.version);
    out.texts("command", spec.command);
    out.integer("replicas", spec.replicas);
    out.text("delivery", enumerator(spec.delivery));
    if (spec.delivery == model::Delivery::proxy) out.text("upstream", enumerator(spec.upstream));
    out.given("directory", spec.directory);
    out.given("user", spec.user);
    out.text("umask", fmt::format("{:03o}", spec.umask));
    out.texts("depends_on", spec.depends_on);
    out.boolean("enabled", spec.enabled);
    print_environment(out, path + ".environment", spec.environment);
    print_limits(out, path + ".limits", spec.limits);
    print_probe(out, path + ".startup", model::ProbeKind::startup, spec.startup);
    print_probe(out, path + ".readiness", model::ProbeKind::readiness, spec.readiness);
    print_probe(out, path + ".liveness", model::ProbeKind::liveness, spec.liveness);
    print_policies(out, path, spec, balanced);
}

}  // namespace

std::string print(const model::Configuration& configuration) {
    Writer out;
    print_supervisor(out, configuration.supervisor);
    std::set<std::string_view> balanced;  // services behind a listener that can be
    for (const model::ListenerSpec& listener : configuration.listeners) {
        print_listener(out, listener);
        if (model::can_steer(listener)) balanced.insert(listener.service);
    }
    for (const model::ServiceSpec& service : configuration.services) {
        print_service(out, service, balanced.contains(service.name));
    }
    return out.take();
}

}  // namespace baton::config
