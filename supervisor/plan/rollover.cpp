#include "plan/rollover.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/limits.h"
#include "plan/instance.h"

namespace baton::plan {

using model::Ending;
using model::Instance;
using model::InstanceState;
using model::Revision;
using model::RolloutPhase;
using model::Service;

namespace {

bool is_ending(const Instance& instance) {
    return instance.state == InstanceState::gone || instance.ending == Ending::remove;
}
bool has_process(const Instance& instance) {
    switch (instance.state) {
        case InstanceState::starting:
        case InstanceState::ready:
        case InstanceState::unready:
        case InstanceState::draining:
        case InstanceState::stopping: return true;
        default: return false;
    }
}

struct Budget {
    std::uint32_t surge = 0;
    std::uint32_t unavailable = 0;
};

// Kubernetes: surge rounds up, unavailable rounds down, and both zero would never move.
Budget budget_of(const model::RolloutSpec& rollout, std::uint32_t replicas) {
    Budget budget{rollout.max_surge.count, rollout.max_unavailable.count};
    if (rollout.max_surge.percent) budget.surge = (replicas * rollout.max_surge.count + 99) / 100;
    if (rollout.max_unavailable.percent) budget.unavailable = replicas * rollout.max_unavailable.count / 100;
    if (budget.surge == 0 && budget.unavailable == 0) budget.unavailable = 1;
    return budget;
}

std::uint32_t free_place(const model::State& state, std::set<std::uint32_t>& taken) {
    if (taken.empty()) {
        for (const auto& [name, service] : state.services) {
            for (const Instance& instance : service.instances) {
                for (const auto& socket : instance.sockets) taken.insert(socket.place);
            }
        }
    }
    std::uint32_t place = 0;
    while (taken.contains(place)) ++place;
    taken.insert(place);
    return place;
}

bool dependencies_ready(const model::State& state, const Service& service) {
    const Revision* revision = find_revision(service, service.current);
    return std::all_of(revision->spec.depends_on.begin(), revision->spec.depends_on.end(), [&](const std::string& name) {
        const auto found = state.services.find(name);
        return found == state.services.end() || ready_count(found->second) > 0;
    });
}

// A new holder of a place. Where `heir_of` has no process any more, its sockets, and whoever waits on
// them, pass to the new one.
void create(Turn& turn, Service& service, std::uint32_t ordinal, Instance* heir_of) {
    const Revision* revision = find_revision(service, service.current);
    Instance fresh;
    fresh.service = service.name;
    fresh.ordinal = ordinal;
    fresh.revision = revision->number;
    fresh.since = turn.now;
    std::set<std::uint32_t> taken;
    for (const model::ListenerSpec& listener : revision->listeners) {
        if (!turn.state.counters.kernel_steering || !can_steer(listener)) continue;
        const std::string id = identity(listener);
        model::InstanceSocket socket{id, 0};
        auto inherited = heir_of == nullptr ? std::vector<model::InstanceSocket>::iterator{} :
            std::find_if(heir_of->sockets.begin(), heir_of->sockets.end(), [&](const auto& s) { return s.listener == id; });
        if (heir_of != nullptr && inherited != heir_of->sockets.end()) {
            socket.place = inherited->place;
            heir_of->sockets.erase(inherited);
        } else {
            socket.place = free_place(turn.state, taken);
        }
        fresh.sockets.push_back(socket);
    }
    if (heir_of != nullptr) {
        fresh.weight = heir_of->weight;
        fresh.restarts = heir_of->restarts;
    } else {
        for (const Instance& other : service.instances) {
            if (other.ordinal == ordinal) fresh.weight = other.weight;
        }
    }
    service.instances.push_back(std::move(fresh));
    turn.announce("instance.waiting", name_of(service.instances.back()), fmt::format("place for revision {}", revision->number));
}

// The holders of one place.
struct Place {
    Instance* fresh = nullptr;  // of the current revision
    Instance* old = nullptr;    // of another one, and not on its way out
};
Place place_of(Service& service, std::uint32_t ordinal) {
    Place place;
    for (Instance& instance : service.instances) {
        if (instance.ordinal != ordinal || is_ending(instance)) continue;
        (instance.revision == service.current ? place.fresh : place.old) = &instance;
    }
    return place;
}

bool another_needs_it(const model::State& state, const Service& service) {
    for (const auto& [name, other] : state.services) {
        const Revision* revision = find_revision(other, other.current);
        if (revision == nullptr) continue;
        const auto& needs = revision->spec.depends_on;
        if (std::find(needs.begin(), needs.end(), service.name) == needs.end()) continue;
        if (std::any_of(other.instances.begin(), other.instances.end(), has_process)) return true;
    }
    return false;
}

void stop_all(Turn& turn, Service& service) {
    // Stopped after what depends on it.
    if (another_needs_it(turn.state, service)) return;
    for (Instance& instance : service.instances) {
        if (!is_ending(instance)) tell_to_go(turn, service, instance, Ending::remove);
    }
}

void go_back(Turn& turn, Service& service, const std::string& why) {
    const Revision* bad = find_revision(service, service.current);
    service.rejected = {bad->number, bad->digest, bad->spec.version, why};
    turn.announce("rollout.failed", service.name,
                  fmt::format("revision {} (version \"{}\"): {}; going back to revision {}", bad->number, bad->spec.version, why, service.previous), true);
    service.current = service.previous;
    service.previous = 0;
    service.phase = RolloutPhase::going_back;
    service.rollout_began = turn.now;
    service.rollout_failures = 0;
}

void judge(Turn& turn, Service& service) {
    if (service.phase != RolloutPhase::rolling) return;
    const Revision* revision = find_revision(service, service.current);
    if (service.previous == 0 || !revision->spec.rollout.auto_rollback) return;
    if (service.rollout_failures >= limits::rollout_attempts) {
        std::string last = "it does not become ready";
        for (const Instance& instance : service.instances) {
            if (instance.revision == service.current && !instance.last_exit.empty()) last += ": " + name_of(instance) + " " + instance.last_exit;
            if (instance.revision == service.current && !instance.last_exit.empty()) break;
        }
        go_back(turn, service, last);
    } else if (turn.now - service.rollout_began >= revision->spec.rollout.deadline) {
        go_back(turn, service, fmt::format("not in place within {}", format_duration(revision->spec.rollout.deadline)));
    }
}

void settle(Turn& turn, Service& service) {
    if (service.phase == RolloutPhase::settled) return;
    for (const Instance& instance : service.instances) {
        if (instance.revision != service.current || !is_available(service, instance, turn.now)) return;
    }
    if (service.instances.size() != wanted_replicas(service)) return;
    const bool forward = service.phase == RolloutPhase::rolling;
    service.phase = RolloutPhase::settled;
    turn.announce(forward ? "rollout.completed" : "rollout.returned", service.name, fmt::format("revision {} is in place", service.current));
}

// Revisions nobody holds and nobody would go back to are forgotten.
void prune(Service& service) {
    std::erase_if(service.revisions, [&](const Revision& revision) {
        const bool held = std::any_of(service.instances.begin(), service.instances.end(), [&](const Instance& i) { return i.revision == revision.number; });
        return !held && revision.number != service.current && revision.number != service.previous;
    });
}

void roll(Turn& turn, Service& service) {
    const std::uint32_t replicas = wanted_replicas(service);
    const Budget budget = budget_of(find_revision(service, service.current)->spec.rollout, replicas);
    for (Instance& instance : service.instances) {
        if (instance.ordinal > replicas && !is_ending(instance)) tell_to_go(turn, service, instance, Ending::remove);
    }
    std::uint32_t live = 0;
    std::uint32_t available = 0;
    for (const Instance& instance : service.instances) {
        if (is_ending(instance)) continue;
        ++live;
        if (is_available(service, instance, turn.now)) ++available;
    }
    for (std::uint32_t ordinal = 1; ordinal <= replicas; ++ordinal) {
        Place place = place_of(service, ordinal);
        if (place.old == nullptr && place.fresh == nullptr) {
            create(turn, service, ordinal, nullptr);
            ++live;
        } else if (place.old != nullptr && !has_process(*place.old)) {
            // Nothing runs there: its successor takes its place and its sockets at once. Parked ones stay.
            if (place.old->ending == Ending::park) continue;
            if (place.fresh == nullptr) create(turn, service, ordinal, place.old);
            place = place_of(service, ordinal);  // create may have moved it
            tell_to_go(turn, service, *place.old, Ending::remove);
        } else if (place.old != nullptr && place.fresh != nullptr) {
            if (!is_available(service, *place.fresh, turn.now)) continue;
            if (is_available(service, *place.old, turn.now)) --available;
            --live;
            tell_to_go(turn, service, *place.old, Ending::remove);
        } else if (place.old != nullptr && live < replicas + budget.surge) {
            create(turn, service, ordinal, nullptr);
            ++live;
        } else if (place.old != nullptr) {
            const bool counts = is_available(service, *place.old, turn.now);
            if (counts && available < replicas - std::min(replicas, budget.unavailable) + 1) continue;
            // One that takes no traffic is the first to give way, but only within the same budget of processes.
            if (!counts && budget.unavailable == 0) continue;
            if (counts) --available;
            --live;
            tell_to_go(turn, service, *place.old, Ending::remove);
        }
    }
}

}  // namespace

void reconcile(Turn& turn, Service& service) {
    turn.out.touched.insert(service.name);
    std::erase_if(service.instances, [](const Instance& instance) { return instance.state == InstanceState::gone; });
    if (!wanted(turn.state, service)) {
        stop_all(turn, service);
        // What is asked for next is a start, not a rollover.
        if (service.instances.empty()) service.phase = RolloutPhase::settled;
    } else {
        judge(turn, service);
        roll(turn, service);
        if (dependencies_ready(turn.state, service)) {
            for (Instance& instance : service.instances) {
                if (instance.state == InstanceState::waiting) start(turn, service, instance, "what it depends on is ready");
            }
        }
        settle(turn, service);
    }
    std::erase_if(service.instances, [](const Instance& instance) { return instance.state == InstanceState::gone; });
    prune(service);
}

Millis rollover_deadline(const Service& service) {
    if (service.phase == RolloutPhase::settled) return never;
    const Revision* revision = find_revision(service, service.current);
    Millis next = service.phase == RolloutPhase::rolling && service.previous != 0 && revision->spec.rollout.auto_rollback
                      ? service.rollout_began + revision->spec.rollout.deadline : never;
    for (const Instance& instance : service.instances) {
        if (instance.state == InstanceState::ready && instance.revision == service.current && revision->spec.rollout.min_ready > 0) {
            next = std::min(next, instance.since + revision->spec.rollout.min_ready);
        }
    }
    return next;
}

}  // namespace baton::plan
