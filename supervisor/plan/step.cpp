#include "plan/step.h"

#include <csignal>

#include <algorithm>

#include <fmt/core.h>

#include "plan/configure.h"
#include "plan/instance.h"
#include "plan/rollover.h"
#include "plan/turn.h"

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

Found find_child(State& state, std::uint64_t id) {
    for (auto& [name, service] : state.services) {
        for (Instance& instance : service.instances) {
            // A record outlives its process; only the present one's events count.
            if (instance.id == id && id != 0) return {&service, &instance};
        }
    }
    return {};
}

Instance* find_place(Service& service, std::uint32_t ordinal) {
    Instance* found = nullptr;
    for (Instance& instance : service.instances) {
        // During a rollover two hold the place: the newer one is meant.
        if (instance.ordinal == ordinal && (found == nullptr || instance.revision > found->revision)) found = &instance;
    }
    return found;
}

bool runs(const Instance& instance) {
    return instance.state == InstanceState::starting || instance.state == InstanceState::ready || instance.state == InstanceState::unready ||
           instance.state == InstanceState::draining || instance.state == InstanceState::stopping;
}

Millis service_deadline(const Service& service) {
    Millis next = rollover_deadline(service);
    for (const Instance& instance : service.instances) next = std::min(next, deadline_of(service, instance));
    return next;
}

// Applies one event. What it means for the services as wholes is reconcile's.
class Apply {
  public:
    explicit Apply(Turn& turn) : turn_(turn) {}

    void operator()(const model::Tick&) {
        for (auto& [name, service] : turn_.state.services) {
            if (service_deadline(service) > turn_.now) continue;
            for (Instance& instance : service.instances) on_time(turn_, service, instance);
            touch(service);
        }
    }
    void operator()(const model::Configured& event) {
        configure(turn_, event);
        touch_all();
    }
    void operator()(const model::ChildStarted& event) {
        const Found found = find_child(turn_.state, event.id);
        if (found.instance == nullptr) return;
        on_started(turn_, *found.service, *found.instance, event.pid);
        touch(*found.service);
    }
    void operator()(const model::ChildNotStarted& event) {
        const Found found = find_child(turn_.state, event.id);
        if (found.instance == nullptr || !runs(*found.instance)) return;
        on_ended(turn_, *found.service, *found.instance, event.why, false);
        touch(*found.service);
    }
    void operator()(const model::ChildExited& event) {
        turn_.act(model::ForgetProcess{event.id});
        const Found found = find_child(turn_.state, event.id);
        if (found.instance == nullptr || !runs(*found.instance)) return;
        on_ended(turn_, *found.service, *found.instance, describe_end(event.status), event.status == 0);
        touch(*found.service);
    }
    void operator()(const model::Adopted& event);
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
        if (removed > 0) turn_.announce("listener.closed", event.identity, "nobody waited on it");
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
        for (Instance& instance : found->second.instances) {
            if (instance.ordinal == event.ordinal) instance.weight = event.weight;
        }
        touch(found->second);
    }
    void operator()(const model::StopAsked& event) {
        turn_.state.counters.stopping = true;
        touch_all();
        if (!event.fast) return;
        for (auto& [name, service] : turn_.state.services) {
            for (Instance& instance : service.instances) {
                if (!runs(instance)) continue;
                instance.ending = model::Ending::remove;
                if (instance.state != InstanceState::stopping) become(turn_, instance, InstanceState::stopping, "fast stop");
                turn_.act(model::SignalProcess{instance.id, spec_of(service, instance).stop.signal, false});
                instance.deadline = turn_.now + std::min<Millis>(limits_fast, spec_of(service, instance).stop.kill_timeout);
            }
        }
    }

    std::set<std::string> take_touched() { return std::move(touched_); }

  private:
    static constexpr Millis limits_fast = 1'000;  // below limits::fast_stop_grace, after which the keeper kills

    void touch(const Service& service) { touched_.insert(service.name); }
    void touch_all() {
        for (const auto& [name, service] : turn_.state.services) touched_.insert(name);
    }

    Turn& turn_;
    std::set<std::string> touched_;
};

