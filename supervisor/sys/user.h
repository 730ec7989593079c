// A user of this host and what a program that runs as this user gets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace baton::sys {

struct User {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;  // all, with the own one
    std::string home;
    std::string name;
    std::string shell;
};

// Of this process.
std::uint32_t own_uid();

// By name, or by a uid in digits. One that the host's user database does not know is an error: its
// group would be a guess. The database may be on the network; then this blocks.
Result<User> find_user(const std::string& name_or_uid);

}  // namespace baton::sys
