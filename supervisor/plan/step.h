// The decisions about services: one event in, the state changed, actions out. Pure: the same state,
// event and time give the same outcome, so it can be told in scenario files and simulated for ever.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/actions.h"
#include "model/events.h"
#include "model/state.h"

namespace baton::plan {

struct Outcome {
    std::vector<model::Action> actions;
    std::set<std::string> touched;  // services whose state may have changed
};

// `now` never goes back. An event about a child that is not known any more changes nothing.
Outcome step(model::State& state, const model::Event& event, Millis now);

// When the next Tick is due; `never` if nothing waits for time.
Millis next_deadline(const model::State& state);

// Whether everything that was to stop has ended.
bool all_stopped(const model::State& state);
// The same, of the instances alone: the workers end after them.
bool instances_ended(const model::State& state);

// Whether a service is asked to run at all: enabled, not stopped, and so is all it depends on.
bool wanted(const model::State& state, const model::Service& service);
// Whether a listener is to be there: somebody it leads to is to run, or runs still.
bool is_open(const model::State& state, const model::ListenerSpec& listener);
// Who holds a place: of the two during a rollover the one that stays. Null when there is none.
const model::Instance* find_place(const model::Service& service, std::uint32_t ordinal);
// Instances that take traffic, whatever their revision.
std::uint32_t ready_count(const model::Service& service);
// It takes traffic, and where no probe tells of its readiness it has lived for `limits::started_proves`.
bool is_proven(const model::Service& service, const model::Instance& instance, Millis now);
// What keeps a service from being in place, in words: the first of its instances that is not as it should be,
// and why. Empty when nothing does.
std::string hindrance(const model::Service& service, Millis now);

}  // namespace baton::plan
