// "Did you mean": the known word nearest to a misspelt one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace baton::config {

// "; did you mean WORD?" for the nearest of `known` within two edits, or nothing.
std::string suggestion(std::string_view written, const std::vector<std::string_view>& known);

}  // namespace baton::config
