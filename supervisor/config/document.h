// One TOML text as a tree of nodes. The only place that knows the TOML library.
#pragma once

#include <optional>
#include <string_view>

#include "config/node.h"
#include "config/report.h"

namespace baton::config {

// The root table; empty after a syntax error, which is then in the report. `file` is from add_file().
std::optional<Node> parse_document(std::string_view text, std::uint32_t file, Report& report);

}  // namespace baton::config
