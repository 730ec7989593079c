// Whether another user can reach what is below a folder: everybody needs leave to enter each folder on the way.
#pragma once

#include <string>

#include "base/result.h"
#include "sys/user.h"

namespace baton::sys {

// Tries it as that user, in a copy of this process, and takes a second at most. What is not there yet is no hindrance.
// The Error names the first folder that the user cannot enter. Only root can try it for others: for anybody else it is
// well unless `user` is this process's own.
Result<void> test_entrance(const std::string& folder, const User& user);

}  // namespace baton::sys
