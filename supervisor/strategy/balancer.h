// A balancer of a plugin, as the data plane sees one: the C tables behind model::Balancer.
//
// Nothing a plugin returns is believed: an index that may not be picked is counted and replaced. Before each
// call the breadcrumb names the plugin, after it, nobody. The plugin's code stays as long as this object.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "model/balancer.h"
#include "strategy/plugin.h"

namespace baton::strategy {

// A line that a plugin logs. Called by any thread of the plugin's; does not wait.
using PluginLog = std::function<void(LogLevel level, std::string_view plugin, std::string_view line)>;

// `crumb`: in memory that outlives the process; null: none. An error tells of the options that are wrong, or
// what the plugin says.
Result<std::unique_ptr<model::Balancer>> make_balancer(std::shared_ptr<const Plugin> plugin, std::string_view name,
                                                       const model::StrategyOptions& options, model::Breadcrumb* crumb, PluginLog log);

}  // namespace baton::strategy
