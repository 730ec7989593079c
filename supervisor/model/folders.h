// Folders of the paths in a configuration that are made where they are missing: at a start, and each time a log is
// opened. Whoever tests a configuration counts on them.
#pragma once

#include <string>
#include <vector>

#include "model/configuration.h"

namespace baton::model {

// With all those above them. Absolute where the configuration's paths are; each may be named more than once.
std::vector<std::string> folders_made(const Configuration& configuration);
// The folder that holds what is at `path`.
std::string folder_of(const std::string& path);
// Whether `folder` is one of these, or above one.
bool is_made(const Configuration& configuration, const std::string& folder);

}  // namespace baton::model
