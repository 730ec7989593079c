// Test files whose lines say which errors they must cause:
//
//     replicas = 0  #! service.web.replicas = 0 is out of range; it must be from 1 to 1024
//
// A line may have several marks, in the order of the report.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace baton::config {

std::string read_text(const std::filesystem::path& path);

// The marks of one text, as problems of `file`.
std::vector<Problem> marked_problems(std::string_view text, const std::string& file);

// One line for each problem, for messages of failed tests.
std::string listing(const std::vector<Problem>& problems);

// The .toml files and the folders in `folder` of this test's source, sorted.
std::vector<std::filesystem::path> cases(const std::string& folder);

}  // namespace baton::config
