#include "plan/step.h"

#include <csignal>

#include <algorithm>

#include <fmt/core.h>

#include "plan/configure.h"
#include "plan/externals.h"
#include "plan/instance.h"
#include "plan/overrides.h"
#include "plan/plugins.h"
#include "plan/rollover.h"
#include "plan/turn.h"
#include "plan/workers.h"

namespace baton::plan {

using model::Instance;
using model::InstanceState;
using model::Service;
using model::State;

namespace {

struct Found {
    Service* service = nullptr;
    Instance* instance = nullptr;
};

// A record outlives its process; only the present one's events count.
Found find_child(State& state, std::uint64_t id) {
    const auto [service, instance] = find_by_child(state, id);
    return {service, instance};
}

Millis service_deadline(const State& state, const Service& service) {
    Millis next = std::min(rollover_deadline(state, service), service.servers_deadline);
    for (const Instance& instance : service.instances) next = std::min(next, deadline_of(service, instance));
    return next;
}

// Clients may wait at a listener that has left with its external service; one of processes has these for them.
bool waited_for(const State& state, const Service& service) {
    const auto& closing = state.counters.closing;
    return !service.externals.empty() && std::any_of(closing.begin(), closing.end(), [&](const auto& one) { return leads_to(one.spec, service.name); });
}

// Applies one event. What it means for the services as wholes is reconcile's.
class Apply {
  public:
    explicit Apply(Turn& turn) : turn_(turn) {}

