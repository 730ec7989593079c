// Guards the TOML library, which recurses once for each part of a dotted key and for each nested value,
// against text that would exhaust the stack.
#pragma once

#include <cstdint>
#include <string_view>

namespace baton::config {

// The line at which `text` nests deeper than limits::toml_key_parts or limits::toml_nesting allow, or 0.
std::uint32_t line_nested_too_deep(std::string_view text);

}  // namespace baton::config
