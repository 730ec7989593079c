#include "plan/plugins.h"

#include <csignal>
#include <sys/wait.h>

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "model/balancer.h"

namespace baton::plan {

using model::PluginRef;

namespace {

std::string name_of(const PluginRef& plugin) {
    std::string names;
    for (const std::string& name : plugin.strategies) names += (names.empty() ? "" : ", ") + name;
    return names;
}

std::string_view name_of(model::PluginCall call) {
    constexpr std::array<std::string_view, 8> names{"nothing", "create", "build", "pick", "result", "release", "destroy", "its loading"};
    return names[static_cast<std::size_t>(call)];
}

std::uint64_t plugin_of(std::uint64_t crumb) { return crumb & ~model::breadcrumb_call_mask; }

template <class Plugins>
auto find_plugin(Plugins& plugins, std::uint64_t fingerprint) {
    const auto found = std::find_if(plugins.begin(), plugins.end(), [&](const PluginRef& one) { return one.fingerprint == fingerprint; });
    return found == plugins.end() ? nullptr : &*found;
}

}  // namespace

std::set<std::string> wanted_balancers(const model::State& state, const model::Configuration& next) {
    std::set<std::string> wanted;
    const auto add = [&wanted](const model::ServiceSpec& spec) {
        if (by_workers(spec)) wanted.insert(spec.balance.strategy);
    };
    for (const model::ServiceSpec& spec : next.services) add(spec);
    for (const auto& [name, service] : state.services) {
        for (const model::Revision& revision : service.revisions) add(revision.spec);
    }
    return wanted;
}

void choose_plugins(Turn& turn, const model::PluginsChosen& event) {
    std::vector<PluginRef> chosen = event.plugins;
    for (PluginRef& plugin : chosen) {
        const PluginRef* before = find_plugin(turn.state.gateway.plugins, plugin.fingerprint);
        if (before != nullptr) plugin.quarantined = before->quarantined;
        if (before == nullptr) turn.announce("plugin.used", name_of(plugin), plugin.file);
    }
    turn.state.gateway.plugins = std::move(chosen);
}

void set_aside(Turn& turn, std::uint64_t crumb, std::string_view what) {
    PluginRef* plugin = find_plugin(turn.state.gateway.plugins, plugin_of(crumb));
    if (plugin == nullptr || !plugin->quarantined.empty()) return;
    plugin->quarantined = fmt::format("{} {}", what, name_of(static_cast<model::PluginCall>(crumb & model::breadcrumb_call_mask)));
    turn.announce("plugin.quarantined", name_of(*plugin), plugin->quarantined + "; round_robin goes on in its place", true);
}

bool is_set_aside(const model::State& state, std::uint64_t crumb) {
    if (crumb == 0) return false;
    const PluginRef* plugin = find_plugin(state.gateway.plugins, plugin_of(crumb));
    return plugin == nullptr || !plugin->quarantined.empty();
}

bool is_own_fault(int status) {
    if (WIFEXITED(status)) return true;
    constexpr std::array own{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
    return WIFSIGNALED(status) && std::find(own.begin(), own.end(), WTERMSIG(status)) != own.end();
}

}  // namespace baton::plan
