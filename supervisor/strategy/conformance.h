// What every strategy must do, tried on one that is loaded: that it picks only who may be picked, answers for
// no, one and a thousand endpoints, survives changes, and gives the same for the same. Those that carry a name
// of ours must in addition give the picks that the name promises (vectors.h).
//
// It calls code that may crash or never return: only in a process that is there for it (check.h).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <baton/strategy.h>

#include "model/plugin.h"

namespace baton::strategy {

// Where it reports. `step` comes before what it names is done, so that the last one tells where it ended.
struct Findings {
    std::function<void(std::string_view step)> step;
    std::function<void(std::string_view problem)> problem;
};

// What a descriptor says of itself.
model::PluginReport describe(const baton_strategy_descriptor& descriptor);

// Every factory of a descriptor that was checked; the cost of picks goes into `report`.
void examine(const baton_strategy_descriptor& descriptor, const Findings& findings, model::PluginReport& report);

}  // namespace baton::strategy
