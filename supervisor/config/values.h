// The small notations of the configuration: sizes, shares, signals, umask, names, paths.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/service.h"

namespace baton::config {

// "256M", "1G", "1000B"; units are powers of 1024.
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

// `path` itself when it is absolute, else below `folder`.
std::string below(const std::string& folder, std::string_view path);

}  // namespace baton::config
