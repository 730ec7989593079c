#include "master.h"

#include <algorithm>

#include "base/limits.h"
#include "model/codec.h"
#include "plan/routes.h"
#include "telling.h"
#include "world.h"

namespace baton::sim {

using plan::test::tell;

namespace {

template <class T>
T through_codec(World& world, const T& value) {
    auto copy = model::decode<T>(model::encode(value));
    world.require(copy.has_value(), "a snapshot cannot be read");
    world.require(*copy == value, "a snapshot differs from what was stored");
    return std::move(*copy);
}

const model::Instance* find_instance(const model::State& state, std::uint64_t id) {
    for (const auto& [name, service] : state.services) {
        for (const model::Instance& instance : service.instances) {
            if (instance.id == id) return &instance;
        }
    }
    return nullptr;
}

}  // namespace

void Master::point() {
    if (dies_after < 0) return;
    if (dies_after-- == 0) throw Death{};
}

// --- coming and going ---

void Master::boot() {
    const Keeper& keeper = world_.keeper();
    const MasterRecord& record = keeper.masters().at(generation_);
    const bool replacement = record.incarnation > 1;  // this process is counted
    const bool owner = keeper.owner() == generation_;
    fence_ = keeper.fence();
    std::vector<std::uint32_t> ready;
    for (const auto& [generation, other] : keeper.masters()) {
        if (generation == generation_) continue;
        others_.insert(generation);
        if (other.ready) ready.push_back(generation);
    }
    const auto& recalled = owner ? keeper.held().configuration : keeper.held().old_configuration;
    configuration_ = replacement && recalled ? *recalled : world_.file();
    if (!owner && !incumbent()) return begin_trial();
    if (replacement) {
        if (record.note) upgrade_ = through_codec(world_, *record.note);
        handle(plan::UpgradeResumed{{others_.begin(), others_.end()}, ready, keeper.owner()});
    }
    if (owner) {
        goes_on_ = replacement;
        become_owner();
    } else {
        ready_ = true;
        world_.keeper().ready(generation_);
    }
}

void Master::begin_trial() {
    Random& random = world_.random();
    switch (quality_) {
        case Quality::exits: end_at_ = world_.now() + random.between(1, 300); return;
        case Quality::hangs: return;
        case Quality::dies_when_ready:
            ready_at_ = world_.now() + random.between(1, 300);
            end_at_ = ready_at_ + random.between(0, 50);
            return;
        case Quality::dies_later:
            ready_at_ = world_.now() + random.between(1, 300);
            end_at_ = ready_at_ + random.between(0, 20'000);
            return;
        case Quality::good:
        case Quality::fails_probe: ready_at_ = world_.now() + random.between(1, 300); return;
    }
}

void Master::become_owner() {
    load();
    std::vector<model::KnownChild> children = world_.keeper().list_children();
    active_ = true;
    adopt_workers();
    queue_.push_front(model::Adopted{std::move(children), generation_, World::cores});
    world_.mend(configuration_, state_);
    if (!std::exchange(goes_on_, false)) queue_.push_back(model::Configured{configuration_, false});
    turn();
    configuration_ = state_.configuration;
    if (!std::exchange(ready_, true)) world_.keeper().ready(generation_);
}

void Master::load() {
    const Held& held = world_.keeper().held();
    state_ = model::State{};
    stored_configuration_.reset();
    if (!held.counters) {
        state_.counters.kernel_steering = world_.kernel_steering();
        return;
    }
    state_.counters = through_codec(world_, *held.counters);
    if (held.gateway) state_.gateway = through_codec(world_, *held.gateway);
    if (held.configuration) state_.configuration = through_codec(world_, *held.configuration);
    for (const auto& [name, service] : held.services) state_.services[name] = through_codec(world_, service);
}

void Master::give_up() {
    if (!active_) return;
    world_.keeper().hold_old_configuration(generation_, fence_, state_.configuration);
    active_ = false;
    queue_.clear();
    workers_.clear();
}

void Master::adopt_workers() {
    // Greater than what any master before this one has sent.
    table_ = model::RouteTable{world_.next_revision(), {}};
    workers_.clear();
    for (const model::Worker& worker : state_.gateway.workers) workers_[worker.id] = {};
}

void Master::settle_workers() {
    if (!active_) return;
    model::RouteTable wanted = plan::routes(state_);
    wanted.revision = table_.revision;
    if (wanted != table_) {
        table_ = std::move(wanted);
        table_.revision = world_.next_revision();
    }
    for (auto& [id, told] : workers_) {
        if (told.sent == table_.revision) continue;
        point();
        world_.gateway().send(id, table_);
        told.sent = table_.revision;
    }
}

bool Master::drained(std::uint64_t instance) const {
    return !world_.gateway().connected(instance) &&
           std::all_of(workers_.begin(), workers_.end(), [&](const auto& entry) { return entry.second.confirmed >= table_.revision; });
}

void Master::leave() {
    if (std::exchange(leaving_, true)) return;
    world_.keeper().leave(generation_, upgrade_.generation);
    end_at_ = world_.now() + world_.random().between(0, 30);
}

// --- turns ---

void Master::post(model::Event event) {
    if (active_) queue_.push_back(std::move(event));
}

void Master::turn() {
    const Millis now = world_.now();
    std::vector<model::Action> actions;
    std::set<std::string> touched;
    while (!queue_.empty()) {
        const model::Event event = std::move(queue_.front());
        queue_.pop_front();
        world_.trace("gen {} {}", generation_, tell(event));
        const model::Gateway before = state_.gateway;
        plan::Outcome outcome = plan::step(state_, event, now);
        if (world_.tracing()) {
            for (const model::Action& action : outcome.actions) world_.trace("  {}", tell(action, state_));
        }
        touched.merge(outcome.touched);
        for (model::Action& action : outcome.actions) actions.push_back(std::move(action));
        world_.check_step(state_, event);
        world_.check_workers(before, state_, event);
    }
    store(touched);
    for (const model::Action& action : actions) {
        point();
        act(action);
    }
    settle_workers();
}

void Master::store(const std::set<std::string>& touched) {
    Keeper& keeper = world_.keeper();
    point();
    keeper.hold_counters(generation_, fence_, state_.counters);
    point();
    keeper.hold_gateway(generation_, fence_, state_.gateway);
    if (!stored_configuration_ || *stored_configuration_ != state_.configuration) {
        point();
        keeper.hold_configuration(generation_, fence_, state_.configuration);
        stored_configuration_ = state_.configuration;
    }
    for (const std::string& name : touched) {
        point();
        const auto service = state_.services.find(name);
        if (service == state_.services.end()) {
            keeper.release_service(generation_, fence_, name);
            continue;
        }
        if (world_.random().chance(30)) through_codec(world_, service->second);
        keeper.hold_service(generation_, fence_, service->second);
    }
}

void Master::act(const model::Action& action) {
    Keeper& keeper = world_.keeper();
    if (const auto* start = std::get_if<model::StartProcess>(&action)) {
        const model::Instance* instance = find_instance(state_, start->id);
        if (instance == nullptr) return;  // decided otherwise later in the same turn
        const model::Revision* revision = find_revision(state_.services.at(instance->service), instance->revision);
        if (world_.port_is_taken(*instance)) return post(model::ChildNotStarted{start->id, "its port is taken", true});
        world_.next_program(revision->spec);
        keeper.spawn(generation_, fence_, start->id);
    } else if (const auto* begin = std::get_if<model::StartWorker>(&action)) {
        const auto& all = state_.gateway.workers;
        const bool known = std::any_of(all.begin(), all.end(), [&](const model::Worker& one) { return one.id == begin->id; });
        if (!known) return post(model::ChildNotStarted{begin->id, "no such worker"});
        world_.next_worker(generation_);
        if (keeper.spawn(generation_, fence_, begin->id)) workers_[begin->id] = {};
    } else if (const auto* release = std::get_if<model::ReleaseWorker>(&action)) {
        // Not fenced: one that has lost the ownership and has not heard yet may say so still.
        world_.gateway().release(release->id, release->to);
    } else if (const auto* signal = std::get_if<model::SignalProcess>(&action)) {
        keeper.signal(generation_, fence_, signal->id, signal->signal);
    } else if (const auto* forget = std::get_if<model::ForgetProcess>(&action)) {
        workers_.erase(forget->id);
        keeper.forget(generation_, fence_, forget->id);
    }
}

// --- the upgrade ---

void Master::handle(const plan::UpgradeEvent& event) {
    const auto actions = plan::step(upgrade_, generation_, event, world_.now());
    world_.trace("gen {} {}: {}", generation_, tell(event), tell(upgrade_, world_.now()));
    point();
    world_.keeper().note(generation_, upgrade_);
    for (const plan::UpgradeAction& action : actions) {
        world_.trace("  {}", tell(action));
        point();
        act(action);
    }
}

void Master::act(const plan::UpgradeAction& action) {
    Keeper& keeper = world_.keeper();
    if (const auto* start = std::get_if<plan::StartCandidate>(&action)) {
        keeper.start_master(generation_, fence_, start->binary, world_.now());
    } else if (const auto* ask = std::get_if<plan::ProbeCandidate>(&action)) {
        ask_candidate(ask->generation);
    } else if (const auto* end = std::get_if<plan::EndCandidate>(&action)) {
        keeper.end_master(generation_, end->generation);
    } else if (const auto* give = std::get_if<plan::GiveInstances>(&action)) {
        give_up();
        point();
        keeper.transfer(generation_, give->generation);
    } else if (std::holds_alternative<plan::TakeInstances>(action)) {
        keeper.transfer(generation_, generation_);
    } else if (std::holds_alternative<plan::LeaveForGood>(action)) {
        leave();
    }
}

bool Master::reload() {
    if (!active_ || (incumbent() && upgrade_.phase != model::UpgradePhase::idle)) return false;
    configuration_ = world_.file();
    world_.mend(configuration_, state_);
    post(model::Configured{configuration_, true});
    return true;
}

bool Master::ask_upgrade(const plan::UpgradeAsked& asked) {
    if (!active_ || !incumbent() || upgrade_.phase != model::UpgradePhase::idle || upgrade_.ending) return false;
    handle(asked);
    return true;
}

// --- one thing after the other ---

bool Master::work(bool eager) {
    const Millis now = world_.now();
    if (hung_since != never) return false;
    if (now >= end_at_) throw Death{};
    if (on_trial()) return true;
    if (read_one()) return true;
    if (plan::next_deadline(upgrade_) <= now) {
        handle(plan::UpgradeTick{});
        return true;
    }
    if (probe_ && probe_->due <= now) {
        // In `handed` it must answer as the owner, and is given some time to become it.
        const bool as_owner = upgrade_.phase == model::UpgradePhase::handed;
        std::string failure = world_.probe_master(probe_->generation, as_owner);
        if (failure == not_owner && now < probe_->due_as_owner) {
            probe_->due = std::min(now + 50, probe_->due_as_owner);
            return true;
        }
        const std::uint32_t generation = std::exchange(probe_, {})->generation;
        handle(plan::CandidateProbed{std::move(failure), generation});
        return true;
    }
    soak(eager);
    if (!active_) return false;
    if (plan::next_deadline(state_) <= now) queue_.push_back(model::Tick{});
    if (!queue_.empty()) {
        turn();
        return true;
    }
    return observe(eager);
}

bool Master::on_trial() {
    if (ready_ || ready_at_ > world_.now()) return false;
    ready_ = true;
    world_.keeper().ready(generation_);
    return true;
}

void Master::soak(bool eager) {
    if (upgrade_.phase != model::UpgradePhase::handed || probe_ || world_.now() < next_soak_) return;
    if (!eager && !world_.random().chance(200)) return;
    next_soak_ = world_.now() + 250;
    ask_candidate(upgrade_.generation);
}

void Master::ask_candidate(std::uint32_t generation) {
    probe_ = Probe{generation, world_.now() + world_.random().between(1, 200), world_.now() + limits::ownership_patience};
}

bool Master::observe_workers(bool eager) {
    for (auto& [id, told] : workers_) {
        const std::uint64_t confirmed = world_.gateway().confirmed(id);
        if (confirmed <= told.confirmed || !(eager || world_.random().chance(400))) continue;
        const bool first = std::exchange(told.confirmed, confirmed) == 0;
        if (first) queue_.push_back(model::WorkerReady{id});
        if (first) turn();
        return true;
    }
    for (const model::Worker& worker : state_.gateway.workers) {
        if (eager || worker.state != model::WorkerState::leaving || worker.heir == 0 || !world_.random().chance(10)) continue;
        queue_.push_back(model::WorkerLostHeir{worker.id, worker.heir});
        turn();
        return true;
    }
    for (const model::Worker& worker : state_.gateway.workers) {
        if (worker.state != model::WorkerState::ready || !world_.found_hung(worker.id)) continue;
        queue_.push_back(model::WorkerHung{worker.id});
        turn();
        return true;
    }
    return false;
}

bool Master::observe(bool eager) {
    if (observe_workers(eager)) return true;
    for (const auto& [name, service] : state_.services) {
        for (const model::Instance& instance : service.instances) {
            auto event = world_.observe(service, instance, drained(instance.id), eager);
            if (!event) continue;
            queue_.push_back(std::move(*event));
            turn();
            return true;
        }
    }
    for (const auto& closing : state_.counters.closing) {
        if (!eager && !world_.random().chance(100)) continue;
        queue_.push_back(model::ListenerDrained{identity(closing.spec)});
        turn();
        return true;
    }
    return false;
}

Millis Master::next_due() const {
    if (hung_since != never) return never;
    Millis next = std::min(end_at_, ready_ ? never : ready_at_);
    next = std::min(next, plan::next_deadline(upgrade_));
    if (probe_) next = std::min(next, probe_->due);
    if (upgrade_.phase == model::UpgradePhase::handed && !probe_) next = std::min(next, next_soak_);
    if (active_) next = std::min(next, plan::next_deadline(state_));
    return next;
}

// --- news of the keeper ---

bool Master::read_one() {
    auto message = world_.keeper().read(generation_);
    if (!message) return false;
    std::visit([&](const auto& m) { hear(m); }, *message);
    return true;
}

void Master::hear(const OwnerIs& message) {
    world_.trace("gen {} hears that gen {} owns (fence {})", generation_, message.generation, message.fence);
    fence_ = message.fence;
    if (leaving_) return;
    if (message.generation == generation_ && !active_) become_owner();
    if (message.generation != generation_ && active_) give_up();
}

void Master::hear(const SpawnDone& message) {
    if (message.error.empty()) post(model::ChildStarted{message.id, message.pid});
    else post(model::ChildNotStarted{message.id, message.error});
}

void Master::hear(const Exited& message) {
    post(model::ChildExited{message.id, message.status});
}

void Master::hear(const MasterStarted& message) {
    if (message.error.empty()) others_.insert(message.generation);
    handle(plan::CandidateStarted{message.generation, message.error});
}

void Master::hear(const MasterReady& message) {
    handle(plan::CandidateReady{message.generation});
}

void Master::hear(const MasterGone& message) {
    others_.erase(message.generation);
    if (message.generation < generation_ && message.left) return;
    handle(plan::CandidateGone{message.generation, "ended"});
}

void Master::hear(const Resync& message) {
    world_.trace("gen {} was lagging", generation_);
    others_ = {message.others.begin(), message.others.end()};
    if (incumbent()) handle(plan::UpgradeResumed{message.others, message.ready, message.owner});
    if (active_ && message.owner == generation_) post(model::Adopted{world_.keeper().list_children(), generation_, World::cores});
    hear(OwnerIs{message.owner, message.fence});
}

}  // namespace baton::sim
