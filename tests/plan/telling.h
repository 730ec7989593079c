// What the planner decided and what is there, as the lines of a scenario.
#pragma once

#include <string>
#include <vector>

#include "plan/step.h"
#include "plan/upgrade.h"

namespace baton::plan::test {

std::string tell(const model::Action& action, const model::State& state);
std::string tell(const UpgradeAction& action);
// Services, instances, steering tables and the next deadline, relative to `now`.
std::string tell(const model::State& state, Millis now);
std::string tell(const model::Upgrade& upgrade, Millis now);
std::string tell(const model::Event& event);
std::string tell(const UpgradeEvent& event);

}  // namespace baton::plan::test
