// What operators say of single places and external servers: weights, drain, ready, maint. Internal to plan/.
#pragma once

#include "model/state.h"
#include "plan/turn.h"

namespace baton::plan {

// Of a place or a server that is not there, nothing is remembered.
void set_weight(Turn& turn, model::Service& service, std::uint32_t ordinal, std::uint32_t weight);
void set_admin(Turn& turn, model::Service& service, std::uint32_t ordinal, model::AdminState admin);
// A new holder of a place gets what was said of it.
void take_overrides(const model::Service& service, model::Instance& instance);
// What was said of places that are gone is forgotten.
void drop_overrides(model::Service& service);

}  // namespace baton::plan
