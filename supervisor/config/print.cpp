// The effective configuration as TOML.
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <boost/describe/enum_to_string.hpp>
#include <fmt/core.h>
#include <fmt/format.h>

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

void print_http(Writer& out, const std::string& path, const model::HttpSpec& spec) {
    out.header(path);
    out.duration("header_timeout", spec.header_timeout);
    out.duration("body_timeout", spec.body_timeout);
    out.duration("idle_timeout", spec.idle_timeout);
    out.duration("send_timeout", spec.send_timeout);
    out.text("max_header", format_size(spec.max_header));
    out.text("max_body", format_size(spec.max_body));
    out.duration("drain_grace", spec.drain_grace);
    out.boolean("http2", spec.http2);
    out.text("forwarded", spec.forwarded == model::Forwarded::x_forwarded ? "x-forwarded" : enumerator(spec.forwarded));
    out.boolean("trust_forwarded", spec.trust_forwarded);
    out.boolean("abort_on_close", spec.abort_on_close);
}

void print_routes(Writer& out, const std::string& path, const std::vector<model::RouteSpec>& routes) {
    for (const model::RouteSpec& route : routes) {
        out.header("[" + path + "]");
        std::vector<std::string> parts;
        if (!route.match.path_prefix.empty()) parts.push_back("path_prefix = " + in_quotes(route.match.path_prefix));
        if (!route.match.host.empty()) parts.push_back("host = " + in_quotes(route.match.host));
        if (!route.match.header_name.empty()) {
            parts.push_back(fmt::format("header = {{ name = {}, value = {} }}", in_quotes(route.match.header_name), in_quotes(route.match.header_value)));
        }
        out.raw("match", fmt::format("{{ {} }}", fmt::join(parts, ", ")));
        out.text("service", route.service);
    }
}

