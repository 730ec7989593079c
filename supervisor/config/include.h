// Files of a configuration: reading one with its limit, and what `include` stands for.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace baton::config {

// The whole of a regular file of at most `limit` bytes.
Result<std::string> read_file(const std::string& path, std::size_t limit);

// The files that `pattern` names, sorted by bytes; relative patterns start at `prefix`. A pattern
// without wildcards is its own file; one with wildcards may match nothing.
Result<std::vector<std::string>> expand(const std::string& pattern, const std::string& prefix);

// Whether both are one file on disk.
bool same_file(const std::string& left, const std::string& right);

}  // namespace baton::config
