#include "strategy/library.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "strategy/descriptor.h"

namespace baton::strategy {
namespace {

constexpr const char* built_in_name = "round_robin";

std::vector<std::string> balancers_of(const Plugin& plugin) {
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < plugin.descriptor().factory_count; ++i) {
        const baton_factory& factory = factory_at(plugin.descriptor(), i);
        if (std::string_view(factory.kind) == BATON_KIND_BALANCER) names.emplace_back(factory.name);
    }
    return names;
}

}  // namespace

Library::Library(model::Breadcrumb* crumb, PluginLog log) : crumb_(crumb), log_(std::move(log)), built_in_(Plugin::built_in()) {}

void Library::add(std::shared_ptr<const Plugin> plugin) {
    const std::vector<std::string> all = balancers_of(*plugin);
    add(std::move(plugin), all);
}

void Library::add(std::shared_ptr<const Plugin> plugin, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        balancers_[name] = plugin;
        replaced_.erase(name);
    }
}

void Library::quarantine(std::uint64_t fingerprint) {
    for (auto entry = balancers_.begin(); entry != balancers_.end();) {
        if (entry->second->fingerprint() != fingerprint) {
            ++entry;
            continue;
        }
        replaced_[entry->first] = fingerprint;
        entry = balancers_.erase(entry);
    }
}

void Library::quarantine(std::uint64_t fingerprint, const std::vector<std::string>& names) {
    quarantine(fingerprint);
    for (const std::string& name : names) {
        balancers_.erase(name);
        replaced_[name] = fingerprint;
    }
}

void Library::keep(const std::vector<std::uint64_t>& fingerprints) {
    const auto gone = [&](std::uint64_t fingerprint) { return std::find(fingerprints.begin(), fingerprints.end(), fingerprint) == fingerprints.end(); };
    std::erase_if(balancers_, [&](const auto& entry) { return gone(entry.second->fingerprint()); });
    std::erase_if(replaced_, [&](const auto& entry) { return gone(entry.second); });
}

Result<std::unique_ptr<model::Balancer>> Library::create(std::string_view strategy, const model::StrategyOptions& options) {
    if (const auto found = balancers_.find(strategy); found != balancers_.end()) {
        return make_balancer(found->second, strategy, options, crumb_, log_);
    }
    if (replaced(strategy)) return make_balancer(built_in_, built_in_name, {}, crumb_, log_);
    if (strategy == built_in_name) return make_balancer(built_in_, built_in_name, options, crumb_, log_);
    std::string known = built_in_name;
    for (const auto& [name, plugin] : balancers_) {
        if (name != built_in_name) known += ", " + name;
    }
    return failed(fmt::format("there is no balancing strategy {}; there are: {}", strategy, known));
}

std::uint64_t Library::origin_of(std::string_view strategy) const {
    if (const auto found = balancers_.find(strategy); found != balancers_.end()) return found->second->fingerprint();
    return replaced(strategy) ? 1 : 0;
}

bool Library::replaced(std::string_view strategy) const {
    return replaced_.find(strategy) != replaced_.end();
}

}  // namespace baton::strategy
