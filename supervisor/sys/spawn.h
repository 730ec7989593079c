// Starting a program: Boost.Process v2's launcher protocol with vfork and initialisers of our own.
//
// The parent is the keeper: one thread, all signals blocked, no handlers. The child shares its memory
// until it execs, so an initialiser makes system calls and nothing else.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

inline constexpr std::uint32_t unchanged_id = UINT32_MAX;

struct SpawnSpec {
    std::string path;                      // with a '/', or looked up in the child's PATH
    std::vector<std::string> arguments;    // with argument 0
    std::vector<std::string> environment;  // "NAME=value"; a "LISTEN_PID=" gets the child's pid
    std::string directory;                 // empty: unchanged
    // The child's descriptors 0, 1, 2, ... in this order; a repeated one is shared. It has no others.
    std::vector<int> descriptors;
    int image = -1;          // executed instead of `path`, and kept open in the child, so a script works
    int cgroup = -1;         // the directory of its control group
    std::uint32_t uid = unchanged_id;
    std::uint32_t gid = unchanged_id;
    std::vector<std::uint32_t> groups;  // used with uid
    std::uint32_t umask = 022;
    std::uint64_t nofile = 0;    // 0: unchanged
    bool raise_nofile = true;    // the hard limit too
    int parent_death_signal = 0;
};

struct Spawned {
    pid_t pid = -1;
    UniqueFd pidfd;
};

// Starts the program in a process group of its own. An Error names the step that failed in the child
// ("change to user 33", "execute /usr/bin/x"). Thread: only one may call it, with all signals blocked.
Result<Spawned> spawn(const SpawnSpec& spec);

}  // namespace baton::sys
