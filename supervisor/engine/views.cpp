#include <unistd.h>

#include <algorithm>

#include <boost/describe/enum_to_string.hpp>
#include <fmt/core.h>

#include "engine/operator.h"
#include "model/members.h"
#include "plan/externals.h"
#include "plan/step.h"

namespace baton::engine {

using model::Instance;
using model::InstanceState;
using model::RolloutPhase;
using model::Service;

namespace {

template <class Enum>
std::string name_of_enum(Enum value) {
    return boost::describe::enum_to_string(value, "?");
}

std::string steering_of(const model::Revision& revision, const Sockets& sockets) {
    if (revision.listeners.empty()) return "-";
    if (by_workers(revision.spec)) return "workers";
    const bool any = std::any_of(revision.listeners.begin(), revision.listeners.end(), [](const auto& listener) { return can_steer(listener); });
    return sockets.kernel() && any ? "kernel" : "shared";
}

std::string steering_of(const model::ListenerSpec& listener, const model::Revision& revision, const Sockets& sockets) {
    if (by_workers(revision.spec)) return "workers";
    return sockets.kernel() && can_steer(listener) ? "kernel" : "shared";
}

// Its rollover is over its time and goes on, as there is no way back or none was wanted.
bool is_late(const Service& service) {
    return service.rejected.revision != 0 && service.rejected.revision == service.current;
}

std::string rollout_of(const Service& service) {
    const auto replicas = wanted_replicas(service);
    const auto fresh = std::count_if(service.instances.begin(), service.instances.end(), [&](const Instance& instance) {
        return instance.revision == service.current && instance.state == InstanceState::ready;
    });
    switch (service.phase) {
        case RolloutPhase::rolling:
            return fmt::format("rolling to revision {}: {} of {} ready{}{}", service.current, fresh, replicas, is_late(service) ? "; " : "",
                               is_late(service) ? service.rejected.why : "");
        case RolloutPhase::going_back: return fmt::format("going back to revision {}: {} of {} ready ({})", service.current, fresh, replicas, service.rejected.why);
        case RolloutPhase::settled: break;
    }
    if (service.rejected.revision == 0) return "";
    return fmt::format("revision {} (version \"{}\") was taken back: {}", service.rejected.revision, service.rejected.version, service.rejected.why);
}

// Of a service, how many take traffic of how many that should.
struct Tally {
    std::uint32_t ready = 0;
    std::uint32_t wanted = 0;
};

Tally tally_of(const Service& service) {
    if (!is_external(service)) return {plan::ready_count(service), wanted_replicas(service)};
    Tally tally;
    for (const model::External& external : service.externals) {
        if (plan::takes_traffic(service, external)) ++tally.ready;
        const model::Override* said = find_override(service, external.ordinal);
        const bool weightless = said != nullptr && said->weight == 0U;  // it is as an operator wants it
        if (!external.spec.down && !weightless) ++tally.wanted;
    }
    return tally;
}

std::string state_of_servers(const model::State& state, const Service& service) {
    const Tally tally = tally_of(service);
    if (!plan::wanted(state, service)) return service.servers == model::ServersState::closed ? "stopped" : "stopping";
    if (tally.ready == 0) return "failed";
    return tally.ready < tally.wanted ? "degraded" : "running";
}

model::InstanceView view_of(const Service& service, const model::External& external, Millis now) {
    const model::Override* said = find_override(service, external.ordinal);
    model::InstanceView view;
    view.name = fmt::format("{}/{}", service.name, external.ordinal);
    view.service = service.name;
    view.state = external.spec.down ? "down" : service.servers == model::ServersState::draining ? "draining" : "ready";
    view.since = now - std::max(external.since, said == nullptr ? 0 : said->since);
    view.weight = said != nullptr && said->weight ? *said->weight : external.spec.weight;
    view.admin = name_of_enum(said == nullptr ? model::AdminState::ready : said->admin);
    view.status = to_string(external.spec.address);
    if (!external.spec.name.empty()) view.status += fmt::format(" ({})", external.spec.name);
    if (external.spec.backup) view.status += ", backup";
    return view;
}

std::string state_of(const model::State& state, const Service& service) {
    if (is_external(service) && service.instances.empty()) return state_of_servers(state, service);
    const std::uint32_t ready = plan::ready_count(service);
    if (!plan::wanted(state, service)) return service.instances.empty() ? "stopped" : "stopping";
    if (service.phase != RolloutPhase::settled) return "rolling";
    if (ready >= wanted_replicas(service)) return "running";
    const bool failed = std::any_of(service.instances.begin(), service.instances.end(), [](const Instance& i) { return i.state == InstanceState::failed; });
    if (ready > 0) return "degraded";
    const bool done = !service.instances.empty() && std::all_of(service.instances.begin(), service.instances.end(), [](const Instance& i) { return i.state == InstanceState::completed; });
    if (done) return "completed";
    return failed ? "failed" : "starting";
}

}  // namespace

std::vector<model::ServiceView> Operator::services() const {
    std::vector<model::ServiceView> views;
    const model::State& state = engine_.runner().state();
    for (const auto& [name, service] : state.services) {
        const model::Revision* revision = find_revision(service, service.current);
        model::ServiceView view;
        view.name = name;
        view.state = state_of(state, service);
        view.version = revision->spec.version;
        view.revision = service.current;
        view.replicas = tally_of(service).wanted;
        view.ready = tally_of(service).ready;
        view.delivery = name_of_enum(revision->spec.delivery);
        view.steering = steering_of(*revision, engine_.runner().sockets());
        view.rollout = rollout_of(service);
        for (const auto& listener : revision->listeners) view.listeners.push_back(model::to_string(listener.address));
        views.push_back(std::move(view));
    }
    return views;
}

std::vector<model::InstanceView> Operator::instances() const {
    std::vector<model::InstanceView> views;
    const Millis now = monotonic_now();
    for (const auto& [name, service] : engine_.runner().state().services) {
        for (const Instance& instance : service.instances) {
            model::InstanceView view;
            view.name = name_of(instance);
            view.service = name;
            view.state = name_of_enum(instance.state);
            view.version = find_revision(service, instance.revision)->spec.version;
            view.revision = instance.revision;
            view.id = instance.id;
            view.pid = instance.pid;
            view.restarts = instance.restarts;
            view.since = now - instance.since;
            view.weight = instance.weight;
            view.admin = name_of_enum(instance.admin);
            view.status = instance.status_text;
            view.last_exit = instance.last_exit;
            views.push_back(std::move(view));
        }
        for (const model::External& external : service.externals) views.push_back(view_of(service, external, now));
    }
    std::sort(views.begin(), views.end(), [](const auto& a, const auto& b) { return std::tie(a.service, a.name, a.id) < std::tie(b.service, b.name, b.id); });
    return views;
}

std::vector<model::ListenerView> Operator::listeners() const {
    std::vector<model::ListenerView> views;
    const Sockets& sockets = engine_.runner().sockets();
    const model::State& state = engine_.runner().state();
    const auto add = [&](const model::ListenerSpec& listener, const char* phase) {
        model::ListenerView view;
        view.name = listener.name;
        view.identity = identity(listener);
        view.protocol = name_of_enum(listener.protocol);
        view.service = listener.service;
        const auto service = state.services.find(listener.service);
        view.steering = "-";
        if (service != state.services.end()) view.steering = steering_of(listener, *find_revision(service->second, service->second.current), sockets);
        view.sockets = sockets.count(view.identity);
        view.queued = sockets.queued(view.identity);
        view.state = phase;
        views.push_back(std::move(view));
    };
    for (const auto& listener : state.configuration.listeners) add(listener, plan::is_open(state, listener) ? "listening" : "closed");
    for (const auto& closing : state.counters.closing) add(closing.spec, "closing");
    return views;
}

std::vector<model::GenerationView> Operator::generations() const {
    std::vector<model::GenerationView> views;
    const Greeting& greeting = engine_.greeting();
    const model::Upgrade& upgrade = engine_.succession().upgrade();
    model::GenerationView own;
    own.generation = greeting.generation;
    own.pid = ::getpid();
    own.role = name_of_enum(engine_.role());
    own.binary = greeting.binary;
    own.version = BATON_VERSION_TEXT;
    own.phase = name_of_enum(upgrade.phase);
    own.since = monotonic_now() - engine_.started();
    views.push_back(own);
    for (const auto& [generation, pid] : engine_.others()) {
        model::GenerationView other;
        other.generation = generation;
        other.pid = pid;
        const bool older = generation < greeting.generation;
        other.role = generation == greeting.owner ? "owner" : older ? "standby" : "trial";
        other.binary = older ? greeting.binary : upgrade.binary;
        other.phase = older ? "handed" : name_of_enum(upgrade.phase);
        views.push_back(other);
    }
    std::sort(views.begin(), views.end(), [](const auto& a, const auto& b) { return a.generation < b.generation; });
    return views;
}

std::vector<model::RevisionView> Operator::revisions() const {
    std::vector<model::RevisionView> views;
    for (const auto& [name, service] : engine_.runner().state().services) {
        for (const model::Revision& revision : service.revisions) {
            model::RevisionView view;
            view.service = name;
            view.revision = revision.number;
            view.version = revision.spec.version;
            view.state = revision.number == service.current ? "current" : "previous";
            for (const std::string& word : revision.spec.command) view.command += (view.command.empty() ? "" : " ") + word;
            views.push_back(std::move(view));
        }
        if (service.rejected.revision == 0 || is_late(service)) continue;
        views.push_back({name, service.rejected.revision, service.rejected.version, "rejected", "", service.rejected.why});
    }
    return views;
}

std::vector<model::NodeView> Operator::nodes() const {
    const Greeting& greeting = engine_.greeting();
    model::NodeView node;
    char host[256] = "";
    ::gethostname(host, sizeof(host) - 1);
    node.name = host;
    const auto& state = engine_.runner().state();
    node.state = state.counters.stopping ? "stopping" : "running";
    node.keeper_pid = greeting.keeper_pid;
    node.master_pid = ::getpid();
    node.generation = greeting.generation;
    node.version = BATON_VERSION_TEXT;
    node.steering = engine_.runner().sockets().steering();
    node.cgroups = engine_.runner().cgroups();
    node.configuration = engine_.configuration().file;
    node.uptime = monotonic_now() - engine_.started();
    const Millis silence = engine_.keeper_silence();
    node.keeper = silence == 0 ? "running" : fmt::format("silent for {}s", silence / 1'000);
    return {node};
}

std::vector<model::WorkerView> Operator::workers() const {
    std::vector<model::WorkerView> views;
    const Millis now = monotonic_now();
    for (const model::Worker& worker : engine_.runner().state().gateway.workers) {
        model::WorkerView view;
        take_members(view, engine_.runner().workers().totals(worker.id));
        view.name = fmt::format("{}.{}", worker.generation, worker.number);
        view.generation = worker.generation;
        view.pid = worker.pid;
        view.state = name_of_enum(worker.state);
        view.since = now - worker.since;
        views.push_back(std::move(view));
    }
    std::sort(views.begin(), views.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return views;
}

model::StatusView Operator::status() const {
    model::StatusView view{nodes().front(), generations(), services(), instances(), workers(), {}};
    for (const model::PluginRef& plugin : engine_.runner().state().gateway.plugins) {
        if (plugin.quarantined.empty()) continue;
        for (const std::string& name : plugin.strategies) {
            view.plugins.push_back({name, balancer_kind, "", plugin.file, "quarantined", plugin.quarantined, ""});
        }
    }
    return view;
}

}  // namespace baton::engine
