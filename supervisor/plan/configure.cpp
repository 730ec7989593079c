#include "plan/configure.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "plan/externals.h"
#include "plan/instance.h"

namespace baton::plan {

using model::Configuration;
using model::ListenerSpec;
using model::Revision;
using model::RolloutPhase;
using model::Service;
using model::ServiceSpec;

namespace {

// What instances inherit of the listeners that lead to them.
std::vector<ListenerSpec> sockets_of(const Configuration& configuration, const std::string& service) {
    std::vector<ListenerSpec> list;
    for (const ListenerSpec& listener : listeners_of(configuration, service)) list.push_back(socket_of(listener));
    return list;
}

Revision* revision_at(Service& service, std::uint64_t number) {
    for (Revision& revision : service.revisions) {
        if (revision.number == number) return &revision;
    }
    return nullptr;
}

bool has_watchdog(const ServiceSpec& spec) {
    return spec.liveness.type == model::ProbeType::notify;
}

// Settings that apply to running processes: every revision that stays follows the new ones.
void adopt_settings(Revision& revision, const ServiceSpec& fresh) {
    // Servers that somebody else runs and processes have nothing in common.
    if (revision.spec.runtime != fresh.runtime) return;
    ServiceSpec process = revision.spec;
    revision.spec = fresh;
    if (fresh.runtime == model::Runtime::external) return;
    revision.spec.version = process.version;
    revision.spec.command = process.command;
    revision.spec.delivery = process.delivery;
    revision.spec.upstream = process.upstream;
    revision.spec.environment = process.environment;
    revision.spec.directory = process.directory;
    revision.spec.user = process.user;
    revision.spec.umask = process.umask;
    revision.spec.limits = process.limits;
    // A process beats as the environment it was started with told it to.
    if (has_watchdog(process) || has_watchdog(fresh)) revision.spec.liveness = process.liveness;
}

void begin_rollout(Turn& turn, Service& service, std::uint64_t to) {
    // Where to go back to is the last revision that was wholly in place. A rollover that leads back to it
    // has none itself.
    if (service.phase != RolloutPhase::rolling || service.previous == 0) service.previous = service.current;
    if (service.previous == to) service.previous = 0;
    service.current = to;
    service.phase = RolloutPhase::rolling;
    service.rollout_began = turn.now;
    service.rollout_failures = 0;
    service.rejected = {};
    for (model::Instance& instance : service.instances) follow_settings(turn, service, instance);  // what runs of it counts by other rules
    turn.announce("rollout.started", service.name, fmt::format("to revision {}", to));
}

void update(Turn& turn, Service& service, const ServiceSpec& spec, const std::vector<ListenerSpec>& listeners, bool retry) {
    const std::string digest = revision_digest(spec, listeners);
    // As this version takes it, which need not be that of the one that stored them.
    for (Revision& revision : service.revisions) revision.digest = revision_digest(revision.spec, revision.listeners);
    const Revision* current = find_revision(service, service.current);
    if (current->spec.replicas != spec.replicas) service.scale = 0;
    if (current->spec.runtime != spec.runtime) service.overrides.clear();
    service.removed = false;
    for (Revision& revision : service.revisions) {
        adopt_settings(revision, spec);
        // A backlog or a name may change without a new socket.
        if (revision.digest == digest) revision.listeners = listeners;
    }
    for (model::Instance& instance : service.instances) follow_settings(turn, service, instance);
    if (current->digest == digest) return;
    if (service.rejected.revision != 0 && service.rejected.digest == digest && !retry) return;
    // Restarts leave several revisions that are equal: the latest is held by most.
    const auto same = std::find_if(service.revisions.rbegin(), service.revisions.rend(), [&](const Revision& r) { return r.digest == digest; });
    if (same != service.revisions.rend()) return begin_rollout(turn, service, same->number);
    service.revisions.push_back({turn.state.counters.next_revision++, digest, spec, listeners});
    begin_rollout(turn, service, service.revisions.back().number);
}

void add(Turn& turn, const ServiceSpec& spec, const std::vector<ListenerSpec>& listeners) {
    Service service;
    service.name = spec.name;
    service.current = turn.state.counters.next_revision++;
    service.revisions.push_back({service.current, revision_digest(spec, listeners), spec, listeners});
    turn.state.services.emplace(spec.name, std::move(service));
    turn.announce("service.added", spec.name, "");
}

void close_left(Turn& turn, const Configuration& old, const Configuration& fresh) {
    std::set<std::string> kept;
    for (const ListenerSpec& listener : fresh.listeners) kept.insert(identity(listener));
    auto& closing = turn.state.counters.closing;
    std::erase_if(closing, [&](const auto& listener) {
        const bool back = kept.contains(identity(listener.spec));
        if (back) turn.announce("listener.kept", listener.spec.name, identity(listener.spec) + " is in the configuration again");
        return back;
    });
    for (const ListenerSpec& listener : old.listeners) {
        if (kept.contains(identity(listener))) continue;
        const auto service = turn.state.services.find(listener.service);
        const Revision* revision = service == turn.state.services.end() ? nullptr : find_revision(service->second, service->second.current);
        const Millis patience = revision == nullptr ? 30'000 : revision->spec.stop.drain_timeout;
        closing.push_back({listener, turn.now + patience});
        turn.announce("listener.closing", listener.name, identity(listener) + " takes no new connection");
    }
}

// Revisions come with a configuration, or are copies of such; so what none has now, none has until the next.
void index(model::State& state) {
    state.index = {{}, false, false};
    for (const auto& [name, service] : state.services) {
        for (const Revision& revision : service.revisions) {
            state.index.depends = state.index.depends || !revision.spec.depends_on.empty();
            state.index.proxies = state.index.proxies || by_workers(revision.spec);
        }
        for (const model::Instance& instance : service.instances) {
            if (has_process(instance)) state.index.services[instance.id] = name;
        }
    }
}

}  // namespace

void configure(Turn& turn, const model::Configured& event) {
    const Configuration& fresh = event.configuration;
    close_left(turn, turn.state.configuration, fresh);
    for (const ServiceSpec& spec : fresh.services) {
        const auto listeners = sockets_of(fresh, spec.name);
        const auto known = turn.state.services.find(spec.name);
        if (known == turn.state.services.end()) {
            add(turn, spec, listeners);
        } else {
            update(turn, known->second, spec, listeners, event.retry);
        }
        settle_externals(turn, turn.state.services.at(spec.name));
    }
    for (auto& [name, service] : turn.state.services) {
        const bool present = std::any_of(fresh.services.begin(), fresh.services.end(), [&](const auto& spec) { return spec.name == name; });
        if (!present && !service.removed) turn.announce("service.removed", name, "no longer in the configuration");
        if (!present) service.removed = true;
    }
    turn.state.configuration = fresh;
    index(turn.state);
}

void renew(Turn& turn, Service& service) {
    Revision again = *revision_at(service, service.current);
    again.number = turn.state.counters.next_revision++;
    service.revisions.push_back(again);
    begin_rollout(turn, service, again.number);
}

}  // namespace baton::plan
