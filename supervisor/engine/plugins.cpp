#include "engine/plugins.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/core.h>

#include "base/strategy_limits.h"
#include "plan/plugins.h"
#include "strategy/library.h"

namespace baton::engine {

using model::PluginRef;

namespace {

constexpr const char* built_in = "round_robin";

// So many at once as there may be cores for: each is bounded by itself.
constexpr std::size_t checks_at_once = 4;

struct Running {
    strategy::Image image;
    Result<strategy::Check> check;
};

Running begin(strategy::Image image) {
    auto copy = strategy::duplicate(image);
    auto check = copy ? strategy::Check::start(std::move(*copy)) : Result<strategy::Check>(copy.error());
    return {std::move(image), std::move(check)};
}

model::PluginReport wait(Running& running) {
    if (running.check) return running.check->wait();
    model::PluginReport report;
    report.file = running.image.file;
    report.problems.push_back(running.check.error().message());
    return report;
}

}  // namespace

Plugins::Plugins(std::string program) : shipped_(strategy::shipped_plugins(program)) {}

// --- the directories ---

std::vector<strategy::Image> Plugins::look(const std::vector<std::string>& directories, bool shipped) {
    with_shipped_ = with_shipped_ || shipped;
    return registry_.look(folders(directories, with_shipped_));
}

std::vector<std::string> Plugins::folders(const std::vector<std::string>& directories, bool shipped) const {
    std::vector<std::string> all = directories;
    std::error_code ec;
    if (shipped && std::filesystem::is_directory(shipped_, ec)) all.push_back(shipped_);
    return all;
}

void Plugins::settle(model::PluginReport report, strategy::Image image) {
    registry_.settle(std::move(report), std::move(image));
}

void Plugins::refresh(const std::vector<std::string>& directories, bool shipped) {
    std::vector<strategy::Image> fresh = look(directories, shipped);
    for (std::size_t from = 0; from < fresh.size(); from += checks_at_once) {
        std::vector<Running> running;
        for (std::size_t i = from; i < std::min(fresh.size(), from + checks_at_once); ++i) running.push_back(begin(std::move(fresh[i])));
        for (Running& one : running) {
            model::PluginReport report = wait(one);
            settle(std::move(report), std::move(one.image));
        }
    }
}

std::vector<std::string> Plugins::refusals() const {
    std::vector<std::string> all;
    for (const model::PluginReport& report : registry_.reports()) {
        for (const std::string& problem : report.problems) all.push_back(problem.find(report.file) == std::string::npos ? report.file + ": " + problem : problem);
    }
    return all;
}

// --- a configuration's questions ---

void Plugins::answer(config::HostChecks& host) {
    host.balancers = [this](const std::vector<std::string>& directories, const std::set<std::string>& wanted) { return balancers(directories, wanted); };
    host.balance = [this](const model::BalanceSpec& balance) { return try_balance(balance); };
}

std::vector<std::string> Plugins::balancers(const std::vector<std::string>& directories, const std::set<std::string>& wanted) {
    const bool more = std::any_of(wanted.begin(), wanted.end(), [](const std::string& name) { return name != built_in; });
    if (more || !directories.empty()) refresh(directories, more);
    std::vector<std::string> names = config::shipped_balancers();
    const auto add = [&names](const std::string& name) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    // Also one that cannot be used: that is said where its options are asked about.
    for (const model::PluginReport& report : registry_.reports()) {
        for (const model::PluginFactory& factory : report.factories) {
            if (factory.kind == balancer_kind) add(factory.name);
        }
    }
    for (const PluginRef& plugin : in_force_) {
        for (const std::string& name : plugin.strategies) add(name);
    }
    // Where something is wrong with a file, that may be why nobody has it.
    if (!refusals().empty()) std::for_each(wanted.begin(), wanted.end(), add);
    return names;
}

Result<void> Plugins::try_balance(const model::BalanceSpec& balance) const {
    auto image = registry_.find(balancer_kind, balance.strategy);
    if (!image) {
        for (const auto& [fingerprint, used] : used_) {
            if (std::find(used.strategies.begin(), used.strategies.end(), balance.strategy) == used.strategies.end()) continue;
            auto memory = sys::duplicate(used.memory);
            if (memory) image = strategy::take_image(used.file, std::move(*memory));
        }
    }
    if (image && !balance.options.empty()) return strategy::try_options(*image, balance.strategy, balance.options);
    if (image) return {};
    if (balance.strategy != built_in) {
        std::string why = image.error().message();
        for (const std::string& refusal : refusals()) {
            if (why.find(refusal) == std::string::npos && why.size() < limits::plugin_error_bytes) why += "; " + refusal;
        }
        return failed(why);
    }
    strategy::Library library(nullptr, {});
    if (auto made = library.create(built_in, balance.options); !made) return made.error();
    return {};
}

// --- in force ---

std::vector<PluginRef> Plugins::choose(const model::State& state, const model::Configuration& next) const {
    const auto given = registry_.strategies();
    std::map<std::uint64_t, PluginRef> chosen;
    for (const std::string& name : plan::wanted_balancers(state, next)) {
        const auto found = given.find({balancer_kind, name});
        if (found != given.end()) {
            chosen[found->second].strategies.push_back(name);
            continue;
        }
        for (const PluginRef& before : state.gateway.plugins) {
            if (std::find(before.strategies.begin(), before.strategies.end(), name) == before.strategies.end()) continue;
            chosen[before.fingerprint].strategies.push_back(name);
            chosen[before.fingerprint].file = before.file;
            break;
        }
    }
    std::vector<PluginRef> all;
    for (auto& [fingerprint, plugin] : chosen) {
        plugin.fingerprint = fingerprint;
        if (const auto image = registry_.image(fingerprint)) plugin.file = image->file;
        for (const PluginRef& before : state.gateway.plugins) {
            if (before.fingerprint == fingerprint) plugin.quarantined = before.quarantined;
        }
        all.push_back(std::move(plugin));
    }
    return all;
}

void Plugins::use(const std::vector<PluginRef>& plugins, KeeperLink& link) {
    if (plugins == in_force_) return;
    in_force_ = plugins;
    std::map<std::uint64_t, Used> before = std::exchange(used_, {});
    for (const PluginRef& plugin : plugins) {
        const auto known = before.find(plugin.fingerprint);
        if (known != before.end()) {
            used_[plugin.fingerprint] = {std::move(known->second.memory), plugin.strategies, plugin.file};
            before.erase(known);
            continue;
        }
        auto image = registry_.image(plugin.fingerprint);
        if (!image) continue;
        link.hold(model::plugin_descriptor(plugin.fingerprint), image->memory);
        used_[plugin.fingerprint] = {std::move(image->memory), plugin.strategies, plugin.file};
    }
    for (const auto& [fingerprint, used] : before) link.release(model::plugin_descriptor(fingerprint));
}

bool Plugins::adopt(const std::vector<PluginRef>& plugins, std::map<std::string, sys::UniqueFd>& held, KeeperLink& link) {
    let_go();
    in_force_ = plugins;
    for (const PluginRef& plugin : plugins) {
        const auto found = held.find(model::plugin_descriptor(plugin.fingerprint));
        if (found != held.end() && found->second.valid()) used_[plugin.fingerprint] = {std::move(found->second), plugin.strategies, plugin.file};
    }
    for (const auto& [name, fd] : held) {
        if (fd.valid() && name.starts_with("plugin/")) link.release(name);
    }
    return used_.size() == plugins.size();
}

void Plugins::let_go() {
    used_.clear();
    in_force_.clear();
}

const sys::UniqueFd* Plugins::find(std::uint64_t fingerprint) const {
    const auto found = used_.find(fingerprint);
    return found == used_.end() ? nullptr : &found->second.memory;
}

// --- to be shown ---

namespace {

// The strategies of one whose description was read by a master that is gone.
void take_in_force(const PluginRef& plugin, model::PluginView view, std::vector<model::PluginView>& all, std::set<std::string>& used) {
    view.state = plugin.quarantined.empty() ? "used" : "quarantined";
    view.reason = plugin.quarantined;
    view.kind = balancer_kind;
    for (const std::string& name : plugin.strategies) {
        view.name = name;
        used.insert(name);
        all.push_back(view);
    }
}

}  // namespace

// What ships has one strategy a file, of the same name.
void Plugins::name_shipped(model::PluginView& view) const {
    const std::filesystem::path file(view.file);
    const auto& names = config::shipped_balancers();
    if (file.parent_path() != shipped_ || std::find(names.begin(), names.end(), file.stem()) == names.end()) return;
    view.name = file.stem();
    view.kind = balancer_kind;
}

std::vector<model::PluginView> Plugins::views(const std::vector<std::string>& directories, const std::vector<PluginRef>& in_force) {
    static_cast<void>(registry_.look(folders(directories, true)));
    std::vector<model::PluginView> all;
    std::set<std::string> used;  // of those in force, what is shown with its file
    for (const model::PluginReport& report : registry_.reports()) {
        model::PluginView view;
        view.name = report.name.empty() ? report.file.substr(report.file.rfind('/') + 1) : report.name;
        view.version = report.version;
        view.file = report.file;
        view.state = report.good() ? "unused" : "refused";
        for (const std::string& problem : report.problems) view.reason += (view.reason.empty() ? "" : "; ") + problem;
        if (report.good()) {
            for (const std::string& note : report.notes) view.reason += (view.reason.empty() ? "" : "; ") + note;
        }
        view.description = report.description;
        if (report.good() && report.factories.empty()) {
            view.state = "unchecked";
            // One that is in force was checked: by this master, or by the one that it replaced.
            const auto in = std::find_if(in_force.begin(), in_force.end(), [&](const PluginRef& plugin) { return plugin.fingerprint == report.fingerprint; });
            if (in != in_force.end()) {
                take_in_force(*in, view, all, used);
                continue;
            }
            name_shipped(view);
        }
        if (report.factories.empty()) all.push_back(view);
        for (const model::PluginFactory& factory : report.factories) {
            model::PluginView one = view;
            one.name = factory.name;
            one.kind = factory.kind;
            one.description = factory.description;
            const auto in = std::find_if(in_force.begin(), in_force.end(), [&](const PluginRef& plugin) {
                const auto& names = plugin.strategies;
                return plugin.fingerprint == report.fingerprint && std::find(names.begin(), names.end(), factory.name) != names.end();
            });
            if (in != in_force.end()) {
                one.state = in->quarantined.empty() ? "used" : "quarantined";
                if (!in->quarantined.empty()) one.reason = in->quarantined;
                used.insert(factory.name);
            }
            all.push_back(std::move(one));
        }
    }
    // Files that were replaced by others that are refused, or are gone.
    for (const PluginRef& plugin : in_force) {
        for (const std::string& name : plugin.strategies) {
            if (used.contains(name)) continue;
            const std::string state = plugin.quarantined.empty() ? "used" : "quarantined";
            all.push_back({name, balancer_kind, "", plugin.file, state, plugin.quarantined.empty() ? "as the file was before" : plugin.quarantined, ""});
        }
    }
    return all;
}

}  // namespace baton::engine
