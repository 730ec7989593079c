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

// Variables that the supervisor sets for each instance.
constexpr std::array<std::string_view, 10> own_variables{
    "LISTEN_FDS",   "LISTEN_PID",    "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC",
    "WATCHDOG_PID", "BATON_SERVICE", "BATON_INSTANCE", "BATON_VERSION", "BATON_CONTROL"};

// Those it sets where the program binds a port of its own.
constexpr std::array<std::string_view, 2> port_variables{"PORT", "VSOA_AUTO_PORT"};

// What is said of a process alone.
constexpr std::array<std::string_view, 17> process_keys{
    "command", "image", "depends_on",   "replicas",  "upstream", "environment", "directory", "user",     "umask",   "limits",
    "startup", "readiness", "liveness", "rollout",  "restart",     "failover",  "schedule"};

// How it runs and how traffic reaches an instance. True where what runs can be told.
bool read_kind(Table& table, model::ServiceSpec& spec, ServiceOrigin& origin) {
    using model::Delivery;
    using model::Runtime;
    using model::Upstream;
    const bool chosen = table.choice<Runtime>(
        "runtime", spec.runtime, {{"process", Runtime::process}, {"container", {}, false}, {"external", Runtime::external}});
    const bool external = spec.runtime == Runtime::external;
    if (external) spec.delivery = Delivery::proxy;
    const bool understood = table.choice<Delivery>(
        "delivery", spec.delivery, {{"inherit", Delivery::inherit}, {"proxy", Delivery::proxy}, {"handoff", Delivery::handoff}});
    if (external && spec.delivery != Delivery::proxy) {
        table.problem("delivery", "must be \"proxy\" with runtime = \"external\": nothing is started that could take a socket");
        spec.delivery = Delivery::proxy;
    }
    if (external) return true;
    table.choice<Upstream>("upstream", spec.upstream, {{"port", Upstream::port}, {"socket", Upstream::socket}});
    origin.delivery_known = understood || table.missing("delivery");
    table.needs("upstream", spec.delivery == Delivery::proxy || !origin.delivery_known, "delivery = \"proxy\"");
    later_text(table, "image");
    return chosen || table.missing("runtime");
}

// Nothing is started, so there is nothing to say of how; of its end, how long it may take its clients.
void read_external(Table& table, model::ServiceSpec& spec) {
    if (auto stop = table.table("stop")) read_drain(*stop, spec.stop);
    for (const std::string_view key : process_keys) {
        if (table.find(key) != nullptr) table.problem(key, "has no effect with runtime = \"external\"");
    }
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
    origin.readiness_by_port = binds_port(spec) && table.missing("readiness");
    if (origin.readiness_by_port) spec.readiness.type = model::ProbeType::tcp;
    if (auto startup = table.table("startup")) read_probe(*startup, model::ProbeKind::startup, spec.startup);
    if (auto readiness = table.table("readiness")) read_probe(*readiness, model::ProbeKind::readiness, spec.readiness);
    if (auto liveness = table.table("liveness")) read_probe(*liveness, model::ProbeKind::liveness, spec.liveness);
}

void read_policies(Table& table, model::ServiceSpec& spec) {
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
    table.boolean("enabled", spec.enabled);
    const bool told = read_kind(table, spec, origin);
    read_traffic(table, spec, origin, prefix);
    if (spec.runtime == model::Runtime::external) {
        read_external(table, spec);
    } else {
        table.integer("replicas", spec.replicas, 1, limits::replicas);
        // What is no process may do without, and is refused for what it is.
        if (told) table.require("command");
        read_process(table, spec, origin, prefix);
        read_depends_on(table, spec);
        read_probes(table, spec, origin);
        read_policies(table, spec);
    }
    table.finish();
}

}  // namespace baton::config