    void operator()(const model::Tick&) {
        for (auto& [name, service] : turn_.state.services) {
            if (service_deadline(turn_.state, service) > turn_.now) continue;
            for (Instance& instance : service.instances) on_time(turn_, service, instance);
            touch(service);
        }
        on_worker_time(turn_);
        const auto closed = std::erase_if(turn_.state.counters.closing, [&](const auto& listener) {
            if (listener.deadline > turn_.now) return false;
            turn_.announce("listener.closed", identity(listener.spec), "its time is over", true);
            return true;
        });
        if (closed > 0) touch_all();
    }
    void operator()(const model::Configured& event) {
        configure(turn_, event);
        touch_all();
    }
    void operator()(const model::ChildStarted& event) {
        if (on_worker_started(turn_, event.id, event.pid)) return;
        const Found found = find_child(turn_.state, event.id);
        if (found.instance == nullptr || !has_process(*found.instance)) return;
        on_started(turn_, *found.service, *found.instance, event.pid);
        touch(*found.service);
    }
    void operator()(const model::ChildNotStarted& event) {
        turn_.act(model::ForgetProcess{event.id});  // what was opened for it
        if (on_worker_ended(turn_, event.id, event.why)) return;
        const Found found = find_ended(event.id);
        // One that is known to run was asked for twice.
        if (found.instance == nullptr || !has_process(*found.instance) || found.instance->pid != 0) return;
        if (event.port_taken && found.instance->state == InstanceState::starting) {
            on_port_taken(turn_, *found.service, *found.instance);
        } else {
            on_ended(turn_, *found.service, *found.instance, event.why, false);
        }
        touch(*found.service);
    }
    void operator()(const model::ChildExited& event) {
        turn_.act(model::ForgetProcess{event.id});
        if (is_worker(turn_.state, event.id) && is_own_fault(event.status)) set_aside(turn_, event.crumb, "crashed in");
        if (on_worker_ended(turn_, event.id, describe_end(event.status), event.crumb)) return;
        const Found found = find_ended(event.id);
        if (found.instance == nullptr || !has_process(*found.instance)) return;
        on_ended(turn_, *found.service, *found.instance, describe_end(event.status), event.status == 0);
        touch(*found.service);
    }
    void operator()(const model::Adopted& event);
    void stop_again(const Service& service, Instance& instance);
    void instance_power(Service& service, std::uint32_t ordinal, model::PowerChange change);
    void operator()(const model::Notified& event) {
        const Found found = find_child(turn_.state, event.id);
        if (found.instance == nullptr) return;
        on_notified(turn_, *found.service, *found.instance, event);
        touch(*found.service);
    }
    void operator()(const model::Probed& event) {
        const Found found = find_child(turn_.state, event.id);
        if (found.instance == nullptr) return;
        on_probed(turn_, *found.service, *found.instance, event);
        touch(*found.service);
    }
    void operator()(const model::QueueEmpty& event) {
        const Found found = find_child(turn_.state, event.id);
        if (found.instance == nullptr) return;
        on_queue_empty(turn_, *found.service, *found.instance);
        touch(*found.service);
    }
    void operator()(const model::ListenerDrained& event) {
        const auto removed = std::erase_if(turn_.state.counters.closing, [&](const auto& listener) { return identity(listener.spec) == event.identity; });
        if (removed == 0) return;
        turn_.announce("listener.closed", event.identity, "nobody waited on it");
        touch_all();  // an external service that has left was there for who waited
    }
    void operator()(const model::ServersDrained& event) {
        const auto found = turn_.state.services.find(event.service);
        if (found == turn_.state.services.end() || found->second.servers != model::ServersState::draining) return;
        close_servers(turn_, found->second, "its clients have gone");
        touch_all();  // what it depends on itself was there for its clients
    }
    void operator()(const model::PowerAsked& event);
    void operator()(const model::ScaleAsked& event) {
        const auto found = turn_.state.services.find(event.service);
        if (found == turn_.state.services.end()) return;
        found->second.scale = event.replicas;
        turn_.announce("service.scaled", event.service, fmt::format("to {}", event.replicas));
        touch(found->second);
    }
    void operator()(const model::WeightAsked& event) {
        const auto found = turn_.state.services.find(event.service);
        if (found == turn_.state.services.end()) return;
        set_weight(turn_, found->second, event.ordinal, event.weight);
        touch(found->second);
    }
    void operator()(const model::AdminAsked& event) {
        const auto found = turn_.state.services.find(event.service);
        if (found == turn_.state.services.end()) return;
        set_admin(turn_, found->second, event.ordinal, event.admin);
        touch_all();  // what depends on an external service may start
    }
    void operator()(const model::WorkerReady& event) { on_worker_ready(turn_, event.id); }
    void operator()(const model::WorkerLeaves& event) { on_worker_leaves(turn_, event.id); }
    void operator()(const model::WorkerHung& event) { on_worker_hung(turn_, event); }
    void operator()(const model::WorkerLostHeir& event) { on_worker_lost_heir(turn_, event); }
    void operator()(const model::PluginsChosen& event) { choose_plugins(turn_, event); }
    void operator()(const model::StopAsked& event) {
        turn_.state.counters.stopping = true;
        touch_all();
        if (!event.fast) return;
        stop_workers(turn_, limits_fast);
        for (auto& [name, service] : turn_.state.services) {
            close_servers(turn_, service, "fast stop");
            for (Instance& instance : service.instances) {
                if (!has_process(instance)) continue;
                instance.ending = model::Ending::remove;
                if (instance.state != InstanceState::stopping) become(turn_, instance, InstanceState::stopping, "fast stop");
                turn_.act(model::SignalProcess{instance.id, spec_of(service, instance).stop.signal, false});
                instance.since = turn_.now;
                instance.deadline = std::min(instance.deadline, turn_.now + std::min<Millis>(limits_fast, spec_of(service, instance).stop.kill_timeout));
            }
        }
    }

    std::set<std::string> take_touched() { return std::move(touched_); }

  private:
    static constexpr Millis limits_fast = 1'000;  // below limits::fast_stop_grace, after which the keeper kills

    Found find_ended(std::uint64_t id) {
        const Found found = find_child(turn_.state, id);
        turn_.state.index.services.erase(id);
        return found;
    }
    void touch(const Service& service) { touched_.insert(service.name); }
    void touch_all() {
        for (const auto& [name, service] : turn_.state.services) touched_.insert(name);
    }

