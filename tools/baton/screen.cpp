#include "screen.h"

#include <algorithm>

#include <fmt/core.h>

#include "table.h"

namespace baton::cli {
namespace {

std::string number_or_none(std::int64_t number) {
    return number == 0 ? std::string() : std::to_string(number);
}

Cell state_cell(const std::string& state) {
    return {state, colour_of(state)};
}

// A service may have hundreds of listeners; `baton get listener` shows them all.
constexpr std::size_t words_shown = 4;

std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (std::size_t i = 0; i < std::min(words.size(), words_shown); ++i) text += (i == 0 ? "" : ", ") + words[i];
    if (words.size() > words_shown) text += fmt::format(" and {} more", words.size() - words_shown);
    return text;
}

bool well(const model::ServiceView& service) {
    return service.state == "running" || service.state == "stopped" || service.state == "completed";
}

std::string of_services(const model::StatusView& status) {
    std::string ill;
    std::size_t count = 0;
    for (const auto& service : status.services) {
        if (well(service)) continue;
        ++count;
        ill += fmt::format("{}{} ({})", ill.empty() ? "" : ", ", harmless(service.name),
                           harmless(service.state));
    }
    if (count > 0) return fmt::format("{} of {} services: {}", count, status.services.size(), ill);
    if (status.services.empty()) return "no services";
    if (status.services.size() == 1) return "the service is as it should be";
    return fmt::format("all {} services are as they should be", status.services.size());
}

// It is to serve, and an operator has taken every one of its instances or servers out.
bool lets_nobody_in(const model::StatusView& status, const model::ServiceView& service) {
    const auto of_it = [&](const model::InstanceView& instance) { return instance.service == service.name; };
    const auto is_open = [&](const model::InstanceView& instance) { return of_it(instance) && instance.admin != "drain" && instance.admin != "maint" && instance.weight > 0; };
    const bool serves = service.state != "stopped" && service.state != "stopping";
    return serves && std::ranges::any_of(status.instances, of_it) && std::ranges::none_of(status.instances, is_open);
}

// What is wrong beside the services.
std::vector<std::string> other_troubles(const model::StatusView& status) {
    std::vector<std::string> troubles;
    if (!status.node.keeper.empty() && status.node.keeper != "running") {
        troubles.push_back(fmt::format("the keeper is {}: nothing can be started, and no end is noticed",
                                       harmless(status.node.keeper)));
    }
    for (const auto& service : status.services) {
        if (!lets_nobody_in(status, service)) continue;
        troubles.push_back(fmt::format("nobody new comes to {}: all it has is in drain, in maint or of weight 0", harmless(service.name)));
    }
    for (const auto& plugin : status.plugins) {
        troubles.push_back(fmt::format("strategy {} is {} and round_robin in its place (baton plugin list)",
                                       harmless(plugin.name), harmless(plugin.state)));
    }
    return troubles;
}

// The answer to "is anything wrong?", in one line.
std::string summary_of(const model::StatusView& status, const Terminal& terminal) {
    std::string text = of_services(status);
    const auto troubles = other_troubles(status);
    const bool good = troubles.empty() && std::ranges::all_of(status.services, well);
    for (const auto& trouble : troubles) text += "; but " + trouble;
    if (good && status.services.empty()) return text + "\n";
    return terminal.paint(good ? Colour::good : Colour::busy, text) + "\n";
}

std::string head_of(const model::NodeView& node, const Terminal& terminal) {
    return fmt::format(
        "{}  {}  up {}  generation {}  batond {}  keeper pid {}  master pid {}\n"
        "configuration {}\nsteering {}\ncgroups {}\n",
        terminal.paint(Colour::strong, harmless(node.name)),
        terminal.paint(colour_of(node.state), harmless(node.state)), span(node.uptime), node.generation,
        harmless(node.version), node.keeper_pid, node.master_pid, harmless(node.configuration),
        harmless(node.steering), harmless(node.cgroups));
}

bool upgrading(const std::vector<model::GenerationView>& generations) {
    const auto busy = [](const auto& generation) { return generation.phase != "idle"; };
    return generations.size() > 1 || std::ranges::any_of(generations, busy);
}

}  // namespace

std::string list_of(const std::vector<model::ServiceView>& services, const Terminal& terminal) {
    Table table({"SERVICE", "READY", "STATE", "VERSION", "REVISION", "DELIVERY", "STEERING", "LISTENERS"});
    for (const auto& service : services) {
        const bool all = service.ready >= service.replicas;
        table.add({{service.name, Colour::none},
                   {fmt::format("{}/{}", service.ready, service.replicas), all ? Colour::none : Colour::busy},
                   state_cell(service.state),
                   {service.version, Colour::none},
                   {number_or_none(static_cast<std::int64_t>(service.revision)), Colour::none},
                   {service.delivery, Colour::none},
                   {service.steering, Colour::none},
                   {join(service.listeners), Colour::none}});
        if (!service.rollout.empty()) table.note(service.rollout, Colour::busy);
    }
    return table.render(terminal);
}

std::string list_of(const std::vector<model::InstanceView>& instances, const Terminal& terminal) {
    Table table({"INSTANCE", "STATE", "ADMIN", "PID", "SINCE", "RESTARTS", "VERSION", "REVISION", "WEIGHT",
                 "LAST EXIT", "STATUS"});
    bool weighted = false;
    bool administered = false;
    for (const auto& instance : instances) {
        weighted = weighted || instance.weight != 1;
        const bool said = !instance.admin.empty() && instance.admin != "ready";
        administered = administered || said;
        table.add({{instance.name, Colour::none},
                   state_cell(instance.state),
                   {said ? instance.admin : "", Colour::busy},
                   {number_or_none(instance.pid), Colour::none},
                   {span(instance.since), Colour::none},
                   {std::to_string(instance.restarts), instance.restarts == 0 ? Colour::none : Colour::busy},
                   {instance.version, Colour::none},
                   {number_or_none(static_cast<std::int64_t>(instance.revision)), Colour::none},
                   {std::to_string(instance.weight), Colour::none},
                   {instance.last_exit, Colour::none},
                   {instance.status, Colour::none}});
    }
    if (!weighted) table.drop("WEIGHT");
    if (!administered) table.drop("ADMIN");
    return table.render(terminal);
}

