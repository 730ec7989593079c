// The cgroup file system as files: finding this process's group in it, reading lists, making and
// removing directories. What may be done where is decided in cgroup.cpp.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace baton::sys {

// The words of a file that is a list ("cpu memory pids", or one pid a line).
Result<std::vector<std::string>> read_words(const std::string& path);
// One write, as cgroup files want it. Does not create the file.
Result<void> write_word(const std::string& path, std::string_view text);
bool file_exists(const std::string& path);

struct OwnCgroup {
    std::string directory;  // where the v2 hierarchy shows this process's group
    bool namespace_root = false;
    bool hybrid = false;  // v1 has controllers, so v2 lacks them
};
// From the texts of /proc/self/mountinfo and /proc/self/cgroup.
Result<OwnCgroup> find_own_cgroup(std::string_view mounts, std::string_view membership);

// Whether systemd has given the group away (Delegate=yes).
bool is_delegated(const std::string& directory);
// Whether `pid` is `ancestor` or descends from it.
bool descends_from(pid_t pid, pid_t ancestor);
// "baton-NAMESPACE-PID": one for each keeper, also of several pid namespaces that share a
// hierarchy.
std::string keeper_directory(pid_t keeper);
// Removes what keepers of this pid namespace that are gone have left in `parent`, if nothing lives
// in it.
void remove_of_dead_keepers(const std::string& parent);

// True: it was not there before.
Result<bool> make_directory(const std::string& path);
// With the directories below; one that is not there is fine.
Result<void> remove_tree(const std::string& path);

}  // namespace baton::sys
