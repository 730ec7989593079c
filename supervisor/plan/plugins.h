// The decisions about plugins: which are in force, and that one whose code ended a worker, or does not come back,
// is set aside: the built-in round_robin balances in its place until another file, or another configuration,
// comes. Pure, a part of plan/step.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "model/events.h"
#include "model/state.h"
#include "plan/turn.h"

namespace baton::plan {

// The balancers that workers pick by, by this configuration and by every definition a service may go back to.
std::set<std::string> wanted_balancers(const model::State& state, const model::Configuration& next);

void choose_plugins(Turn& turn, const model::PluginsChosen& event);
// `crumb`: what the model::Breadcrumb said. `what`: "crashed in". Nothing where it names no plugin in force.
void set_aside(Turn& turn, std::uint64_t crumb, std::string_view what);
// Whether it names one that is not used any more.
bool is_set_aside(const model::State& state, std::uint64_t crumb);
// Whether a process that ended like this did so by its own code, and nobody killed it.
bool is_own_fault(int status);

}  // namespace baton::plan
