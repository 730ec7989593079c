// The strategy plugins of this master: what is in their directories, which of them are in force, and their bytes,
// which workers and the keeper get. No code of a plugin runs in this process; it is checked in copies of it.
//
// What ships is looked at when somebody needs more than round_robin, which is built in. What is in force stays so
// while its file is gone, or is another one that fails its check. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "config/load.h"
#include "engine/keeper_link.h"
#include "model/state.h"
#include "model/views.h"
#include "strategy/check.h"
#include "strategy/registry.h"

namespace baton::engine {

// The kind of plugins that balance.
inline constexpr const char* balancer_kind = "baton.balancer/1";

class Plugins {
  public:
    // `program`: batond's path; what ships is beside it.
    explicit Plugins(std::string program);

    // --- before a configuration is in force ---
    // Answers for balancers. Looks at the directories when it is asked, which waits for checks, a
    // limits::plugin_check at most where they do not wait for each other.
    void answer(config::HostChecks& host);
    // Reads the directories. What is new or changed is to be checked, and settled.
    std::vector<strategy::Image> look(const std::vector<std::string>& directories, bool shipped);
    void settle(model::PluginReport report, strategy::Image image);
    void refresh(const std::vector<std::string>& directories, bool shipped);

    // --- in force ---
    // Those to be in force for `next`. Where a strategy's file is gone or refused, the one before.
    std::vector<model::PluginRef> choose(const model::State& state, const model::Configuration& next) const;
    // Takes their bytes, and lets the keeper hold them; lets go of all others.
    void use(const std::vector<model::PluginRef>& plugins, KeeperLink& link);
    // What the keeper holds. False: not all of these are there.
    bool adopt(const std::vector<model::PluginRef>& plugins, std::map<std::string, sys::UniqueFd>& held, KeeperLink& link);
    void let_go();
    // Its bytes; null: it is not in force.
    const sys::UniqueFd* find(std::uint64_t fingerprint) const;

    // --- to be shown ---
    // What is in the directories now; a file that nobody has needed is not checked for it.
    std::vector<model::PluginView> views(const std::vector<std::string>& directories, const std::vector<model::PluginRef>& in_force);
    // A sentence for each file whose plugin is not used because something is wrong with it.
    std::vector<std::string> refusals() const;

  private:
    struct Used {
        sys::UniqueFd memory;
        std::vector<std::string> strategies;
        std::string file;
    };
    void name_shipped(model::PluginView& view) const;
    std::vector<std::string> folders(const std::vector<std::string>& directories, bool shipped) const;
    std::vector<std::string> balancers(const std::vector<std::string>& directories, const std::set<std::string>& wanted);
    Result<void> try_balance(const model::BalanceSpec& balance) const;

    std::string shipped_;
    bool with_shipped_ = false;  // they were looked at
    strategy::Registry registry_;
    std::map<std::uint64_t, Used> used_;  // by fingerprint
    std::vector<model::PluginRef> in_force_;
};

}  // namespace baton::engine
