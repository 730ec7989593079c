#include "config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <limits>

#include <fmt/core.h>

#include "base/check.h"
#include "base/limits.h"

namespace baton::config {
namespace {

struct Unit {
    char name;
    std::uint64_t bytes;
};
constexpr std::array<Unit, 5> units{
    {{'T', 1ULL << 40}, {'G', 1ULL << 30}, {'M', 1ULL << 20}, {'K', 1ULL << 10}, {'B', 1}}};

struct Signal {
    std::string_view name;
    int number;
};
constexpr std::array<Signal, 8> signals{{{"TERM", SIGTERM},
                                         {"INT", SIGINT},
                                         {"QUIT", SIGQUIT},
                                         {"HUP", SIGHUP},
                                         {"USR1", SIGUSR1},
                                         {"USR2", SIGUSR2},
                                         {"WINCH", SIGWINCH},
                                         {"KILL", SIGKILL}}};

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// The whole of `text` as a number without a sign.
template <class T>
bool read_whole(std::string_view text, T& to, int base = 10) {
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), to, base);
    return ec == std::errc{} && end == text.data() + text.size() && text.front() != '-';
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
    if (text == "0") return std::uint64_t{0};
    for (const Unit& unit : units) {
        if (!text.ends_with(unit.name)) continue;
        const std::string_view digits = text.substr(0, text.size() - 1);
        std::uint64_t count = 0;
        if (digits.empty() || !read_whole(digits, count)) break;
        // Sizes end up in signed 64-bit numbers of the kernel.
        if (count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.bytes) break;
        return count * unit.bytes;
    }
    return failed(fmt::format("'{}' is not a size; write for example \"512K\", \"256M\" or \"1G\"", text));
}

std::string format_size(std::uint64_t bytes) {
    for (const Unit& unit : units) {
        if (bytes != 0 && bytes % unit.bytes == 0) return fmt::format("{}{}", bytes / unit.bytes, unit.name);
    }
    return "0B";
}

Result<model::Share> parse_percentage(std::string_view text) {
    std::uint32_t count = 0;
    if (text.size() > 1 && text.ends_with('%') && read_whole(text.substr(0, text.size() - 1), count) &&
        count <= 100) {
        return model::Share{count, true};
    }
    return failed(
        fmt::format("'{}' is not a percentage; write a number of instances, or \"0%\" to \"100%\"", text));
}

Result<int> parse_signal(std::string_view text) {
    const std::string_view name = text.starts_with("SIG") ? text.substr(3) : text;
    std::string known;
    for (const Signal& signal : signals) {
        if (signal.name == name) return signal.number;
        known += fmt::format("{}{}", known.empty() ? "" : ", ", signal.name);
    }
    return failed(fmt::format("'{}' is not a signal that can be chosen; it is one of {}", text, known));
}

std::string_view signal_name(int number) {
    for (const Signal& signal : signals) {
        if (signal.number == number) return signal.name;
    }
    CHECK(false && "a signal that parse_signal does not return");
    return {};
}

Result<std::uint32_t> parse_umask(std::string_view text) {
    std::uint32_t mask = 0;
    if (!text.empty() && text.size() <= 4 && read_whole(text, mask, 8) && mask <= 0777) return mask;
    return failed(fmt::format("'{}' is not a umask; write it in octal, for example \"022\"", text));
}

std::string name_fault(std::string_view name) {
    if (name.empty()) return "is empty";
    if (name.size() > limits::name_bytes) {
        return fmt::format("has {} bytes; a name has at most {}", name.size(), limits::name_bytes);
    }
    const bool letters = std::all_of(name.begin(), name.end(), [](char c) {
        return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.';
    });
    if (!letters) return "may only have letters, digits, '_', '-' and '.'";
    if (!is_letter_or_digit(name.front()) && name.front() != '_')
        return "must begin with a letter, a digit or '_'";
    return {};
}

bool is_token(std::string_view text) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) { return is_letter_or_digit(c) || others.find(c) != std::string_view::npos; });
}

bool is_path(std::string_view text) {
    return text.starts_with('/') && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f' && c != '?' && c != '#'; });
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

std::string below(const std::string& folder, std::string_view path) {
    if (path.starts_with('/')) return std::string(path);
    while (path.starts_with("./")) path.remove_prefix(2);
    return fmt::format("{}{}{}", folder, folder.ends_with('/') ? "" : "/", path);
}

}  // namespace baton::config
