#include "strategy/registry.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/core.h>

#include "base/strategy_limits.h"

namespace baton::strategy {
namespace {

namespace fs = std::filesystem;

struct Listing {
    std::vector<std::string> files;
    std::string problem;
};

Listing list(const std::string& directory) {
    Listing listing;
    std::error_code ec;
    fs::directory_iterator at(directory, ec);
    for (; !ec && at != fs::directory_iterator(); at.increment(ec)) {
        const std::string name = at->path().filename().string();
        if (name.size() > 3 && name.ends_with(".so") && name.front() != '.') listing.files.push_back(at->path().string());
    }
    if (ec) listing.problem = fmt::format("read the plugin directory {}: {}", directory, ec.message());
    std::sort(listing.files.begin(), listing.files.end());
    if (listing.files.size() > limits::plugin_files) {
        listing.problem = fmt::format("the plugin directory {} has {} plugins, the limit is {}", directory, listing.files.size(), limits::plugin_files);
        listing.files.resize(limits::plugin_files);
    }
    return listing;
}

}  // namespace

std::vector<Image> Registry::look(const std::vector<std::string>& directories) {
    std::vector<File> files;
    std::vector<Image> changed;
    std::set<std::uint64_t> present;
    for (const std::string& directory : directories) {
        const Listing listing = list(directory);
        if (!listing.problem.empty()) files.push_back({directory, 0, {listing.problem}});
        for (const std::string& path : listing.files) {
            auto image = read_image(path);
            if (!image) {
                files.push_back({path, 0, {image.error().message()}});
                continue;
            }
            files.push_back({path, image->fingerprint, {}});
            const bool known = entries_.count(image->fingerprint) != 0;
            if (present.insert(image->fingerprint).second && !known) changed.push_back(std::move(*image));
        }
    }
    files_ = std::move(files);
    const auto gone = [&](const auto& entry) { return present.count(entry.first) == 0; };
    std::erase_if(entries_, gone);
    std::erase_if(quarantined_, gone);
    return changed;
}

void Registry::settle(model::PluginReport report, Image image) {
    const std::uint64_t fingerprint = image.fingerprint;
    entries_.insert_or_assign(fingerprint, Entry{std::move(report), std::move(image), true});
}

void Registry::refresh(const std::vector<std::string>& directories) {
    for (Image& image : look(directories)) {
        const std::string file = image.file;
        auto copy = duplicate(image);
        auto running = copy ? Check::start(std::move(*copy)) : Result<Check>(copy.error());
        model::PluginReport report;
        if (running) {
            report = running->wait();
        } else {
            report.file = file;
            report.problems.push_back(running.error().message());
        }
        settle(std::move(report), std::move(image));
    }
}

bool Registry::usable(const Entry& entry) const {
    return entry.settled && entry.report.good() && quarantined_.count(entry.image.fingerprint) == 0;
}

std::map<std::pair<std::string, std::string>, std::uint64_t> Registry::strategies() const {
    std::map<std::pair<std::string, std::string>, std::uint64_t> all;
    for (const File& file : files_) {
        const auto entry = entries_.find(file.fingerprint);
        if (entry == entries_.end() || !usable(entry->second)) continue;
        for (const model::PluginFactory& factory : entry->second.report.factories) all.try_emplace({factory.kind, factory.name}, file.fingerprint);
    }
    return all;
}

Result<Image> Registry::find(std::string_view kind, std::string_view name) const {
    const auto all = strategies();
    if (const auto found = all.find({std::string(kind), std::string(name)}); found != all.end()) {
        return duplicate(entries_.at(found->second).image);
    }
    for (const auto& [fingerprint, entry] : entries_) {
        for (const model::PluginFactory& factory : entry.report.factories) {
            if (factory.kind != kind || factory.name != name) continue;
            if (const auto why = quarantined_.find(fingerprint); why != quarantined_.end()) {
                return failed(fmt::format("strategy {} of {} is quarantined: {}", name, entry.report.file, why->second));
            }
            if (!entry.report.problems.empty()) {
                return failed(fmt::format("strategy {} of {} is refused: {}", name, entry.report.file, entry.report.problems.front()));
            }
        }
    }
    return failed(fmt::format("no plugin has a strategy {} of the kind {}", name, kind));
}

Result<Image> Registry::image(std::uint64_t fingerprint) const {
    const auto entry = entries_.find(fingerprint);
    if (entry == entries_.end() || !usable(entry->second)) return failed("no such plugin");
    return duplicate(entry->second.image);
}

std::vector<model::PluginReport> Registry::reports() const {
    std::vector<model::PluginReport> all;
    const auto used = strategies();
    std::map<std::uint64_t, std::string> first;
    for (const File& file : files_) {
        model::PluginReport report;
        const auto entry = entries_.find(file.fingerprint);
        if (entry != entries_.end()) report = entry->second.report;
        report.file = file.path;
        report.fingerprint = file.fingerprint;
        report.problems.insert(report.problems.end(), file.problems.begin(), file.problems.end());
        if (file.fingerprint != 0 && entry == entries_.end()) report.notes.push_back("its check has not ended yet, or nobody has asked for it");
        if (const auto why = quarantined_.find(file.fingerprint); why != quarantined_.end()) report.problems.push_back("quarantined: " + why->second);
        const auto [same, is_first] = first.try_emplace(file.fingerprint, file.path);
        if (!is_first && file.fingerprint != 0) report.notes.push_back(fmt::format("it is the same as {}", same->second));
        for (const model::PluginFactory& factory : report.factories) {
            const auto found = used.find({factory.kind, factory.name});
            if (found == used.end() || found->second == file.fingerprint) continue;
            report.notes.push_back(fmt::format("{} is not used from it: {} has it, too", factory.name, first[found->second]));
        }
        all.push_back(std::move(report));
    }
    return all;
}

void Registry::quarantine(std::uint64_t fingerprint, std::string why) {
    if (entries_.count(fingerprint) != 0) quarantined_[fingerprint] = std::move(why);
}

std::string shipped_plugins(const std::string& program) {
    const fs::path folder = fs::path(program).parent_path();
    std::error_code ec;
    const fs::path installed = (folder / ".." / "lib" / "baton" / "plugins").lexically_normal();
    const fs::path built = (folder / ".." / "plugins").lexically_normal();
    return fs::is_directory(installed, ec) || !fs::is_directory(built, ec) ? installed.string() : built.string();
}

}  // namespace baton::strategy
