// The servers of external services: nothing runs for them, so what the configuration says of them is what
// there is.
#pragma once

#include <vector>

#include "model/route_table.h"
#include "model/state.h"
#include "plan/turn.h"

namespace baton::plan {

// Brings the servers into line with the definition in force; or, while processes take their place, with the one
// before. For plan/ alone.
void settle_externals(Turn& turn, model::Service& service);
// How the workers reach them. Those that get nobody are told so, and keep their places.
std::vector<model::Endpoint> external_endpoints(const model::State& state, const model::Service& service);
// Whether a server may get somebody new.
bool takes_traffic(const model::Service& service, const model::External& external);

}  // namespace baton::plan
