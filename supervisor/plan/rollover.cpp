#include "plan/rollover.h"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/describe/enum_to_string.hpp>
#include <fmt/core.h>

#include "base/limits.h"
#include "plan/externals.h"
#include "plan/instance.h"
#include "plan/overrides.h"
#include "plan/places.h"

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
// Holds its place as well as it can: takes traffic, or ended as its policy allows.
bool is_done(const Service& service, const Instance& instance, Millis now) {
    return is_available(service, instance, now) || instance.state == InstanceState::completed;
}

// Takes traffic, and may be counted on: a new one only after min_ready, an old one as long as it does.
bool serves(const Service& service, const Instance& instance, Millis now) {
    return instance.revision == service.current ? is_done(service, instance, now) : instance.state == InstanceState::ready;
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

// Others may rely on it: an instance takes traffic, or has done its work and ended.
bool stands(const Service& service) {
    if (std::any_of(service.externals.begin(), service.externals.end(), [&](const auto& one) { return takes_traffic(service, one); })) return true;
    return std::any_of(service.instances.begin(), service.instances.end(), [](const Instance& instance) {
        return instance.state == InstanceState::ready || (instance.state == InstanceState::completed && instance.ending == Ending::none);
    });
}

bool dependencies_ready(const model::State& state, const Service& service) {
    const Revision* revision = find_revision(service, service.current);
    return std::all_of(revision->spec.depends_on.begin(), revision->spec.depends_on.end(), [&](const std::string& name) {
        const auto found = state.services.find(name);
        return found == state.services.end() || stands(found->second);
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
    if (heir_of != nullptr) fresh.sockets = std::exchange(heir_of->sockets, {});
    take_places(turn, service, fresh);
    if (heir_of != nullptr) fresh.restarts = heir_of->restarts;
    take_overrides(service, fresh);
    service.instances.push_back(std::move(fresh));
    turn.announce("instance.waiting", name_of(service.instances.back()), fmt::format("place for revision {}", revision->number));
}

// The holders of one place that are not on their way out.
struct Place {
    Instance* fresh = nullptr;    // of the current revision
    Instance* old = nullptr;      // of another one
    Instance* between = nullptr;  // of a third, left by a rollover that was overtaken; less use than `old`
};
Place place_of(Service& service, std::uint32_t ordinal) {
    const auto use = [](const Instance& instance) { return instance.state == InstanceState::ready ? 2 : has_process(instance) ? 1 : 0; };
    Place place;
    for (Instance& instance : service.instances) {
        if (instance.ordinal != ordinal || is_ending(instance)) continue;
        if (instance.revision == service.current) {
            place.fresh = &instance;
        } else if (place.old == nullptr || use(instance) > use(*place.old)) {
            place.between = std::exchange(place.old, &instance);
        } else {
            place.between = &instance;
        }
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

// Whether a rollover that fails is taken back by itself.
bool goes_back(const Service& service) {
    return service.previous != 0 && find_revision(service, service.current)->spec.rollout.auto_rollback;
}

// It goes on as it is; whoever waits for it is told.
void tell_overdue(Turn& turn, Service& service, const std::string& why) {
    const Revision* late = find_revision(service, service.current);
    service.rejected = {late->number, late->digest, late->spec.version, why};
    turn.announce("rollout.failed", service.name,
                  fmt::format("revision {} (version \"{}\"): {}; {}, so it is tried on", late->number, late->spec.version, why,
                              service.previous == 0 ? "there is nothing to go back to" : "auto_rollback is off"), true);
}

void judge(Turn& turn, Service& service) {
    if (service.phase != RolloutPhase::rolling) return;
    const Millis deadline = find_revision(service, service.current)->spec.rollout.deadline;
    const bool late = turn.now - service.rollout_began >= deadline;
    const auto lateness = [&] { return fmt::format("not in place within {}: {}", format_duration(deadline), hindrance(service, turn.now)); };
    if (!goes_back(service)) {
        if (late && service.rejected.revision != service.current) tell_overdue(turn, service, lateness());
        return;
    }
    const bool given_up = std::any_of(service.instances.begin(), service.instances.end(), [&](const Instance& instance) {
        return instance.revision == service.current && instance.state == InstanceState::failed && !is_ending(instance) && !is_parked(instance);
    });
    if (given_up || service.rollout_failures >= limits::rollout_attempts) {
        std::string last = "it does not become ready";
        for (const Instance& instance : service.instances) {
            if (instance.revision != service.current || instance.last_exit.empty()) continue;
            last += ": " + name_of(instance) + " " + instance.last_exit;
            if (!instance.problem.empty()) last += " (" + instance.problem + ")";
            break;
        }
        go_back(turn, service, last);
    } else if (late) {
        go_back(turn, service, lateness());
    }
}

void settle(Turn& turn, Service& service) {
    if (service.phase == RolloutPhase::settled) return;
    for (const Instance& instance : service.instances) {
        if (instance.revision != service.current) return;
        // Back at the old revision, an instance that is given up is an ordinary failure.
        const bool given_up = instance.state == InstanceState::failed && service.phase == RolloutPhase::going_back;
        if (!given_up && !is_parked(instance) && !is_done(service, instance, turn.now)) return;
    }
    if (service.instances.size() != wanted_replicas(service)) return;
    const bool forward = service.phase == RolloutPhase::rolling;
    service.phase = RolloutPhase::settled;
    if (service.rejected.revision == service.current) service.rejected = {};  // it was late
    turn.announce(forward ? "rollout.completed" : "rollout.returned", service.name, fmt::format("revision {} is in place", service.current));
}

void remove_gone(Service& service) {
    std::erase_if(service.instances, [](const Instance& instance) { return instance.state == InstanceState::gone; });
}

// Revisions nobody holds and nobody would go back to are forgotten.
void prune(Service& service) {
    std::erase_if(service.revisions, [&](const Revision& revision) {
        const bool held = std::any_of(service.instances.begin(), service.instances.end(), [&](const Instance& i) { return i.revision == revision.number; });
        return !held && revision.number != service.current && revision.number != service.previous;
    });
}

// What the places of a service hold, while one after the other is renewed.
struct Count {
    std::uint32_t expected = 0;   // places that should take traffic: those an operator stopped do not
    std::uint32_t live = 0;       // holders, and those that empty places are owed
    std::uint32_t available = 0;  // places of which a holder serves, however many it has
    Budget budget;
};

Count count(const Service& service, Millis now) {
    const std::uint32_t replicas = wanted_replicas(service);
    Count count{replicas, 0, 0, budget_of(find_revision(service, service.current)->spec.rollout, replicas)};
    std::set<std::uint32_t> parked;
    std::set<std::uint32_t> held;
    std::set<std::uint32_t> serving;
    for (const Instance& instance : service.instances) {
        if (is_ending(instance)) continue;
        if (serves(service, instance, now)) serving.insert(instance.ordinal);
        if (instance.ordinal > replicas) continue;
        held.insert(instance.ordinal);
        if (instance.ending == Ending::park) {
            parked.insert(instance.ordinal);
            continue;
        }
        ++count.live;
    }
    count.available = static_cast<std::uint32_t>(serving.size());
    count.expected -= std::min(count.expected, static_cast<std::uint32_t>(parked.size()));
    count.live += replicas - std::min(replicas, static_cast<std::uint32_t>(held.size()));
    return count;
}

// One that an operator stopped stays stopped, as the present revision.
void renew_parked(Turn& turn, Service& service, std::uint32_t ordinal) {
    Place place = place_of(service, ordinal);
    if (place.fresh == nullptr) {
        create(turn, service, ordinal, place.old);
        place = place_of(service, ordinal);
        tell_to_go(turn, service, *place.fresh, Ending::park);
    }
    tell_to_go(turn, service, *place.old, Ending::remove);
}

void roll_place(Turn& turn, Service& service, std::uint32_t ordinal, Count& count) {
    Place place = place_of(service, ordinal);
    if (place.old == nullptr && place.fresh == nullptr) return create(turn, service, ordinal, nullptr);
    if (place.old == nullptr) return;
    Instance& old = *place.old;
    if (old.ending == Ending::park) {
        if (is_parked(old)) renew_parked(turn, service, ordinal);
        return;
    }
    const bool counts = serves(service, old, turn.now);
    if (!has_process(old)) {
        // Nothing runs there: its successor takes its place and its sockets at once.
        if (place.fresh == nullptr) create(turn, service, ordinal, &old);
        tell_to_go(turn, service, *place_of(service, ordinal).old, Ending::remove);  // create may have moved it
        return;
    }
    if (place.fresh != nullptr) {
        if (!is_done(service, *place.fresh, turn.now) && !is_parked(*place.fresh)) return;
        --count.live;
        return tell_to_go(turn, service, old, Ending::remove);
    }
    if (count.live < count.expected + count.budget.surge) {
        create(turn, service, ordinal, nullptr);
        ++count.live;
        return;
    }
    // It is needed. One that takes no traffic is the first to give way, but within the same budget of processes.
    const std::uint32_t needed = count.expected - std::min(count.expected, count.budget.unavailable);
    if (counts ? count.available <= needed : count.budget.unavailable == 0) return;
    if (counts) --count.available;
    tell_to_go(turn, service, old, Ending::remove);
}

// Places beyond the wanted number. While others are being renewed, one that serves may be needed still.
void shrink(Turn& turn, Service& service, Count& count) {
    const std::uint32_t needed = count.expected - std::min(count.expected, count.budget.unavailable);
    for (Instance& instance : service.instances) {
        if (instance.ordinal <= wanted_replicas(service) || is_ending(instance)) continue;
        const bool takes_traffic = instance.state == InstanceState::ready;
        if (takes_traffic && service.phase != RolloutPhase::settled && count.available <= needed) continue;
        if (serves(service, instance, turn.now)) --count.available;
        tell_to_go(turn, service, instance, Ending::remove);
    }
}

void roll(Turn& turn, Service& service) {
    const std::uint32_t replicas = wanted_replicas(service);
    for (std::uint32_t ordinal = 1; ordinal <= replicas; ++ordinal) {
        for (Place place = place_of(service, ordinal); place.between != nullptr; place = place_of(service, ordinal)) {
            tell_to_go(turn, service, *place.between, Ending::remove);
        }
    }
    // What one place gives, another may take: until nothing moves.
    for (std::size_t before = SIZE_MAX; turn.out.actions.size() != before;) {
        before = turn.out.actions.size();
        Count counted = count(service, turn.now);
        shrink(turn, service, counted);
        for (std::uint32_t ordinal = 1; ordinal <= replicas; ++ordinal) roll_place(turn, service, ordinal, counted);
    }
}

}  // namespace

void reconcile(Turn& turn, Service& service) {
    turn.out.touched.insert(service.name);
    remove_gone(service);
    if (!wanted(turn.state, service)) {
        stop_all(turn, service);
        // Its time begins anew with the next start. There is no way back to finish when nothing is left.
        service.rollout_began = 0;
        if (service.instances.empty() && service.phase == RolloutPhase::going_back) service.phase = RolloutPhase::settled;
    } else {
        // It waits for others: that is no fault of the new revision.
        const bool blocked = !dependencies_ready(turn.state, service) &&
                             std::any_of(service.instances.begin(), service.instances.end(), [](const Instance& i) { return i.state == InstanceState::waiting; });
        if (service.rollout_began == 0 || blocked) service.rollout_began = turn.now;
        judge(turn, service);
        roll(turn, service);
        if (dependencies_ready(turn.state, service)) {
            const bool depends = !find_revision(service, service.current)->spec.depends_on.empty();
            for (Instance& instance : service.instances) {
                if (instance.state == InstanceState::waiting) start(turn, service, instance, depends ? "what it depends on is ready" : "it waits for nothing");
            }
        }
    }
    remove_gone(service);
    if (wanted(turn.state, service)) settle(turn, service);
    settle_externals(turn, service);
    settle_servers(turn, service, another_needs_it(turn.state, service));
    drop_overrides(service);
    prune(service);
}

Millis rollover_deadline(const model::State& state, const Service& service) {
    if (service.phase != RolloutPhase::rolling || !wanted(state, service)) return never;
    const bool told = service.rejected.revision == service.current;
    if (told && !goes_back(service)) return never;
    return service.rollout_began + find_revision(service, service.current)->spec.rollout.deadline;
}

std::string hindrance(const Service& service, Millis now) {
    const auto tell = [](const Instance& instance) {
        const std::string& why = instance.problem.empty() ? instance.last_exit : instance.problem;
        return fmt::format("{} is {}{}{}", name_of(instance), boost::describe::enum_to_string(instance.state, "?"), why.empty() ? "" : ": ", why);
    };
    for (const Instance& instance : service.instances) {
        if (instance.revision != service.current || is_ending(instance) || is_parked(instance) || is_done(service, instance, now)) continue;
        if (instance.state != InstanceState::ready) return tell(instance);
        return fmt::format("{} is ready only just now{}{}", name_of(instance), instance.last_exit.empty() ? "" : ", after one that ", instance.last_exit);
    }
    for (const Instance& instance : service.instances) {
        if (instance.revision != service.current) return fmt::format("{} of revision {}", tell(instance), instance.revision);
        if (is_ending(instance)) return tell(instance);
    }
    return service.instances.size() < wanted_replicas(service) ? "places are to be filled" : "";
}

}  // namespace baton::plan
