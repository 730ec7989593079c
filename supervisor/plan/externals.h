// The servers of external services: nothing runs for them, so what the configuration says of them is what
// there is.
#pragma once

#include <string_view>
#include <vector>

#include "model/route_table.h"
#include "model/state.h"
#include "plan/turn.h"

namespace baton::plan {

// Brings the servers into line with the definition in force; or, while processes take their place, with the one
// before. For plan/ alone.
void settle_externals(Turn& turn, model::Service& service);
// Whether its clients are served follows from whether it is to run, and whether somebody who needs it runs still. Those
// who are connected when it ends may finish what they have. For plan/ alone.
void settle_servers(Turn& turn, model::Service& service, bool needed);
void close_servers(Turn& turn, model::Service& service, std::string_view why);
// How the workers reach them. Those that get nobody are told so, and keep their places. `last`: those who are connected
// are served to their end, also with new requests.
std::vector<model::Endpoint> external_endpoints(const model::State& state, const model::Service& service, bool last);
// Whether a server may get somebody new.
bool takes_traffic(const model::Service& service, const model::External& external);

}  // namespace baton::plan
