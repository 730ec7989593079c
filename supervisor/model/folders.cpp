#include "model/folders.h"

#include <algorithm>
#include <filesystem>

namespace baton::model {
namespace {

namespace fs = std::filesystem;

// In one spelling.
fs::path plain(const std::string& folder) {
    const fs::path path = fs::path(folder).lexically_normal();
    return path.has_filename() ? path : path.parent_path();
}

}  // namespace

std::string folder_of(const std::string& path) { return fs::path(path).parent_path().string(); }

std::vector<std::string> folders_made(const Configuration& configuration) {
    const SupervisorSpec& own = configuration.supervisor;
    std::vector<std::string> folders{own.runtime_dir, own.runtime_dir + "/notify", own.runtime_dir + "/upstream", own.state_dir, folder_of(own.pid_file), folder_of(own.admin_socket)};
    if (!own.log.file.empty()) folders.push_back(folder_of(own.log.file));
    for (const ListenerSpec& listener : configuration.listeners) {
        if (!listener.access_log.empty()) folders.push_back(folder_of(listener.access_log));
    }
    return folders;
}

bool is_made(const Configuration& configuration, const std::string& folder) {
    const fs::path wanted = plain(folder);
    const auto folders = folders_made(configuration);
    return std::any_of(folders.begin(), folders.end(), [&](const std::string& made) {
        const fs::path path = plain(made);
        return std::distance(path.begin(), path.end()) >= std::distance(wanted.begin(), wanted.end()) && std::equal(wanted.begin(), wanted.end(), path.begin());
    });
}

}  // namespace baton::model
