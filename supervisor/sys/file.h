// Whether a file can be used, for checks before it is.
#pragma once

#include <string>

#include "base/result.h"

namespace baton::sys {

// Whether this process may read the file, or list the folder, at `path`. Never waits, also for a pipe.
Result<void> test_readable(const std::string& path);

}  // namespace baton::sys
