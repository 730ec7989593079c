// Files that are used by their paths: whether they can be, for reading and for adding to them.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

// Whether this process may read the file, or list the folder, at `path`. Never waits, also for a pipe.
Result<void> test_readable(const std::string& path);

// Whether open_for_appending could succeed, were the folders made that are missing. Changes nothing.
Result<void> test_appendable(const std::string& path);

// Created where it is not there, for its owner to write and everybody of its group to read.
Result<UniqueFd> open_for_appending(const std::string& path);

// The whole file; an Error past `limit` bytes, and where it is none (a pipe, a folder). Never waits.
Result<std::string> read_file(const std::string& path, std::size_t limit);

}  // namespace baton::sys
