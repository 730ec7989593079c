// One service from what is there to what is wanted: places filled, revisions replaced one by one, the
// new one ready before the old one is told to go, and back again when the new one is no good. Called
// after everything that happens to the service; when nothing is to do it does nothing. Internal to plan/.
#pragma once

#include "model/state.h"
#include "plan/turn.h"

namespace baton::plan {

void reconcile(Turn& turn, model::Service& service);
// When time alone makes reconcile go back: the rollout's deadline.
Millis rollover_deadline(const model::State& state, const model::Service& service);

}  // namespace baton::plan