// `proxied`: workers accept there, and understand what they pass on.
void print_listener(Writer& out, const model::ListenerSpec& spec, bool proxied) {
    out.header("listener." + key_text(spec.name));
    out.text("address", model::to_string(spec.address));
    out.text("protocol", enumerator(spec.protocol));
    out.text("service", spec.service);
    if (spec.protocol != model::Protocol::udp)
        out.integer("backlog", static_cast<std::uint64_t>(spec.backlog));
    if (!proxied) return;
    if (spec.protocol != model::Protocol::udp) out.boolean("proxy_protocol", spec.proxy_protocol);
    out.given("access_log", spec.access_log);
    const std::string path = "listener." + key_text(spec.name);
    print_routes(out, path + ".route", spec.routes);
    if (spec.protocol == model::Protocol::http) print_http(out, path + ".http", spec.http);
    if (!spec.tls) return;
    out.header(path + ".tls");
    out.text("certificate", spec.tls->certificate);
    out.text("key", spec.tls->key);
    out.text("minimum", spec.tls->minimum == model::TlsVersion::tls12 ? "1.2" : "1.3");
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

void print_balance(Writer& out, const std::string& path, const model::BalanceSpec& spec) {
    out.header(path);
    out.text("strategy", spec.strategy);
    out.text("key", spec.key);
    if (spec.options.empty()) return;
    std::vector<std::string> options;
    for (const auto& [name, value] : spec.options) options.push_back(fmt::format("{} = {}", key_text(name), in_quotes(value)));
    out.raw("options", fmt::format("{{ {} }}", fmt::join(options, ", ")));
}

std::string reason_word(model::RetryOn reason) {
    const std::string_view word = enumerator(reason);
    return std::string(word.starts_with("status_") ? word.substr(7) : word);
}

void print_health(Writer& out, const std::string& path, const model::HealthSpec& spec, bool retries) {
    out.header(path);
    out.integer("max_fails", spec.max_fails);
    out.duration("fail_timeout", spec.fail_timeout);
    out.duration("slow_start", spec.slow_start);
    if (!retries) return;
    out.header(path + ".retry");
    if (!spec.retry.on.empty()) out.integer("attempts", spec.retry.attempts);
    std::vector<std::string> reasons;
    for (const model::RetryOn reason : spec.retry.on) reasons.push_back(reason_word(reason));
    out.texts("on", reasons);
}

void print_timeouts(Writer& out, const std::string& path, const model::TimeoutSpec& spec, const Reach& reach, model::Delivery delivery) {
    const auto counts = [&](std::string_view key) { return timeout_has_effect(reach, delivery, key); };
    out.header(path);
    if (counts("connect")) out.duration("connect", spec.connect);
    if (counts("response")) out.duration("response", spec.response);
    if (counts("idle")) out.duration("idle", spec.idle);
    if (counts("tunnel")) out.duration("tunnel", spec.tunnel);
    if (counts("pool_idle")) out.duration("pool_idle", spec.pool_idle);
    if (counts("pool_size")) out.integer("pool_size", spec.pool_size);
}

// What workers do for a service.
void print_traffic(Writer& out, const std::string& path, const model::ServiceSpec& spec, const Reach& reach) {
    print_balance(out, path + ".balance", spec.balance);
    print_health(out, path + ".health", spec.health, !reach.any() || reach.http || reach.tcp);
    print_timeouts(out, path + ".timeouts", spec.timeouts, reach, spec.delivery);
}

void print_endpoints(Writer& out, const std::vector<model::EndpointSpec>& endpoints) {
    std::string text = "[\n";
    for (const model::EndpointSpec& one : endpoints) {
        text += fmt::format("  {{ address = {}, ", in_quotes(model::to_string(one.address)));
        if (!one.name.empty()) text += fmt::format("name = {}, ", in_quotes(one.name));
        text += fmt::format("weight = {}, max_fails = {}, fail_timeout = {}, backup = {}, down = {} }},\n", one.weight, one.max_fails,
                            in_quotes(format_duration(one.fail_timeout)), one.backup, one.down);
    }
    out.raw("endpoints", text + "]");
}

void print_policies(Writer& out, const std::string& path, const model::ServiceSpec& spec) {
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

void print_external(Writer& out, const std::string& path, const model::ServiceSpec& spec, const Reach& reach) {
    out.text("version", spec.version);
    out.text("runtime", "external");
    print_endpoints(out, spec.endpoints);
    out.text("delivery", enumerator(spec.delivery));
    if (!reach.any() || reach.http || reach.tcp) out.text("proxy_protocol", enumerator(spec.proxy_protocol));
    out.boolean("enabled", spec.enabled);
    print_traffic(out, path, spec, reach);
    out.header(path + ".stop");
    out.duration("drain_timeout", spec.stop.drain_timeout);
}

// `balanced`: there is somebody who chooses among its instances.
void print_process(Writer& out, const std::string& path, const model::ServiceSpec& spec, const Reach& reach, bool balanced) {
    const bool proxied = spec.delivery == model::Delivery::proxy;
    out.text("version", spec.version);
    out.text("runtime", "process");
    out.texts("command", spec.command);
    out.integer("replicas", spec.replicas);
    out.text("delivery", enumerator(spec.delivery));
    if (proxied) out.text("upstream", enumerator(spec.upstream));
    if (proxied && (!reach.any() || reach.http || reach.tcp)) out.text("proxy_protocol", enumerator(spec.proxy_protocol));
    out.given("directory", spec.directory);
    out.given("user", spec.user);
    out.text("umask", fmt::format("{:03o}", spec.umask));
    out.texts("depends_on", spec.depends_on);
    out.boolean("enabled", spec.enabled);
    print_environment(out, path + ".environment", spec.environment);
    print_limits(out, path + ".limits", spec.limits);
    if (by_workers(spec)) print_traffic(out, path, spec, reach);
    if (!by_workers(spec) && balanced) print_balance(out, path + ".balance", spec.balance);
    print_probe(out, path + ".startup", model::ProbeKind::startup, spec.startup);
    print_probe(out, path + ".readiness", model::ProbeKind::readiness, spec.readiness);
    print_probe(out, path + ".liveness", model::ProbeKind::liveness, spec.liveness);
    print_policies(out, path, spec);
}

}  // namespace

std::string print(const model::Configuration& configuration) {
    Writer out;
    print_supervisor(out, configuration.supervisor);
    out.header("plugins");
    out.texts("directories", configuration.plugins.directories);
    std::set<std::string> balanced;  // services behind a listener that can be
    for (const model::ListenerSpec& listener : configuration.listeners) {
        const auto services = model::services_of(listener);
        const model::ServiceSpec* service = find_service(configuration, listener.service);
        print_listener(out, listener, service != nullptr && service->delivery == model::Delivery::proxy);
        if (model::can_steer(listener)) balanced.insert(services.begin(), services.end());
    }
    for (const model::ServiceSpec& service : configuration.services) {
        const std::string path = "service." + key_text(service.name);
        const Reach reach = reach_of(configuration, service.name);
        out.header(path);
        if (service.runtime == model::Runtime::external) {
            print_external(out, path, service, reach);
        } else {
            print_process(out, path, service, reach, balanced.contains(service.name));
        }
    }
    return out.take();
}

}  // namespace baton::config
