// The route table of the workers, derived from the state: which listeners they accept on, and where the
// instances are that take connections.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/route_table.h"
#include "model/state.h"

namespace baton::plan {

// Its revision is the sender's to set.
model::RouteTable routes(const model::State& state);
// Whether a service of this listener, which workers accept from, is to serve clients who come now.
bool takes_clients(const model::State& state, const model::ListenerSpec& listener);
// It is there for those who are connected, and its socket is to be closed once those who wait there are accepted.
bool refuses_clients(const model::State& state, const model::ListenerSpec& listener);
// Whether there is anything to proxy, or somebody whose connections are proxied.
bool needs_workers(const model::State& state);
// Where the workers, and probes, reach an instance through one of its service's listeners. None where it
// takes connections by itself.
std::optional<model::Address> upstream_address(const model::State& state, const model::ServiceSpec& spec, const model::ListenerSpec& listener,
                                               const model::Instance& instance);
// A listening socket is opened for instances or for workers, and stays what it is: the reasons against a
// configuration that would change that while it is open.
std::vector<std::string> changed_deliveries(const model::State& state, const model::Configuration& fresh);
// The unix socket of an instance that holds this place.
std::string hidden_path(const model::State& state, std::uint32_t place);

}  // namespace baton::plan
