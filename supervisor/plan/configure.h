// A new configuration becomes the desired state: which services get a new revision, which only new
// settings, which leave. Internal to plan/.
#pragma once

#include "model/events.h"
#include "plan/turn.h"

namespace baton::plan {

void configure(Turn& turn, const model::Configured& event);
// The same definition again, as a new revision: a restart that loses nothing.
void renew(Turn& turn, model::Service& service);

}  // namespace baton::plan
