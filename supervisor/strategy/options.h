// A strategy's options: from what the user wrote, by the schema of its factory, to the values the plugin gets.
// Pure.
#pragma once

#include <string>
#include <vector>

#include <baton/strategy.h>

#include "base/result.h"
#include "model/balancer.h"

namespace baton::strategy {

// One value. `name` and `text` of it point into the option and into `written`.
Result<baton_option_value> read_option(const baton_option& option, const char* written);

// All values, in the order of the schema; those that are not given have their default. Point into `factory`
// and `given`. An error names every option that is wrong or unknown.
Result<std::vector<baton_option_value>> read_options(const baton_factory& factory, const model::StrategyOptions& given);

}  // namespace baton::strategy
