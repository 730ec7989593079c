// What must hold: after every step of the planner, whenever the owner has nothing left to do, and at last.
#include <algorithm>
#include <set>

#include "plan/instance.h"
#include "plan/routes.h"
#include "plan/steering.h"
#include "telling.h"
#include "world.h"

namespace baton::sim {

using model::Instance;
using model::InstanceState;
using model::Service;
using model::State;

namespace {

// Places, not instances: for a moment a place may have two.
std::uint32_t ready_places(const Service& service, std::uint32_t up_to) {
    std::set<std::uint32_t> places;
    for (const Instance& instance : service.instances) {
        if (instance.state == InstanceState::ready && instance.ordinal <= up_to) places.insert(instance.ordinal);
    }
    return static_cast<std::uint32_t>(places.size());
}

}  // namespace

// --- after every step ---

void World::check_step(const State& state, const model::Event& event) {
    if (std::holds_alternative<model::Tick>(event)) {
        require(plan::next_deadline(state) > now_, "after a tick something is due still");
    }
    for (const auto& [name, service] : state.services) {
        require(find_revision(service, service.current) != nullptr, name + " has lost its revision");
        require(service.previous == 0 || find_revision(service, service.previous) != nullptr, name + " has lost the revision to go back to");
        for (const Instance& instance : service.instances) {
            require(find_revision(service, instance.revision) != nullptr, name_of(instance) + " has lost its revision");
            require(instance.state != InstanceState::gone, name_of(instance) + " is gone and still here");
            require(instance.state != InstanceState::ready || instance.pid != 0, name_of(instance) + " is ready without a process");
        }
    }
    // One that hangs is stopped, whoever is connected to it.
    if (const auto* probed = std::get_if<model::Probed>(&event); probed != nullptr && probed->kind == model::ProbeKind::liveness) {
        if (const auto process = processes_.find(probed->id); process != processes_.end()) process->second.told = true;
    }
    check_places(state);
    check_tables(state);
    check_routes(state);
    lower_floor(state);
}

namespace {

std::uint32_t wanted_workers(const State& state) {
    if (!plan::needs_workers(state) || (state.counters.stopping && plan::instances_ended(state))) return 0;
    return state.configuration.supervisor.workers > 0 ? state.configuration.supervisor.workers : state.gateway.cores;
}

// Whether all that are wanted of the owner's are ready.
bool served(const State& state) {
    std::set<std::uint32_t> ready;
    for (const model::Worker& worker : state.gateway.workers) {
        const bool ours = worker.generation == state.gateway.generation && worker.number < wanted_workers(state);
        if (ours && worker.state == model::WorkerState::ready) ready.insert(worker.number);
    }
    return ready.size() == wanted_workers(state);
}

}  // namespace

void World::check_workers(const model::Gateway& before, const State& state, const model::Event& event) {
    std::set<std::pair<std::uint32_t, std::uint32_t>> numbers;
    for (const model::Worker& worker : state.gateway.workers) {
        require(worker.id < state.counters.next_child, fmt::format("worker #{} is not counted", worker.id));
        const auto was = std::find_if(before.workers.begin(), before.workers.end(), [&](const auto& other) { return other.id == worker.id; });
        if (was == before.workers.end()) {
            require(worker.generation == state.gateway.generation, fmt::format("worker #{} is of a generation that does not own", worker.id));
        }
        if (worker.state != model::WorkerState::leaving) {
            require(numbers.emplace(worker.generation, worker.number).second, fmt::format("there are two workers {}.{}", worker.generation, worker.number));
            continue;
        }
        const bool released = was != before.workers.end() && was->state != model::WorkerState::leaving;
        const bool fast = std::holds_alternative<model::StopAsked>(event);
        require(!released || fast || served(state), fmt::format("worker #{} is released before all others serve", worker.id));
        if (worker.heir == 0) continue;
        require(std::any_of(state.gateway.workers.begin(), state.gateway.workers.end(), [&](const auto& other) { return other.id == worker.heir; }),
                fmt::format("worker #{} leaves to one that is gone", worker.id));
    }
}

// Whose time to leave is over has been told to leave.
void World::check_told(std::uint64_t id) {
    Master* master = owner();
    if (master == nullptr || gateway_.hung(id)) return;
    for (const model::Worker& worker : master->state().gateway.workers) {
        const bool leaves = worker.id == id && worker.state == model::WorkerState::leaving;
        require(!leaves || gateway_.workers().at(id).leaving, fmt::format("worker #{} is killed as it does not leave, and was not told to", id));
    }
}

// A route leads to instances that are ready, each at an address of its own; and to all of them.
void World::check_routes(const State& state) {
    std::map<std::uint64_t, const Instance*> ready;
    std::set<std::uint64_t> wanted_there;
    for (const auto& [name, service] : state.services) {
        const bool proxied = find_revision(service, service.current)->spec.delivery == model::Delivery::proxy;
        for (const Instance& instance : service.instances) {
            if (auto process = processes_.find(instance.id); process != processes_.end() && instance.id != 0) {
                const bool drains = instance.state == InstanceState::draining && plan::spec_of(service, instance).delivery == model::Delivery::proxy;
                if (drains) process->second.drains_until = instance.deadline;
            }
            if (instance.state != InstanceState::ready) continue;
            ready[instance.id] = &instance;
            const bool listens = std::any_of(state.configuration.listeners.begin(), state.configuration.listeners.end(),
                                             [&, id = name](const auto& listener) { return listener.service == id; });
            const bool by_port = plan::spec_of(service, instance).upstream == model::Upstream::port;
            if (proxied && listens && by_port && instance.port != 0) wanted_there.insert(instance.id);
        }
    }
    std::map<std::string, std::uint64_t> addresses;
    for (const model::Route& route : plan::routes(state).routes) {
        for (const model::Endpoint& endpoint : route.endpoints) {
            const auto holder = ready.find(endpoint.id);
            require(endpoint.down || holder != ready.end(), fmt::format("a route leads to #{}, which is not ready", endpoint.id));
            const model::AdminState admin = holder == ready.end() ? model::AdminState::ready : holder->second->admin;
            require(endpoint.down == (holder == ready.end() || admin == model::AdminState::maint), fmt::format("#{} is {}down", endpoint.id, endpoint.down ? "" : "not "));
            require(admin != model::AdminState::drain || endpoint.draining, fmt::format("#{} gets clients though it drains", endpoint.id));
            const auto [known, fresh] = addresses.emplace(to_string(endpoint.address), endpoint.id);
            require(fresh || known->second == endpoint.id, fmt::format("#{} and #{} have one address", known->second, endpoint.id));
            wanted_there.erase(endpoint.id);
        }
    }
    require(wanted_there.empty(), "a ready instance is in no route");
}

void World::check_places(const State& state) {
    std::set<std::uint32_t> taken;
    std::set<std::uint64_t> ids;
    std::set<std::uint16_t> ports;
    for (const auto& [name, service] : state.services) {
        for (const Instance& instance : service.instances) {
            if (instance.id != 0) require(ids.insert(instance.id).second, fmt::format("two instances share child {}", instance.id));
            require(instance.id < state.counters.next_child, fmt::format("child {} is not counted", instance.id));
            if (instance.port != 0) require(ports.insert(instance.port).second, fmt::format("port {} is given twice", instance.port));
            for (const auto& socket : instance.sockets) {
                require(taken.insert(socket.place).second, fmt::format("place {} is held twice", socket.place));
            }
        }
    }
}

// A ready instance of a service that is wanted is in the table of each of its open listeners, with its
// weight, unless an operator has taken it out; and then nobody else is who is not ready.
void World::check_tables(const State& state) {
    std::map<std::string, std::map<std::uint32_t, std::uint32_t>> ready;
    for (const auto& [name, service] : state.services) {
        if (!plan::wanted(state, service)) continue;
        for (const Instance& instance : service.instances) {
            if (instance.state != InstanceState::ready) continue;
            for (const auto& socket : instance.sockets) {
                if (!socket.hidden && instance.admin == model::AdminState::ready) ready[socket.listener][socket.place] = instance.weight;
            }
            const model::ServiceSpec& spec = plan::spec_of(service, instance);
            const bool proxied = spec.delivery == model::Delivery::proxy;
            if (proxied ? spec.upstream == model::Upstream::port : !state.counters.kernel_steering) continue;
            for (const auto& listener : find_revision(service, instance.revision)->listeners) {
                const bool has = std::any_of(instance.sockets.begin(), instance.sockets.end(), [&](const auto& s) { return s.listener == identity(listener); });
                require(has || (!proxied && !can_steer(listener)), name_of(instance) + " has no socket of " + identity(listener));
            }
        }
    }
    for (const auto& [name, service] : state.services) {
        for (const auto& [listener, table] : plan::steering_tables(state, service)) {
            const bool open = std::any_of(state.configuration.listeners.begin(), state.configuration.listeners.end(),
                                          [&, id = listener](const auto& spec) { return identity(spec) == id; });
            if (!open) require(table.closed && table.shares.empty(), listener + " left the configuration and is open");
            if (!open || !ready.contains(listener)) continue;
            require(!table.closed, listener + " is closed while an instance is ready");
            std::map<std::uint32_t, std::uint32_t> shares;
            for (const plan::Share& share : table.shares) shares[share.place] = share.weight;
            require(shares == ready.at(listener), "the table of " + listener + " is not that of its ready instances");
        }
    }
}

// --- when the owner has nothing left to do ---

void World::check_quiet() {
    Master* master = owner();
    if (master == nullptr || master->hung_since != never || !master->idle()) return;
    const MasterRecord& record = keeper_.masters().at(master->generation());
    if (!record.inbox.empty() || record.lagging) return;
    const State& state = master->state();
    // Child numbers it counts as running.
    std::set<std::uint64_t> known;
    for (const auto& [name, service] : state.services) {
        for (const Instance& instance : service.instances) {
            if (!plan::has_process(instance)) continue;
            known.insert(instance.id);
            require(processes_.contains(instance.id), fmt::format("{} is believed to run as #{}, which it does not", name_of(instance), instance.id));
        }
    }
    for (const model::Worker& worker : state.gateway.workers) {
        known.insert(worker.id);
        require(master->speaks_to(worker.id), fmt::format("nobody speaks to worker #{}", worker.id));
        require(processes_.contains(worker.id), fmt::format("a worker is believed to run as #{}, which it does not", worker.id));
    }
    // One that it waits for in vain would hold up every drain.
    require(master->channels() == state.gateway.workers.size(), "the owner has channels to workers that it does not know");
    for (const auto& [id, process] : processes_) {
        require(process.killed || known.contains(id), fmt::format("process #{} of {} runs and nobody knows it", id, process.spec.name));
    }
    for (const auto& [id, child] : keeper_.children()) require(!child.exited, fmt::format("the end of #{} was not noted", id));
    // Nothing was stored that is not so.
    require(keeper_.held().services == state.services, "the snapshots are not what the owner knows");
    require(keeper_.held().counters == state.counters, "the stored counters are not what the owner knows");
    require(keeper_.held().gateway == state.gateway, "the stored workers are not what the owner knows");
    check_floor(state);
}

// Where programs do not fail, no reload, upgrade or death may cost a ready instance beyond the budget.
void World::check_floor(const State& state) {
    if (!gentle_) return;
    for (const auto& [name, service] : state.services) {
        if (!plan::wanted(state, service)) continue;
        const std::uint32_t replicas = wanted_replicas(service);
        const model::RolloutSpec& rollout = find_revision(service, service.current)->spec.rollout;
        const auto surge = rollout.max_surge.count;
        std::uint32_t unavailable = rollout.max_unavailable.percent ? replicas * rollout.max_unavailable.count / 100 : rollout.max_unavailable.count;
        if (surge == 0 && unavailable == 0) unavailable = 1;
        std::uint32_t& floor = floor_[name].ready;
        const std::uint32_t ready = ready_places(service, UINT32_MAX);
        require(ready + unavailable >= floor, fmt::format("{} has {} ready of {}, and {} may be missing", name, ready, floor, unavailable));
        floor = std::max(floor, std::min(ready, replicas));
    }
}

// What is not wanted any more cannot be missed; and who asks for fewer says which: the first ones.
void World::lower_floor(const State& state) {
    for (auto& [name, floor] : floor_) {
        const auto service = state.services.find(name);
        if (service == state.services.end() || !plan::wanted(state, service->second)) {
            floor = {};
            continue;
        }
        const std::uint32_t replicas = wanted_replicas(service->second);
        floor.ready = std::min(floor.ready, replicas);
        if (replicas < floor.replicas && service->second.phase == model::RolloutPhase::settled) {
            floor.ready = std::min(floor.ready, ready_places(service->second, replicas));
        }
        floor.replicas = replicas;
    }
}

// --- at last ---

// An operator stopped every instance of something it needs.
bool World::is_blocked(const State& state, const Service& service) {
    const auto& needs = find_revision(service, service.current)->spec.depends_on;
    return std::any_of(needs.begin(), needs.end(), [&](const std::string& name) {
        const Service& needed = state.services.at(name);
        if (plan::ready_count(needed) > 0) return false;
        return std::all_of(needed.instances.begin(), needed.instances.end(), plan::is_parked) || is_blocked(state, needed);
    });
}

std::string World::missing_of(const State& state, const Service& service) {
    if (!plan::wanted(state, service)) return service.instances.empty() ? "" : service.name + " is not wanted and not gone";
    if (is_blocked(state, service)) return "";
    if (service.phase != model::RolloutPhase::settled) return service.name + " is still rolling";
    if (service.instances.size() != wanted_replicas(service)) return service.name + " has not as many instances as it should";
    for (const Instance& instance : service.instances) {
        if (instance.revision != service.current) return name_of(instance) + " is of an old revision";
        if (plan::spec_of(service, instance).version.starts_with("bad")) return name_of(instance) + " is of a bad version";
        if (!plan::is_parked(instance) && instance.state != InstanceState::ready) return name_of(instance) + " is not ready";
    }
    return "";
}

std::string World::what_is_missing() {
    const Master& master = *owner();
    if (keeper_.masters().size() != 1) return "two generations are still there";
    if (master.upgrade().phase != model::UpgradePhase::idle || master.upgrade().ending) return "the upgrade has no verdict";
    if (!master.upgrade().binary.empty() && master.upgrade().verdict.empty()) return "the upgrade has ended without a verdict";
    if (!master.state().counters.closing.empty()) return "a listener is still closing";
    const model::Gateway& gateway = master.state().gateway;
    if (gateway.generation != master.generation()) return "the workers are not of the owner's generation";
    if (gateway.workers.size() != wanted_workers(master.state())) return "there are not as many workers as there should be";
    if (!served(master.state())) return "not all workers are ready";
    for (const auto& [name, service] : master.state().services) {
        if (auto missing = missing_of(master.state(), service); !missing.empty()) return missing;
    }
    return "";
}

}  // namespace baton::sim