std::string list_of(const std::vector<model::ListenerView>& listeners, const Terminal& terminal) {
    Table table({"LISTENER", "ADDRESS", "PROTOCOL", "SERVICE", "STEERING", "SOCKETS", "QUEUED", "STATE"});
    for (const auto& listener : listeners) {
        table.add({{listener.name, Colour::none},
                   {listener.identity, Colour::none},
                   {listener.protocol, Colour::none},
                   {listener.service, Colour::none},
                   {listener.steering, Colour::none},
                   {std::to_string(listener.sockets), Colour::none},
                   {std::to_string(listener.queued), listener.queued == 0 ? Colour::none : Colour::busy},
                   state_cell(listener.state)});
    }
    return table.render(terminal);
}

std::string list_of(const std::vector<model::PluginView>& plugins, const Terminal& terminal) {
    Table table({"STRATEGY", "KIND", "VERSION", "STATE", "FILE"});
    for (const auto& plugin : plugins) {
        table.add({{plugin.name, Colour::none},
                   {plugin.kind, Colour::none},
                   {plugin.version, Colour::none},
                   state_cell(plugin.state),
                   {plugin.file, Colour::none}});
        if (!plugin.reason.empty()) table.note(plugin.reason, Colour::busy);
    }
    return table.render(terminal);
}

std::string list_of(const std::vector<model::NodeView>& nodes, const Terminal& terminal) {
    Table table({"NODE", "STATE", "UP", "GENERATION", "VERSION", "KEEPER", "MASTER", "STEERING", "CGROUPS",
                 "CONFIGURATION"});
    for (const auto& node : nodes) {
        table.add({{node.name, Colour::none},
                   state_cell(node.state),
                   {span(node.uptime), Colour::none},
                   {std::to_string(node.generation), Colour::none},
                   {node.version, Colour::none},
                   {number_or_none(node.keeper_pid), Colour::none},
                   {number_or_none(node.master_pid), Colour::none},
                   {node.steering, Colour::none},
                   {node.cgroups, Colour::none},
                   {node.configuration, Colour::none}});
    }
    return table.render(terminal);
}

std::string list_of(const std::vector<model::WorkerView>& workers, const Terminal& terminal) {
    Table table({"WORKER", "STATE", "PID", "SINCE", "OPEN", "ACCEPTED", "REFUSED", "FAILED", "ABORTED", "DROPPED", "TAKEN", "GIVEN", "TO INSTANCES", "TO CLIENTS"});
    for (const auto& worker : workers) {
        table.add({{worker.name, Colour::none},
                   state_cell(worker.state),
                   {number_or_none(worker.pid), Colour::none},
                   {span(worker.since), Colour::none},
                   {std::to_string(worker.open), Colour::none},
                   {std::to_string(worker.accepted), Colour::none},
                   {std::to_string(worker.refused), Colour::none},
                   {std::to_string(worker.failed), worker.failed == 0 ? Colour::none : Colour::busy},
                   {std::to_string(worker.aborted), Colour::none},
                   {std::to_string(worker.dropped), worker.dropped == 0 ? Colour::none : Colour::busy},
                   {std::to_string(worker.taken), Colour::none},
                   {std::to_string(worker.given), Colour::none},
                   {std::to_string(worker.to_instances), Colour::none},
                   {std::to_string(worker.to_clients), Colour::none}});
    }
    return table.render(terminal);
}

std::string list_of(const std::vector<model::RevisionView>& revisions, const Terminal& terminal) {
    Table table({"SERVICE", "REVISION", "VERSION", "STATE", "COMMAND", "REASON"});
    for (const auto& revision : revisions) {
        table.add({{revision.service, Colour::none},
                   {std::to_string(revision.revision), Colour::none},
                   {revision.version, Colour::none},
                   state_cell(revision.state),
                   {revision.command, Colour::none},
                   {revision.reason, Colour::none}});
    }
    return table.render(terminal);
}

std::string list_of(const std::vector<model::GenerationView>& generations, const Terminal& terminal) {
    Table table({"GENERATION", "ROLE", "PHASE", "PID", "VERSION", "SINCE", "BINARY"});
    for (const auto& generation : generations) {
        table.add({{std::to_string(generation.generation), Colour::none},
                   state_cell(generation.role),
                   {generation.phase, Colour::none},
                   {number_or_none(generation.pid), Colour::none},
                   {generation.version, Colour::none},
                   {span(generation.since), Colour::none},
                   {generation.binary, Colour::none}});
    }
    return table.render(terminal);
}

std::string screen_of(const model::StatusView& status, const Terminal& terminal) {
    std::string screen = head_of(status.node, terminal);
    screen += summary_of(status, terminal);
    if (upgrading(status.generations)) screen += "\n" + list_of(status.generations, terminal);
    if (!status.services.empty()) screen += "\n" + list_of(status.services, terminal);
    if (!status.instances.empty()) screen += "\n" + list_of(status.instances, terminal);
    if (!status.workers.empty()) screen += "\n" + list_of(status.workers, terminal);
    return screen;
}

}  // namespace baton::cli
