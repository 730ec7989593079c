// Text that programs hand us is shown to people and put into JSON: it must be UTF-8, whatever it
// was.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace baton::run {

// Each byte that is no part of valid UTF-8 (RFC 3629) becomes U+FFFD.
std::string valid_utf8(std::string_view bytes);
// The longest start of `text` that is at most `limit` bytes and does not cut a character.
std::string_view cut_utf8(std::string_view text, std::size_t limit);
// valid_utf8 with each control character as '?', for what is shown on one line of a terminal.
std::string plain_line(std::string_view bytes);

}  // namespace baton::run
