#include "plan/workers.h"

#include <csignal>

#include <algorithm>

#include <fmt/core.h>

#include "base/check.h"
#include "base/gateway_limits.h"
#include "base/limits.h"
#include "plan/plugins.h"
#include "plan/routes.h"
#include "plan/step.h"

namespace baton::plan {

using model::Gateway;
using model::Worker;
using model::WorkerState;

namespace {

std::string name_of(const Worker& worker) { return fmt::format("worker {}.{}", worker.generation, worker.number); }

Worker* find_worker(model::State& state, std::uint64_t id) {
    for (Worker& worker : state.gateway.workers) {
        if (worker.id == id && id != 0) return &worker;
    }
    return nullptr;
}

void become(Turn& turn, Worker& worker, WorkerState to) {
    const bool legal = std::any_of(model::worker_edges.begin(), model::worker_edges.end(),
                                   [&](const auto& edge) { return edge.from == worker.state && edge.to == to; });
    CHECK(legal);
    worker.state = to;
    worker.since = turn.now;
    worker.deadline = never;
}

// While there is something to proxy, and until the last instance has ended whose clients they hold.
std::uint32_t wanted_workers(const model::State& state) {
    if (state.counters.stopping && instances_ended(state)) return 0;
    if (!needs_workers(state)) return 0;
    const std::uint32_t configured = state.configuration.supervisor.workers;
    return std::min(limits::workers, configured > 0 ? configured : state.gateway.cores);
}

// While everything stops nobody new is accepted: who ends then is not missed.
bool may_start(const model::State& state) { return !state.counters.stopping; }

bool belongs(const model::State& state, const Worker& worker) {
    const bool current = worker.generation == state.gateway.generation && worker.user == state.configuration.supervisor.user;
    return worker.state != WorkerState::leaving && current && worker.number < wanted_workers(state);
}

void start(Turn& turn, std::uint32_t number) {
    Worker worker;
    worker.id = turn.state.counters.next_child++;
    worker.generation = turn.state.gateway.generation;
    worker.number = number;
    worker.user = turn.state.configuration.supervisor.user;
    worker.since = turn.now;
    worker.deadline = turn.now + limits::worker_start;
    turn.state.gateway.workers.push_back(worker);
    turn.act(model::StartWorker{worker.id});
}

// Its connections go to the one that has its number, which reads what it has read; or else to the ready one that
// has to take over from the fewest. Not to the one that it has `lost`.
std::uint64_t choose_heir(const model::State& state, const Worker& leaving, std::uint64_t lost = 0) {
    const Worker* best = nullptr;
    std::ptrdiff_t fewest = 0;
    for (const Worker& worker : state.gateway.workers) {
        if (worker.state != WorkerState::ready || !belongs(state, worker) || worker.id == leaving.id || worker.id == lost) continue;
        if (worker.number == leaving.number) return worker.id;
        const auto takes = std::count_if(state.gateway.workers.begin(), state.gateway.workers.end(), [&](const Worker& other) { return other.heir == worker.id; });
        if (best != nullptr && takes >= fewest) continue;
        best = &worker;
        fewest = takes;
    }
    return best == nullptr ? 0 : best->id;
}

// The number of the worker that reads a listener, of so many. With one worker more, each number but the new one
// keeps what it has or gives it to that one: as few listeners as can be have another reader then (jump consistent
// hash, Lamping and Veach).
std::uint32_t reader_number(const std::string& identity, std::uint32_t workers) {
    std::uint64_t key = 0xcbf2'9ce4'8422'2325ULL;  // FNV-1a
    for (const char c : identity) key = (key ^ static_cast<unsigned char>(c)) * 0x100'0000'01b3ULL;
    std::uint64_t chosen = 0;
    for (std::uint64_t next = 0; next < workers;) {
        chosen = next;
        key = key * 2'862'933'555'777'941'757ULL + 1;
        next = static_cast<std::uint64_t>(static_cast<double>(chosen + 1) * (static_cast<double>(1ULL << 31U) / static_cast<double>((key >> 33U) + 1)));
    }
    return static_cast<std::uint32_t>(chosen);
}

void release(Turn& turn, Worker& worker) {
    become(turn, worker, WorkerState::leaving);
    worker.deadline = turn.now + turn.state.configuration.supervisor.upgrade.drain_timeout;
    worker.heir = choose_heir(turn.state, worker);
    turn.act(model::ReleaseWorker{worker.id, worker.heir});
}

}  // namespace

void reconcile_workers(Turn& turn) {
    Gateway& gateway = turn.state.gateway;
    const std::uint32_t wanted = wanted_workers(turn.state);
    const bool may = may_start(turn.state) && gateway.start_at <= turn.now;
    for (std::uint32_t number = 0; may && number < wanted; ++number) {
        const bool there = std::any_of(gateway.workers.begin(), gateway.workers.end(),
                                       [&](const Worker& worker) { return belongs(turn.state, worker) && worker.number == number; });
        if (!there) start(turn, number);
    }
    if (!workers_serve(turn.state)) return;
    for (Worker& worker : gateway.workers) {
        if (worker.state != WorkerState::leaving && !belongs(turn.state, worker)) release(turn, worker);
        // Its heir has ended, or there was none.
        if (worker.state != WorkerState::leaving || worker.heir != 0) continue;
        worker.heir = choose_heir(turn.state, worker);
        if (worker.heir != 0) turn.act(model::ReleaseWorker{worker.id, worker.heir});
    }
}

bool on_worker_started(Turn& turn, std::uint64_t id, std::int64_t pid) {
    Worker* worker = find_worker(turn.state, id);
    if (worker == nullptr) return false;
    worker->pid = pid;
    return true;
}

bool on_worker_ended(Turn& turn, std::uint64_t id, const std::string& how, std::uint64_t crumb) {
    Worker* found = find_worker(turn.state, id);
    if (found == nullptr) return false;
    Gateway& gateway = turn.state.gateway;
    const Worker worker = *found;
    std::erase_if(gateway.workers, [&](const Worker& one) { return one.id == id; });
    for (Worker& other : gateway.workers) {
        if (other.heir == id) other.heir = 0;
    }
    if (worker.state == WorkerState::leaving) return turn.announce("worker.left", name_of(worker), how), true;
    // Of another generation, one too many, or with everything else.
    if (!belongs(turn.state, worker) || !may_start(turn.state)) return turn.announce("worker.ended", name_of(worker), how, true), true;
    const bool was_sound = worker.state == WorkerState::ready && turn.now - worker.since >= limits::worker_sound_after;
    // What ended it is out of use: the next one has no reason to fail.
    const bool by_plugin = is_set_aside(turn.state, crumb);
    gateway.failures = was_sound || by_plugin ? 0 : gateway.failures + 1;
    Millis delay = gateway.failures == 0 ? 0 : limits::worker_backoff_first;
    for (std::uint32_t i = 1; i < gateway.failures && delay < limits::worker_backoff_max; ++i) delay *= 2;
    delay = std::min(delay, limits::worker_backoff_max);
    gateway.start_at = turn.now + delay;
    turn.announce("worker.ended", name_of(worker), fmt::format("{}; another is started{}", how, delay > 0 ? " in " + format_duration(delay) : ""), true);
    return true;
}

void on_worker_ready(Turn& turn, std::uint64_t id) {
    Worker* worker = find_worker(turn.state, id);
    if (worker == nullptr || worker->state != WorkerState::starting) return;
    become(turn, *worker, WorkerState::ready);
    turn.announce("worker.ready", name_of(*worker), "serves");
}

void on_worker_leaves(Turn& turn, std::uint64_t id) {
    Worker* worker = find_worker(turn.state, id);
    if (worker == nullptr || worker->state == WorkerState::leaving) return;
    become(turn, *worker, WorkerState::leaving);
    worker->deadline = turn.now + turn.state.configuration.supervisor.upgrade.drain_timeout;
    turn.announce("worker.leaving", name_of(*worker), "told so by a signal; another takes its place");
}

// The end of that one may not be known here yet. Where there is nobody else, it may be a moment's want of something.
void on_worker_lost_heir(Turn& turn, const model::WorkerLostHeir& event) {
    Worker* worker = find_worker(turn.state, event.id);
    if (worker == nullptr || worker->state != WorkerState::leaving || worker->heir != event.heir) return;
    worker->heir = choose_heir(turn.state, *worker, event.heir);
    turn.announce("worker.lost_heir", name_of(*worker), worker->heir != 0 ? "its connections go to another" : "nobody else is there to take its connections", true);
    if (worker->heir != 0) turn.act(model::ReleaseWorker{worker->id, worker->heir});
}

void on_worker_hung(Turn& turn, const model::WorkerHung& event) {
    Worker* worker = find_worker(turn.state, event.id);
    if (worker == nullptr) return;
    if (event.crumb == 0) {
        turn.announce("worker.hung", name_of(*worker), fmt::format("it did nothing for {}", format_duration(limits::worker_hang)), true);
    } else {
        set_aside(turn, event.crumb, "does not come back from");
        turn.announce("worker.hung", name_of(*worker), "in a call of a strategy", true);
    }
    turn.act(model::SignalProcess{event.id, SIGKILL, true});
}

void on_worker_time(Turn& turn) {
    for (Worker& worker : turn.state.gateway.workers) {
        if (worker.deadline > turn.now) continue;
        const bool leaving = worker.state == WorkerState::leaving;
        turn.announce("worker.killed", name_of(worker), leaving ? "its connections did not end in time" : "did not become ready in time", true);
        turn.act(model::SignalProcess{worker.id, SIGKILL, true});
        worker.deadline = turn.now + limits::worker_start;  // again: KILL can wait for the disk
    }
}

void stop_workers(Turn& turn, Millis grace) {
    for (Worker& worker : turn.state.gateway.workers) {
        if (worker.state != WorkerState::leaving) become(turn, worker, WorkerState::leaving);
        worker.deadline = std::min(worker.deadline, turn.now + grace);
        turn.act(model::SignalProcess{worker.id, SIGTERM, false});
    }
}

void own_workers(Turn& turn, const model::Adopted& event) {
    Gateway& gateway = turn.state.gateway;
    gateway.cores = event.cores;
    if (gateway.generation == event.generation) return;
    gateway.generation = event.generation;
    // What another program's workers did says nothing about this one's.
    gateway.failures = 0;
    gateway.start_at = 0;
}

void release_again(Turn& turn) {
    for (Worker& worker : turn.state.gateway.workers) {
        if (worker.state == WorkerState::leaving) turn.act(model::ReleaseWorker{worker.id, worker.heir});
    }
}

Millis workers_deadline(const model::State& state) {
    Millis next = never;
    for (const Worker& worker : state.gateway.workers) next = std::min(next, worker.deadline);
    const auto present = std::count_if(state.gateway.workers.begin(), state.gateway.workers.end(), [&](const Worker& worker) { return belongs(state, worker); });
    if (may_start(state) && present < static_cast<std::ptrdiff_t>(wanted_workers(state))) next = std::min(next, state.gateway.start_at);
    return next;
}

bool workers_serve(const model::State& state) {
    const auto ready = std::count_if(state.gateway.workers.begin(), state.gateway.workers.end(),
                                     [&](const Worker& worker) { return belongs(state, worker) && worker.state == WorkerState::ready; });
    return ready >= static_cast<std::ptrdiff_t>(wanted_workers(state));
}

// The oldest of that number that does not leave: until all of the new ones are ready, the old one goes on.
Readers readers_of(const model::State& state, const std::string& identity) {
    const std::uint32_t number = reader_number(identity, wanted_workers(state));
    Readers readers;
    for (const Worker& worker : state.gateway.workers) {
        if (worker.number != number || worker.state != WorkerState::ready) continue;
        if (readers.now == 0 || worker.id < readers.now) readers.now = worker.id;
    }
    for (const Worker& worker : state.gateway.workers) {
        const bool gives = worker.number == number && worker.state == WorkerState::leaving && worker.heir == readers.now && readers.now != 0;
        if (gives) readers.before = std::max(readers.before, worker.id);
    }
    return readers;
}

bool is_worker(const model::State& state, std::uint64_t id) {
    return std::any_of(state.gateway.workers.begin(), state.gateway.workers.end(), [&](const Worker& worker) { return worker.id == id; });
}

}  // namespace baton::plan
