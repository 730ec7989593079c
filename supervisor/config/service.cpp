// [service.NAME]: what runs and how many of it.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/core.h>

#include "base/limits.h"
#include "config/groups.h"
#include "config/later.h"
#include "config/values.h"

namespace baton::config {
namespace {

constexpr std::uint64_t nofile_max = 1ULL << 30;
constexpr double cores_min = 0.001;
constexpr double cores_max = 65'536;
constexpr std::int64_t weight_max = 1'000'000;

// Variables that the supervisor sets for each instance.
constexpr std::array<std::string_view, 10> own_variables{
    "LISTEN_FDS",   "LISTEN_PID",    "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC",
    "WATCHDOG_PID", "BATON_SERVICE", "BATON_INSTANCE", "BATON_VERSION", "BATON_CONTROL"};

// Those it sets where the program binds a port of its own.
constexpr std::array<std::string_view, 2> port_variables{"PORT", "VSOA_AUTO_PORT"};

void read_endpoint(Table table) {
    std::string address;
    table.require("address");
    table.nonempty("address", address);
    std::int64_t count = 0;
    table.integer("weight", count, 0, weight_max);
    table.integer("max_fails", count, 0, weight_max);
    Millis duration = 0;
    table.duration("fail_timeout", duration);
    bool flag = false;
    table.boolean("backup", flag);
    table.boolean("down", flag);
    table.finish();
}

void read_endpoints(Table& table) {
    const auto endpoints = table.tables("endpoints");
    for (const Table& endpoint : endpoints) read_endpoint(endpoint);
    if (!endpoints.empty()) table.refuse("endpoints");
}

// Keys that choose what an instance is and how traffic reaches it. True where it is a process, as far as
// can be told.
bool read_kind(Table& table, model::ServiceSpec& spec) {
    enum class Runtime { process };
    Runtime runtime{};
    const bool chosen = table.choice<Runtime>(
        "runtime", runtime, {{"process", Runtime::process}, {"container", {}, false}, {"external", {}, false}});
    using model::Delivery;
    const bool understood = table.choice<Delivery>("delivery", spec.delivery,
                                                   {{"inherit", Delivery::inherit}, {"proxy", Delivery::proxy}, {"handoff", {}, false}});
    using model::Upstream;
    table.choice<Upstream>("upstream", spec.upstream, {{"port", Upstream::port}, {"socket", Upstream::socket}});
    // Where the delivery is misspelt, that is all there is to say.
    const bool proxied = spec.delivery == Delivery::proxy || (!understood && !table.missing("delivery"));
    table.needs("upstream", proxied, "delivery = \"proxy\"");
    later_text(table, "image");
    read_endpoints(table);
    return chosen || table.missing("runtime");
}

void read_command(Table& table, model::ServiceSpec& spec) {
    if (!table.texts("command", spec.command)) return;
    if (spec.command.empty() || spec.command.front().empty()) {
        table.problem("command", "must name a program");
        return;
    }
    // A bare name is looked up in PATH when it is started; any other is a path, which must not depend on
    // the folder that the supervisor happens to be in.
    std::string& program = spec.command.front();
    if (program.find('/') != std::string::npos)
        program = below(spec.directory, program);
}

bool binds_port(const model::ServiceSpec& spec) {
    return spec.delivery == model::Delivery::proxy && spec.upstream == model::Upstream::port;
}

void read_environment(Table& table, model::ServiceSpec& spec) {
    // One that has a wrong value does not hide what is wrong with the others.
    table.pairs("environment", spec.environment);
    for (const auto& [name, value] : spec.environment) {
        if (name.empty() || name.find('=') != std::string::npos) {
            table.problem("environment",
                          fmt::format("has {}, which is not a variable's name", in_quotes(name)));
        } else if (binds_port(spec) && std::find(port_variables.begin(), port_variables.end(), name) != port_variables.end()) {
            table.problem("environment", fmt::format("must not have {}: the supervisor sets it with upstream = \"port\"", name));
        } else if (std::find(own_variables.begin(), own_variables.end(), name) != own_variables.end()) {
            table.problem("environment", fmt::format("must not have {}: the supervisor sets it", name));
        }
    }
}

void read_limits(Table table, model::LimitSpec& spec) {
    table.integer("nofile", spec.nofile, 1, nofile_max);
    if (table.size("memory", spec.memory) && spec.memory == 0) table.problem("memory", "must not be zero");
    table.number("cpu", spec.cpu, cores_min, cores_max);
    table.finish();
}

void read_umask(Table& table, model::ServiceSpec& spec) {
    std::string text;
    if (!table.text("umask", text)) return;
    const auto mask = parse_umask(text);
    if (!mask) return table.fault("umask", mask.error());
    spec.umask = *mask;
}

void read_depends_on(Table& table, model::ServiceSpec& spec) {
    if (!table.texts("depends_on", spec.depends_on)) return;
    std::set<std::string_view> seen;
    for (const std::string& name : spec.depends_on) {
        if (!seen.insert(name).second)
            table.problem("depends_on", fmt::format("names {} twice", in_quotes(name)));
    }
}

void read_process(Table& table, model::ServiceSpec& spec, ServiceOrigin& origin, const std::string& prefix) {
    std::string directory;
    spec.directory = table.nonempty("directory", directory) ? below(prefix, directory) : prefix;
    read_command(table, spec);
    read_environment(table, spec);
    if (table.nonempty("user", spec.user)) origin.user = table.place_of("user");
    read_umask(table, spec);
    if (auto limits = table.table("limits")) read_limits(*limits, spec.limits);

    std::size_t bytes = spec.version.size();
    for (const std::string& argument : spec.command) bytes += argument.size() + 1;
    for (const auto& [name, value] : spec.environment) bytes += name.size() + value.size() + 2;
    if (bytes > limits::instance_block_bytes) {
        table.report().problem(table.place(),
                               fmt::format("{}: command, version and environment have {} bytes; at most "
                                           "{} can be handed to a process",
                                           table.path(), bytes, limits::instance_block_bytes));
    }
}

void read_probes(Table& table, model::ServiceSpec& spec, ServiceOrigin& origin) {
    origin.startup = table.place_of("startup");
    origin.readiness = table.place_of("readiness");
    origin.liveness = table.place_of("liveness");
    // A program that binds a port by itself is ready when it answers there, where nothing else is said.
    if (binds_port(spec) && table.missing("readiness")) spec.readiness.type = model::ProbeType::tcp;
    if (auto startup = table.table("startup")) read_probe(*startup, model::ProbeKind::startup, spec.startup);
    if (auto readiness = table.table("readiness")) read_probe(*readiness, model::ProbeKind::readiness, spec.readiness);
    if (auto liveness = table.table("liveness")) read_probe(*liveness, model::ProbeKind::liveness, spec.liveness);
}

void read_policies(Table& table, model::ServiceSpec& spec, ServiceOrigin& origin) {
    if (!table.missing("balance")) origin.balance = table.place_of("balance");
    if (auto balance = table.table("balance")) read_balance(*balance, spec.balance);
    if (auto health = table.table("health")) read_health(*health);
    if (auto rollout = table.table("rollout")) read_rollout(*rollout, spec.rollout);
    if (auto failover = table.table("failover")) read_failover(*failover);
    if (auto restart = table.table("restart")) read_restart(*restart, spec.restart);
    if (auto stop = table.table("stop")) read_stop(*stop, spec.stop);
    if (auto schedule = table.table("schedule")) read_schedule(*schedule);
}

}  // namespace

void read_service(Table table, model::ServiceSpec& spec, ServiceOrigin& origin, const std::string& prefix) {
    origin.self = table.place();
    origin.depends_on = table.place_of("depends_on");

    table.text("version", spec.version);
    table.integer("replicas", spec.replicas, 1, limits::replicas);
    table.boolean("enabled", spec.enabled);
    // What is no process may do without, and is refused for what it is.
    if (read_kind(table, spec)) table.require("command");
    read_process(table, spec, origin, prefix);
    read_depends_on(table, spec);
    read_probes(table, spec, origin);
    read_policies(table, spec, origin);
    table.finish();
}

}  // namespace baton::config
