#include "engine/access_logs.h"

#include <set>

#include "sys/file.h"

namespace baton::engine {

sys::UniqueFd AccessLogs::open(const std::string& path) {
    auto opened = sys::open_for_appending(path);
    if (!opened) log_.error("{}; its requests are not logged until the log is reopened (USR1)", opened.error().message());
    return opened ? std::move(*opened) : sys::UniqueFd();
}

void AccessLogs::settle(const model::RouteTable& table) {
    std::set<std::string> named;
    for (const model::Entrance& entrance : table.entrances) {
        if (!entrance.access_log.empty()) named.insert(entrance.access_log);
    }
    std::erase_if(files_, [&](const auto& file) { return !named.contains(file.first); });
    for (const std::string& path : named) {
        if (!files_.contains(path)) files_.emplace(path, open(path));
    }
}

void AccessLogs::reopen() {
    for (auto& [path, file] : files_) {
        if (sys::UniqueFd fresh = open(path); fresh.valid()) file = std::move(fresh);
    }
}

const sys::UniqueFd* AccessLogs::find(const std::string& path) const {
    const auto found = files_.find(path);
    return found == files_.end() || !found->second.valid() ? nullptr : &found->second;
}

}  // namespace baton::engine