void Apply::operator()(const model::Adopted& event) {
    std::set<std::uint64_t> known;
    for (const model::KnownChild& child : event.children) {
        known.insert(child.id);
        turn_.state.counters.next_child = std::max(turn_.state.counters.next_child, child.id + 1);
        const Found found = find_child(turn_.state, child.id);
        const bool ours = found.instance != nullptr && runs(*found.instance);
        if (child.exited) {
            (*this)(model::ChildExited{child.id, child.status});
        } else if (!ours) {
            // Nothing knows it: it was started by a master that died before it could say so.
            turn_.announce("child.unknown", fmt::format("child {}", child.id), fmt::format("pid {} is ended", child.pid), true);
            turn_.act(model::SignalProcess{child.id, SIGKILL, true});
        } else if (found.instance->pid == 0) {
            (*this)(model::ChildStarted{child.id, child.pid});
        }
    }
    for (auto& [name, service] : turn_.state.services) {
        for (Instance& instance : service.instances) {
            if (!runs(instance) || known.contains(instance.id)) continue;
            if (instance.state == InstanceState::starting && instance.pid == 0 && instance.ending == model::Ending::none) {
                // It was to be started and was not: the same request again.
                turn_.act(model::StartProcess{instance.id});
            } else {
                on_ended(turn_, service, instance, "its end was not seen", false);
            }
        }
    }
    touch_all();
}

void Apply::operator()(const model::PowerAsked& event) {
    const auto found = turn_.state.services.find(event.service);
    if (found == turn_.state.services.end()) return;
    Service& service = found->second;
    touch(service);
    if (event.ordinal) {
        Instance* instance = find_place(service, *event.ordinal);
        if (instance == nullptr) return;
        using model::Ending;
        if (event.change == model::PowerChange::stop) return tell_to_go(turn_, service, *instance, Ending::park);
        if (event.change == model::PowerChange::restart || !runs(*instance)) {
            instance->failures = 0;
            return tell_to_go(turn_, service, *instance, Ending::restart);
        }
        return;
    }
    switch (event.change) {
        case model::PowerChange::stop:
            service.stopped = true;
            turn_.announce("service.stopped", service.name, "by an operator");
            break;
        case model::PowerChange::start:
            service.stopped = false;
            for (Instance& instance : service.instances) {
                instance.failures = 0;
                if (instance.state == InstanceState::failed || instance.state == InstanceState::completed) tell_to_go(turn_, service, instance, model::Ending::restart);
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
    for (int round = 0; !due.empty() && round < 8; ++round) {
        std::set<std::string> next;
        for (const std::string& name : due) {
            const auto found = state.services.find(name);
            if (found == state.services.end()) continue;
            Service& service = found->second;
            const std::size_t before = out.actions.size();
            reconcile(turn, service);
            if (service.removed && service.instances.empty()) {
                state.services.erase(found);
                out.touched.insert(name);
            }
            if (out.actions.size() == before && round > 0) continue;
            for (const auto& [other_name, other] : state.services) {
                const model::Revision* revision = find_revision(other, other.current);
                const auto& needs = revision->spec.depends_on;
                const bool upstream = std::find(needs.begin(), needs.end(), name) != needs.end();
                bool downstream = false;
                if (const auto self = state.services.find(name); self != state.services.end()) {
                    const auto& own = find_revision(self->second, self->second.current)->spec.depends_on;
                    downstream = std::find(own.begin(), own.end(), other_name) != own.end();
                }
                if (upstream || downstream) next.insert(other_name);
            }
        }
        due = std::move(next);
    }
    return out;
}

Millis next_deadline(const State& state) {
    Millis next = never;
    for (const auto& [name, service] : state.services) next = std::min(next, service_deadline(service));
    return next;
}

bool all_stopped(const State& state) {
    return std::all_of(state.services.begin(), state.services.end(), [](const auto& entry) { return entry.second.instances.empty(); });
}

bool wanted(const State& state, const Service& service) {
    const model::Revision* revision = find_revision(service, service.current);
    if (state.counters.stopping || service.removed || service.stopped || !revision->spec.enabled) return false;
    return std::all_of(revision->spec.depends_on.begin(), revision->spec.depends_on.end(), [&](const std::string& name) {
        const auto needed = state.services.find(name);
        return needed == state.services.end() || wanted(state, needed->second);
    });
}

std::uint32_t ready_count(const Service& service) {
    return static_cast<std::uint32_t>(std::count_if(service.instances.begin(), service.instances.end(),
                                                    [](const Instance& instance) { return instance.state == InstanceState::ready; }));
}

}  // namespace baton::plan
