// Control groups: a directory for each start of an instance, so that all it forked can be limited
// and killed together. Only cgroup v2; where there is none, or it is not ours to change, the
// supervisor goes on without and status() says why.
//
// Where the groups are made:
//  - In a cgroup that is ours alone (a systemd unit with Delegate=yes, a container's namespace). No
//    processes may then stay in it, as controllers are given only to the children of an empty
//    group: the supervisor's own move to the leaf "baton-supervisor", where a later master finds
//    itself.
//  - At the root of a hierarchy, or in one without controllers (hybrid: v1 has them): in a
//  directory
//    named after the keeper. The supervisor's processes stay where they are. Without limits, unless
//    somebody has already given the controllers to the root's children.
//  - In any other cgroup (a shell session's, a unit without Delegate=yes) nothing is touched.
//
// One thread. Calls are short file operations; none waits for a process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

// What Cgroups looks at; tests have surroundings of their own.
struct CgroupSurroundings {
    std::string mounts = "/proc/self/mountinfo";
    std::string membership = "/proc/self/cgroup";
    std::vector<std::string> controllers{"memory", "cpu", "pids"};
    // The process whose descendants (and itself) are ours: the keeper.
    pid_t keeper = 0;
    bool systemd = false;  // it manages this host's groups

    // Those of this process, whose parent is the keeper.
    static CgroupSurroundings here();
};

class Cgroups {
  public:
    // Never fails: without groups, status() says why. The same for every master of one keeper.
    static Cgroups probe();
    static Cgroups probe(const CgroupSurroundings& surroundings);

    // "v2", "v2 without limits: why", "none: why".
    std::string status() const;
    // Below which the groups are made; empty: nowhere.
    const std::string& base() const { return base_; }

    struct Place {
        UniqueFd directory;  // for SpawnSpec::cgroup
        std::string path;    // for kill() and remove()
    };
    // A group of this name, unique for each start; 0: no limit. One left over is used again if no
    // process lives in it. An error where a limit is asked for and cannot be set: then nothing is
    // made.
    Result<Place> make(const std::string& name, std::uint64_t memory_bytes, double cpu);
    // Where make() puts a group of this name; empty: nowhere.
    std::string path_of(const std::string& name) const;
    // KILL to every process in the group, forks under way too. Does not wait for their end.
    Result<void> kill(const std::string& path) const;
    // Removes the group and what the instance made below. While processes live in it that is an
    // Error with EBUSY; the group is then remembered, and each later make() or remove() tries
    // again.
    Result<void> remove(const std::string& path);
    // At the supervisor's end: removes the directory of its own, if there is one and it is empty.
    void dissolve();

  private:
    Result<void> settle_in_own(const CgroupSurroundings& surroundings, const std::string& cgroup);
    Result<void> settle_beside(const CgroupSurroundings& surroundings, const std::string& cgroup);
    void enable(const std::vector<std::string>& controllers);
    Result<void> limit(const std::string& path, const char* controller, const std::string& file,
                       const std::string& value) const;
    Result<void> check_limits(bool memory, bool cpu) const;
    bool is_ours(const std::string& path) const;
    void remove_remembered();

    std::string base_;
    bool made_base_ = false;
    std::set<std::string> controllers_;  // that groups below base_ have
    std::string why_not_;                // no groups, or no limits
    std::set<std::string> to_remove_;
};

}  // namespace baton::sys
