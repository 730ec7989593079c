// Formats that outlive a version: what is written today must be what is in the file of yesterday.
// BATON_REWRITE=1 writes the files anew; a change of one is a change of a published format.
#pragma once

#include <string>
#include <string_view>

namespace baton::test {

// Compares bytes with tests/golden/NAME.hex, text with tests/golden/NAME; empty, or what differs.
std::string differs_from_golden_bytes(const std::string& name, std::string_view bytes);
std::string differs_from_golden_text(const std::string& name, const std::string& text);
std::string golden_text(const std::string& name);
// The bytes of NAME.hex.
std::string golden_bytes(const std::string& name);

}  // namespace baton::test
