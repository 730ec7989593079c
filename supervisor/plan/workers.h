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
bool on_worker_ended(Turn& turn, std::uint64_t id, const std::string& how);
void on_worker_ready(Turn& turn, std::uint64_t id);
void on_worker_hung(Turn& turn, std::uint64_t id);
void on_worker_time(Turn& turn);
// Everything ends at once: so do they, with what they hold.
void stop_workers(Turn& turn);
// This master has become the owner: the workers it wants are its own, and what another one asked for may not
// have happened.
void adopt_workers(Turn& turn, const model::Adopted& event);

Millis workers_deadline(const model::State& state);
// All that are wanted are ready: what the gateway has to serve is served.
bool workers_serve(const model::State& state);
bool is_worker(const model::State& state, std::uint64_t id);

}  // namespace baton::plan
