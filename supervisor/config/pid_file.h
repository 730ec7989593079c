// Where the pid file is, for `batond -s`, which must work when the configuration is broken.
#pragma once

#include <string>

namespace baton::config {

// The pid_file of the configuration, as far as the file can be read; otherwise the default. No side effect.
std::string pid_file_of(const std::string& file, const std::string& prefix);

}  // namespace baton::config