    Turn& turn_;
    std::set<std::string> touched_;
};

// A master's death can lie between any two of: the counters were stored, the configuration, one service
// after the other, and each thing that was asked of the keeper. Whatever came before is made whole here.
void Apply::operator()(const model::Adopted& event) {
    State& state = turn_.state;
    own_workers(turn_, event);
    std::set<std::uint64_t> known;
    std::uint64_t& next = state.counters.next_child;
    for (const model::KnownChild& child : event.children) {
        known.insert(child.id);
        next = std::max(next, child.id + 1);
    }
    for (const auto& [name, service] : state.services) {
        for (const Instance& instance : service.instances) next = std::max(next, instance.id + 1);
    }
    for (const model::Worker& worker : state.gateway.workers) next = std::max(next, worker.id + 1);
    const std::uint64_t asked_before = next;
    for (const model::Worker& worker : std::vector(state.gateway.workers)) {
        if (known.contains(worker.id)) continue;
        turn_.act(model::ForgetProcess{worker.id});  // what was opened for it
        on_worker_ended(turn_, worker.id, "its end was not seen");
    }
    for (const model::KnownChild& child : event.children) {
        const Found found = find_child(state, child.id);
        if (child.exited) {
            (*this)(model::ChildExited{child.id, child.status, child.crumb});
        } else if (on_worker_started(turn_, child.id, child.pid)) {
            continue;
        } else if (found.instance == nullptr || !has_process(*found.instance)) {
            // Nothing knows it: it was started by a master that died before it could say so.
            turn_.announce("child.unknown", fmt::format("child {}", child.id), fmt::format("pid {} is ended", child.pid), true);
            turn_.act(model::SignalProcess{child.id, SIGKILL, true});
        } else if (found.instance->pid == 0) {
            (*this)(model::ChildStarted{child.id, child.pid});
        }
    }
    for (auto& [name, service] : state.services) {
        for (Instance& instance : service.instances) {
            if (!has_process(instance) || instance.id >= asked_before) continue;
            if (known.contains(instance.id)) {
                stop_again(service, instance);
            } else if (instance.state == InstanceState::starting && instance.pid == 0) {
                turn_.act(model::ForgetProcess{instance.id});
                ask_again(turn_, service, instance);
            } else {
                on_ended(turn_, service, instance, "its end was not seen", false);
            }
        }
    }
    configure(turn_, model::Configured{state.configuration, false});
    release_again(turn_);
    touch_all();
}

// Whether a stop signal was asked for is not stored. When nothing was since, it may have been lost.
void Apply::stop_again(const Service& service, Instance& instance) {
    if (instance.state != InstanceState::stopping || instance.killed || instance.since < service.as_of) return;
    turn_.act(model::SignalProcess{instance.id, spec_of(service, instance).stop.signal, false});
    instance.since = turn_.now;
}

void Apply::instance_power(Service& service, std::uint32_t ordinal, model::PowerChange change) {
    using model::Ending;
    Instance* instance = const_cast<Instance*>(find_place(service, ordinal));  // the service is ours to change
    if (instance == nullptr) return;
    if (change == model::PowerChange::stop) {
        for (Instance& other : service.instances) {
            if (other.ordinal == ordinal && &other != instance) tell_to_go(turn_, service, other, Ending::remove);
        }
        return tell_to_go(turn_, service, *instance, Ending::park);
    }
    const bool runs = has_process(*instance) && instance->ending != Ending::park;
    if (change == model::PowerChange::start && runs) return;
    instance->failures = 0;
    tell_to_go(turn_, service, *instance, Ending::restart);
}

void Apply::operator()(const model::PowerAsked& event) {
    const auto found = turn_.state.services.find(event.service);
    if (found == turn_.state.services.end()) return;
    Service& service = found->second;
    touch(service);
    if (event.ordinal) return instance_power(service, *event.ordinal, event.change);
    switch (event.change) {
        case model::PowerChange::stop:
            service.stopped = true;
            turn_.announce("service.stopped", service.name, "by an operator");
            break;
        case model::PowerChange::start:
            service.stopped = false;
            for (Instance& instance : service.instances) {
                instance.failures = 0;
                const bool parked = instance.ending == model::Ending::park;
                const bool ended = !has_process(instance) && instance.state != InstanceState::gone;
                if (parked || ended) tell_to_go(turn_, service, instance, model::Ending::restart);
            }
            break;
        case model::PowerChange::restart:
            service.stopped = false;
            renew(turn_, service);
            break;
    }
    touch_all();  // what depends on it, and what it depends on
}

}  // namespace

Outcome step(State& state, const model::Event& event, Millis now) {
    Outcome out;
    Turn turn{state, now, out};
    Apply apply(turn);
    std::visit(apply, event);
    // A service that became ready, or ended, is an event to those around it.
    std::set<std::string> due = apply.take_touched();
    // News travels along the dependencies, one service a round.
    for (std::size_t round = 0; !due.empty() && round <= state.services.size(); ++round) {
        std::set<std::string> next;
        for (const std::string& name : due) {
            const auto found = state.services.find(name);
            if (found == state.services.end()) continue;
            Service& service = found->second;
            const std::size_t before = out.actions.size();
            reconcile(turn, service);
            const std::vector<std::string> own = find_revision(service, service.current)->spec.depends_on;
            if (service.removed && service.instances.empty() && !waited_for(state, service)) {
                state.services.erase(found);
                out.touched.insert(name);
            }
            if (!state.index.depends || (out.actions.size() == before && round > 0)) continue;
            for (const auto& [other_name, other] : state.services) {
                const model::Revision* revision = find_revision(other, other.current);
                const auto& needs = revision->spec.depends_on;
                const bool upstream = std::find(needs.begin(), needs.end(), name) != needs.end();
                const bool downstream = std::find(own.begin(), own.end(), other_name) != own.end();
                if (upstream || downstream) next.insert(other_name);
            }
        }
        due = std::move(next);
    }
    reconcile_workers(turn);
    for (const std::string& name : out.touched) {
        if (const auto found = state.services.find(name); found != state.services.end()) found->second.as_of = now;
    }
    return out;
}

const Instance* find_place(const Service& service, std::uint32_t ordinal) {
    const Instance* found = nullptr;
    for (const Instance& instance : service.instances) {
        if (instance.ordinal != ordinal || instance.ending == model::Ending::remove) continue;
        if (found == nullptr || instance.revision == service.current) found = &instance;
    }
    return found;
}

Millis next_deadline(const State& state) {
    Millis next = never;
    for (const auto& [name, service] : state.services) next = std::min(next, service_deadline(state, service));
    for (const auto& listener : state.counters.closing) next = std::min(next, listener.deadline);
    return std::min(next, workers_deadline(state));
}

bool all_stopped(const State& state) {
    return instances_ended(state) && state.gateway.workers.empty();
}

bool instances_ended(const State& state) {
    return std::all_of(state.services.begin(), state.services.end(), [](const auto& entry) {
        return entry.second.instances.empty() && entry.second.servers == model::ServersState::closed;
    });
}

bool wanted(const State& state, const Service& service) {
    const model::Revision* revision = find_revision(service, service.current);
    if (state.counters.stopping || service.removed || service.stopped || !revision->spec.enabled) return false;
    return std::all_of(revision->spec.depends_on.begin(), revision->spec.depends_on.end(), [&](const std::string& name) {
        const auto needed = state.services.find(name);
        return needed == state.services.end() || wanted(state, needed->second);
    });
}

bool is_open(const State& state, const model::ListenerSpec& listener) {
    const auto services = services_of(listener);
    return std::any_of(services.begin(), services.end(), [&](const std::string& name) {
        const auto service = state.services.find(name);
        return service != state.services.end() && (wanted(state, service->second) || !service->second.instances.empty() || service->second.servers != model::ServersState::closed);
    });
}

std::uint32_t ready_count(const Service& service) {
    return static_cast<std::uint32_t>(std::count_if(service.instances.begin(), service.instances.end(),
                                                    [](const Instance& instance) { return instance.state == InstanceState::ready; }));
}

}  // namespace baton::plan
