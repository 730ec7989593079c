// A file that one process at a time may have: two supervisors do not write into one folder.
#pragma once

#include <string>
#include <sys/types.h>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

// Locks the file at `path`, made where it is not there, and writes `holder` into it, for those who come later. The
// lock lasts as long as the descriptor or a copy of it is open anywhere, and does not outlive its holders. Never waits.
// An Error with code() EWOULDBLOCK: somebody has it, and the message tells the pid that is written there.
Result<UniqueFd> lock_file(const std::string& path, pid_t holder);

}  // namespace baton::sys
