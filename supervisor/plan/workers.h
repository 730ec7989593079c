// The decisions about workers: how many there are, whose program they run, when one has to go, and who
// takes over its connections. Pure, a part of plan/step.
//
// Only the owner starts workers, always of its own generation; whatever other worker it finds is told to
// give its connections to one of them as soon as all of them are ready, and not before. So an upgrade, a
// return and a smaller number of workers are one and the same thing.
#pragma once

#include <cstdint>

#include "model/events.h"
#include "model/state.h"
#include "plan/turn.h"

namespace baton::plan {

// After every event: starts who is missing, releases who is one too many.
void reconcile_workers(Turn& turn);
// What became of a worker's process. False where `id` is none of a worker.
bool on_worker_started(Turn& turn, std::uint64_t id, std::int64_t pid);
// `crumb`: the plugin that was called when it ended; 0: none.
bool on_worker_ended(Turn& turn, std::uint64_t id, const std::string& how, std::uint64_t crumb = 0);
void on_worker_ready(Turn& turn, std::uint64_t id);
// A signal told it to leave.
void on_worker_leaves(Turn& turn, std::uint64_t id);
// The worker that was to take its connections has ended, or gave up.
void on_worker_lost_heir(Turn& turn, const model::WorkerLostHeir& event);
void on_worker_hung(Turn& turn, const model::WorkerHung& event);
void on_worker_time(Turn& turn);
// A fast stop: all of them end at once, and those that have not after `grace` are killed.
void stop_workers(Turn& turn, Millis grace);
// This master has become the owner: the workers of its generation are wanted from now on.
void own_workers(Turn& turn, const model::Adopted& event);
// What another master asked for may not have happened.
void release_again(Turn& turn);

Millis workers_deadline(const model::State& state);
// All that are wanted are ready: what the gateway has to serve is served.
bool workers_serve(const model::State& state);
// The one worker that reads the datagrams of a listener, and the one that is about to give it what it knows of its
// clients; 0: nobody.
struct Readers {
    std::uint64_t now = 0;
    std::uint64_t before = 0;
};
Readers readers_of(const model::State& state, const std::string& identity);
bool is_worker(const model::State& state, std::uint64_t id);

}  // namespace baton::plan
