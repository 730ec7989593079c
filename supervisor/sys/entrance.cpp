#include "sys/entrance.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <vector>

#include <fmt/core.h>

#include "sys/trial.h"

namespace baton::sys {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t room_bytes = 16UL * 1024 * 1024;

// "/", "/srv", "/srv/run": where links lead, as far as it is there.
std::vector<std::string> way_to(const std::string& folder) {
    std::error_code ec;
    fs::path whole = fs::weakly_canonical(folder, ec);
    if (ec) whole = folder;
    std::vector<std::string> way;
    fs::path step;
    for (const fs::path& part : whole) {
        step /= part;
        if (!part.empty()) way.push_back(step.string());
    }
    return way;
}

// The number of the first that this process's real user cannot enter; their count: there is none.
std::size_t first_closed(const std::vector<std::string>& way) {
    for (std::size_t i = 0; i < way.size(); ++i) {
        if (::access(way[i].c_str(), X_OK) == 0) continue;
        return errno == EACCES ? i : way.size();
    }
    return way.size();
}

Error closed(const std::string& folder, const User& user) {
    struct stat entry{};
    const bool known = ::stat(folder.c_str(), &entry) == 0;
    const std::string mode = known ? fmt::format(" (mode {:04o}, of uid {} and gid {})", entry.st_mode & 07777, entry.st_uid, entry.st_gid) : "";
    return Error(fmt::format("user {} cannot enter the folder {}{}", user.name, folder, mode), EACCES);
}

}  // namespace

Result<void> test_entrance(const std::string& folder, const User& user) {
    const std::vector<std::string> way = way_to(folder);
    std::size_t found = way.size();
    if (user.uid == own_uid()) {
        found = first_closed(way);
    } else if (own_uid() == 0) {
        TrialLimits limits;
        limits.memory_bytes = room_bytes;
        auto trial = Trial::start(limits, UniqueFd(), [&](const Trial::Say& say) {
            const std::vector<gid_t> groups(user.groups.begin(), user.groups.end());
            if (::setgroups(groups.size(), groups.data()) != 0 || ::setresgid(user.gid, user.gid, user.gid) != 0) return;
            if (::setresuid(user.uid, user.uid, user.uid) == 0) say(std::to_string(first_closed(way)));
        });
        // Where it cannot be tried, nothing is known against it.
        if (!trial) return {};
        const std::string said = trial->wait().said;
        std::from_chars(said.data(), said.data() + said.size(), found);
    }
    if (found < way.size()) return closed(way[found], user);
    return {};
}

}  // namespace baton::sys
