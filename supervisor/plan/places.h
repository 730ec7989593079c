// What an instance needs to be reached by: a place for each socket of its own, and a port to bind.
// Internal to plan/.
#pragma once

#include "model/state.h"
#include "plan/turn.h"

namespace baton::plan {

// Gives it a place for each socket of its own that it lacks, and takes those its revision has no use for.
void take_places(Turn& turn, const model::Service& service, model::Instance& instance);
// Gives it a port that no other instance has, where its program binds one: another one with each start, as
// somebody else may have taken the last.
void take_port(Turn& turn, const model::Service& service, model::Instance& instance);

}  // namespace baton::plan
