#include "admin/request.h"

#include <charconv>

#include <fmt/core.h>

namespace baton::admin {
namespace {

std::optional<unsigned char> parse_escape(std::string_view text) {
    unsigned char byte = 0;
    if (text.size() != 2) return {};
    const auto [end, ec] = std::from_chars(text.data(), text.data() + 2, byte, 16);
    if (ec != std::errc{} || end != text.data() + 2 || byte < 0x20) return {};
    return byte;
}

std::optional<std::string> decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            out += text[at];
            continue;
        }
        const auto byte = parse_escape(text.substr(at + 1, 2));
        if (!byte) return {};
        out += static_cast<char>(*byte);
        at += 2;
    }
    return out;
}

// Takes what stands before `mark` off the front of `text`.
std::string_view take(std::string_view& text, char mark) {
    const auto end = text.find(mark);
    const auto part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return part;
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
    Target target;
    std::string_view path = take(text, '?');
    std::string_view query = take(text, '#');
    if (!path.starts_with('/')) return failed(fmt::format("the path '{}' does not start with '/'", path));
    path.remove_prefix(1);
    while (!path.empty()) {
        const auto segment = decode(take(path, '/'));
        if (!segment || segment->empty()) return failed("the path has an empty part or a bad escape");
        target.path.push_back(*segment);
    }
    while (!query.empty()) {
        std::string_view pair = take(query, '&');
        if (pair.empty()) continue;
        const auto key = decode(take(pair, '='));
        const auto value = decode(pair);
        if (!key || !value) return failed("the query has a bad escape");
        if (!target.query.emplace(*key, *value).second) {
            return failed(fmt::format("the parameter '{}' is given twice", *key));
        }
    }
    return target;
}

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t low, std::uint64_t high) {
    std::uint64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec != std::errc{} || end != text.data() + text.size() || number < low || number > high) return {};
    return number;
}

}  // namespace baton::admin
