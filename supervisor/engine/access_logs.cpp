#include "engine/access_logs.h"

#include <filesystem>
#include <set>

#include "model/folders.h"
#include "sys/file.h"

namespace baton::engine {

Result<sys::UniqueFd> AccessLogs::open(const std::string& path) {
    // Somebody may have removed its folder; and a reload names new ones.
    const std::string folder = model::folder_of(path);
    std::error_code ec;
    if (!folder.empty()) std::filesystem::create_directories(folder, ec);
    if (ec) return Error::system("create folder " + folder, ec.value());
    return sys::open_for_appending(path);
}

void AccessLogs::settle(const model::RouteTable& table) {
    std::set<std::string> named;
    for (const model::Entrance& entrance : table.entrances) {
        if (!entrance.access_log.empty()) named.insert(entrance.access_log);
    }
    std::erase_if(files_, [&](const auto& file) { return !named.contains(file.first); });
    for (const std::string& path : named) {
        if (files_.contains(path)) continue;
        auto opened = open(path);
        if (!opened) log_.error("{}; its requests are not logged until the log is reopened (USR1)", opened.error().message());
        files_.emplace(path, opened ? std::move(*opened) : sys::UniqueFd());
    }
}

std::vector<std::string> AccessLogs::reopen() {
    std::vector<std::string> problems;
    for (auto& [path, file] : files_) {
        auto fresh = open(path);
        if (fresh) {
            file = std::move(*fresh);
            continue;
        }
        problems.push_back(fresh.error().message() + (file.valid() ? "; the old file stays in use" : "; its requests are not logged"));
        log_.error("{}", problems.back());
    }
    return problems;
}

const sys::UniqueFd* AccessLogs::find(const std::string& path) const {
    const auto found = files_.find(path);
    return found == files_.end() || !found->second.valid() ? nullptr : &found->second;
}

}  // namespace baton::engine
