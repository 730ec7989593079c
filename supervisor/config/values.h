// The small notations of the configuration: sizes, shares, signals, umask, names, paths.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/service.h"

namespace baton::config {

// "256M", "1G", "1000B", "0"; units are powers of 1024.
Result<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);

// "25%", from 0% to 100%.
Result<model::Share> parse_percentage(std::string_view text);

// "TERM" or "SIGTERM".
Result<int> parse_signal(std::string_view text);
std::string_view signal_name(int signal);

// "022", octal, at most 777.
Result<std::uint32_t> parse_umask(std::string_view text);

// Services and listeners: 1 to limits::name_bytes letters, digits, '_', '-' or '.', the first of them a
// letter, a digit or '_' (a name is part of paths and of command lines). Empty when `name` is good,
// else what is wrong with it.
std::string name_fault(std::string_view name);

// A name of a header or a cookie: RFC 9110, 5.6.2.
bool is_token(std::string_view text);
// The path of a URL, without its query: begins with '/', no spaces or control characters.
bool is_path(std::string_view text);
// ASCII only.
std::string lower_case(std::string_view text);

// `path` itself when it is absolute, else below `folder`.
std::string below(const std::string& folder, std::string_view path);

}  // namespace baton::config
