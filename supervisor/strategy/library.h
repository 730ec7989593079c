// The strategies of one process: plugins that are loaded, by the names they give, and the built-in one.
//
// A newer plugin takes the names of the one before; balancers that were made keep their code until they are
// made anew, and with the last of them it is unloaded. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/balancer.h"
#include "strategy/balancer.h"
#include "strategy/plugin.h"

namespace baton::strategy {

class Library : public model::BalancerSource {
  public:
    // `crumb`: where balancers say whose code runs; in memory that outlives the process; may be null.
    Library(model::Breadcrumb* crumb, PluginLog log);

    // Its balancers are made from now on instead of others of the same name.
    void add(std::shared_ptr<const Plugin> plugin);
    // These only.
    void add(std::shared_ptr<const Plugin> plugin, const std::vector<std::string>& names);
    // Nothing is made from this plugin any more; balancers of its names are the built-in round_robin, until
    // another plugin gives these names.
    void quarantine(std::uint64_t fingerprint);
    // The same of one that was never loaded here.
    void quarantine(std::uint64_t fingerprint, const std::vector<std::string>& names);
    // Only these stay; what was quarantined is forgotten where it is not among them.
    void keep(const std::vector<std::uint64_t>& fingerprints);

    // For a name whose plugin is quarantined the built-in round_robin, which takes no options.
    Result<std::unique_ptr<model::Balancer>> create(std::string_view strategy, const model::StrategyOptions& options) override;
    // Whether balancers of this name are the built-in one in its place.
    bool replaced(std::string_view strategy) const;
    // The plugin's fingerprint; 0: it is built in; 1: it is built in in a plugin's place.
    std::uint64_t origin_of(std::string_view strategy) const override;

  private:
    model::Breadcrumb* crumb_;
    PluginLog log_;
    std::shared_ptr<const Plugin> built_in_;
    std::map<std::string, std::shared_ptr<const Plugin>, std::less<>> balancers_;
    std::map<std::string, std::uint64_t, std::less<>> replaced_;  // by name, the fingerprint of who is quarantined
};

}  // namespace baton::strategy
