#include "world.h"

#include <algorithm>
#include <csignal>

#include "base/gateway_limits.h"
#include "base/limits.h"
#include "plan/instance.h"
#include "telling.h"

namespace baton::sim {

using model::Instance;
using model::InstanceState;
using model::ProbeType;

World::World(std::uint64_t seed, bool tracing)
    : random_(seed), tracing_(tracing), gentle_(random_.chance(300)), kernel_steering_(random_.chance(700)) {
    first_file();
}

void World::run() {
    keeper_.start_first(now_);
    boot_pending();
    while (faults_ && keeper_.masters().begin()->second.ready && random_.below(600) != 0) {
        if (random_.chance(300)) advance(now_ + (random_.chance(100) ? random_.between(1'000, 20'000) : random_.between(1, 200)));
        if (random_.chance(80)) operate();
        if (random_.chance(40)) disturb();
        if (random_.chance(300)) gateway_.arrive();
        for (const auto& [generation, record] : std::map(keeper_.masters())) {
            if (random_.chance(700)) work_on(generation, false);
        }
        check_quiet();
    }
    faults_ = false;
    for (const auto& [generation, master] : masters_) master->dies_after = -1;
    gateway_.calm();
    trace("--- no more faults");
    run_quietly(4'000'000, "everything wanted is in place", [this] { return what_is_missing(); });
    const bool fast = random_.chance(300);
    for (int i = 0; i < 5; ++i) gateway_.arrive();
    fast_ = fast;
    owner()->post(model::StopAsked{fast});
    run_quietly(1'000'000, fast ? "everything is stopped at once" : "everything is stopped", [this] {
        return processes_.empty() && plan::all_stopped(owner()->state()) ? std::string() : std::string("something still runs");
    });
}

// --- the course of things ---

void World::advance(Millis to) {
    now_ = std::max(now_, to);
    pass_processes();
    gateway_.pass(now_);
    pass_processes();
    keeper_.pass_time(now_);
    boot_pending();
    for (auto& [generation, master] : std::map(keeper_.masters())) {
        const auto found = masters_.find(generation);
        if (found == masters_.end() || found->second->hung_since == never) continue;
        if (now_ - found->second->hung_since >= limits::heartbeat_timeout) master_dies(generation);
    }
    boot_pending();
}

void World::pass_processes() {
    std::vector<std::uint64_t> ended;
    for (const auto& [id, process] : processes_) {
        if (process.end_at <= now_ || process.crash_at <= now_) ended.push_back(id);
    }
    for (const std::uint64_t id : ended) {
        Process& process = processes_.at(id);
        end_process(process, process.end_at <= now_ ? process.status : 1 << 8);
    }
}

void World::end_process(Process& process, int status) {
    const std::uint64_t id = process.id;
    trace("process #{} ends, status {:#x}", id, status);
    const bool worker = process.worker;
    processes_.erase(id);
    if (worker) gateway_.ended(id, status != 0 || fast_);
    else gateway_.instance_ended(id);
    keeper_.child_ended(id, status);
}

void World::work_on(std::uint32_t generation, bool eager) {
    const auto found = masters_.find(generation);
    if (found == masters_.end()) return;
    try {
        found->second->work(eager);
    } catch (const Death&) {
        master_dies(generation);
    }
    boot_pending();
}

void World::boot_pending() {
    while (!to_boot_.empty() || !to_kill_.empty()) {
        if (!to_kill_.empty()) {
            const std::uint32_t generation = to_kill_.back();
            to_kill_.pop_back();
            if (masters_.contains(generation)) master_dies(generation);
            continue;
        }
        const std::uint32_t generation = to_boot_.back();
        to_boot_.pop_back();
        const auto record = keeper_.masters().find(generation);
        if (record == keeper_.masters().end() || !record->second.runs) continue;
        auto& master = masters_[generation];
        try {
            master->boot();
        } catch (const Death&) {
            master_dies(generation);
        }
    }
}

void World::master_dies(std::uint32_t generation) {
    trace("master of generation {} dies", generation);
    masters_.erase(generation);
    std::erase(to_boot_, generation);
    keeper_.master_ended(generation, now_);
    require(!keeper_.finished(), "no master is left");
    keeper_.pass_time(now_);
}

// Everything that can be done now is done. False: nothing was to do.
bool World::settle_now() {
    bool any = false;
    for (int rounds = 0;; ++rounds) {
        require(rounds < 20'000, "there is no end to what is to do at one moment");
        bool worked = false;
        for (const auto& [generation, record] : std::map(keeper_.masters())) {
            const auto found = masters_.find(generation);
            if (found == masters_.end()) continue;
            try {
                worked = found->second->work(true) || worked;
            } catch (const Death&) {
                master_dies(generation);
                worked = true;
            }
            boot_pending();
        }
        if (!worked) return any;
        any = true;
        check_quiet();
    }
}

void World::run_quietly(Millis for_at_most, const std::string& until_what, const std::function<std::string()>& missing) {
    const Millis end = now_ + for_at_most;
    for (;;) {
        settle_now();
        Master* master = owner();
        // What an operator would do at last: an upgrade that waits for him is carried out.
        if (master == nullptr || master->upgrade().phase == model::UpgradePhase::handed || keeper_.masters().size() > 1) {
            const auto incumbent = masters_.find(keeper_.incumbent());
            if (incumbent != masters_.end()) {
                const auto phase = incumbent->second->upgrade().phase;
                const bool asked = incumbent->second->upgrade().quit_requested;
                if (!asked && (phase == model::UpgradePhase::proved || phase == model::UpgradePhase::handed)) {
                    incumbent->second->handle(plan::CommitAsked{});
                    continue;
                }
            }
        }
        const std::string lacks = master == nullptr || master->hung_since != never ? "there is no owner" : missing();
        if (lacks.empty()) return;
        const Millis next = next_due();
        require(next != never && next <= end, "it does not come to be that " + until_what + ": " + lacks);
        require(next > now_, "something is due that nobody does");
        advance(next);
    }
}

Millis World::next_due() const {
    Millis next = keeper_.next_deadline();
    for (const auto& [generation, master] : masters_) {
        next = std::min(next, master->next_due());
        if (master->hung_since != never) next = std::min(next, master->hung_since + limits::heartbeat_timeout);
    }
    const auto consider = [&](Millis at) {
        if (at > now_) next = std::min(next, at);
    };
    next = std::min(next, gateway_.next_due(now_));
    for (const auto& [id, worker] : gateway_.workers()) {
        if (worker.hung_since != never) consider(worker.hung_since + limits::worker_hang);
    }
    for (const auto& [id, process] : processes_) {
        consider(process.ready_at);
        consider(process.crash_at);
        consider(process.end_at);
        consider(process.sick_until);
        consider(process.queue_empty_at);
    }
    return next;
}

Master* World::owner() {
    const auto found = masters_.find(keeper_.owner());
    return found != masters_.end() && found->second->active() ? found->second.get() : nullptr;
}

// --- for the keeper ---

void World::run_master(std::uint32_t generation) {
    trace("master of generation {} is started", generation);
    const bool first = keeper_.masters().at(generation).incarnation == 0;
    masters_[generation] = std::make_unique<Master>(*this, generation, first ? next_quality_ : Quality::good);
    to_boot_.push_back(generation);
}

void World::kill_master(std::uint32_t generation) {
    // It ends a moment later; what it is about to do is not undone.
    to_kill_.push_back(generation);
}

void World::run_worker(std::uint64_t id, std::uint32_t generation) {
    require(generation == keeper_.owner(), "a worker is started of a generation that does not own");
    Process process;
    process.id = id;
    process.worker = true;
    if (faults_ && !gentle_ && random_.chance(100)) process.crash_at = now_ + random_.between(0, 20'000);
    gateway_.started(id, generation, faults_ && !gentle_ && random_.chance(50));
    trace("worker #{} of generation {} runs", id, generation);
    processes_[id] = process;
}

void World::worker_finished(std::uint64_t id) {
    Process& process = processes_.at(id);
    if (process.end_at <= now_) return;
    process.end_at = now_;
    process.status = 0;
}

bool World::found_hung(std::uint64_t worker) {
    const auto process = processes_.find(worker);
    if (process == processes_.end() || process->second.killed || !gateway_.hung(worker)) return false;
    return now_ - gateway_.workers().at(worker).hung_since >= limits::worker_hang;
}

bool World::port_is_taken(const Instance& instance) {
    return instance.port != 0 && faults_ && random_.chance(50);
}

bool World::run_process(std::uint64_t id) {
    const auto worker_of = std::exchange(worker_of_, {});
    if (worker_of) {
        if (faults_ && !gentle_ && random_.chance(30)) return false;
        run_worker(id, *worker_of);
        return true;
    }
    if (faults_ && !gentle_ && random_.chance(30)) return false;
    Process process;
    process.id = id;
    process.spec = program_;
    process.bad = process.spec.version.starts_with("bad");
    const bool fails = process.bad && random_.chance(700);
    process.ready_at = process.bad ? never : now_ + random_.between(0, 500);
    if (fails) process.crash_at = now_ + random_.between(0, 300);
    process.stop_takes = random_.between(0, faults_ ? 3'000 : 300);
    process.deaf = faults_ && random_.chance(50);
    if (faults_ && !gentle_) {
        if (random_.chance(80)) process.crash_at = now_ + random_.between(0, 10'000);
        if (random_.chance(30)) process.ready_at = never;
    }
    trace("process #{} of {} {} runs", id, process.spec.name, process.spec.version);
    processes_[id] = process;
    return true;
}

void World::signal_process(std::uint64_t id, int signal) {
    const auto found = processes_.find(id);
    if (found == processes_.end()) return;
    Process& process = found->second;
    if (signal != SIGKILL && !process.worker && process.drains_until != never && !std::exchange(process.told, true)) {
        const bool busy = gateway_.named(id) || gateway_.connected(id);
        require(!busy || fast_ || now_ >= process.drains_until, fmt::format("#{} is told to stop while somebody is connected to it", id));
    }
    if (signal == SIGKILL && process.worker && !fast_) check_told(id);
    if (signal == SIGKILL) {
        process.killed = true;
        process.end_at = now_;
        process.status = SIGKILL;
    } else if (process.worker) {
        if (!gateway_.hung(id)) process.end_at = now_;
    } else if (!process.deaf && process.end_at == never) {
        process.end_at = now_ + process.stop_takes;
        process.status = signal == SIGTERM ? 0 : signal;
    }
}

// --- for masters ---

std::optional<model::Event> World::observe(const model::Service& service, const Instance& instance, bool drained, bool eager) {
    const auto found = processes_.find(instance.id);
    if (found == processes_.end() || instance.pid == 0 || !(eager || random_.chance(300))) return std::nullopt;
    Process& process = found->second;
    const model::ServiceSpec& spec = plan::spec_of(service, instance);
    const bool well = process.ready_at <= now_ && process.sick_until <= now_;
    std::optional<model::Event> event;
    if (instance.state == InstanceState::starting && spec.startup.type == ProbeType::http && !instance.startup_passed && well) {
        event = model::Probed{instance.id, model::ProbeKind::startup, true, ""};
    } else if (instance.state == InstanceState::starting && spec.readiness.type == ProbeType::http && well) {
        event = model::Probed{instance.id, model::ProbeKind::readiness, true, ""};
    } else if (instance.state == InstanceState::starting && spec.readiness.type == ProbeType::notify && well && !process.notified) {
        // Read once; what was read and not stored is lost.
        process.notified = true;
        if (faults_ && random_.chance(50)) return std::nullopt;
        event = model::Notified{instance.id, true, false, false, std::nullopt, 0};
    } else if (instance.state == InstanceState::ready && spec.readiness.type == ProbeType::http && !well) {
        event = model::Probed{instance.id, model::ProbeKind::readiness, false, "no answer"};
    } else if (instance.state == InstanceState::unready && instance.deadline == never && well) {
        event = model::Probed{instance.id, model::ProbeKind::readiness, true, ""};
    } else if (instance.state == InstanceState::draining && spec.delivery == model::Delivery::proxy) {
        if (!drained) return std::nullopt;
        return model::QueueEmpty{instance.id};
    } else if (instance.state == InstanceState::draining) {
        if (process.queue_empty_at == never) process.queue_empty_at = now_ + random_.between(0, faults_ && random_.chance(100) ? 60'000 : 500);
        if (process.queue_empty_at <= now_) event = model::QueueEmpty{instance.id};
    }
    if (event && faults_) past_.push_back(*event);
    return event;
}

std::string World::probe_master(std::uint32_t generation, bool as_owner) {
    const auto found = masters_.find(generation);
    if (found == masters_.end()) return "connection refused";
    if (found->second->quality() == Quality::fails_probe || found->second->quality() == Quality::hangs) return "HTTP status 500";
    if (as_owner && !found->second->active()) return not_owner;
    return "";
}

}  // namespace baton::sim
