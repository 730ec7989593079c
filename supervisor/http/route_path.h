// The path of a request as routes are matched with it: two spellings of what a program would take for one path are
// one. What is sent on is what the client sent.
//
// Percent-encoded bytes are decoded, all of them, then empty segments are left out and dot segments resolved (RFC 3986,
// sections 2.1 and 5.2.4: ".." at the root stays there). The query is no part of it.
//
// Pure. One path in a hundred needs any of this; the others are not copied.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::http {

// `path`: of a RequestHead, with its query. A view of `path` or of `room`. None: a percent sign without two hexadecimal
// digits, or an encoded NUL, which nobody can mean.
std::optional<std::string_view> route_path(std::string_view path, std::string& room);

}  // namespace baton::http
