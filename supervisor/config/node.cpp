#include "config/node.h"

#include <algorithm>

#include <fmt/core.h>

namespace baton::config {
namespace {

struct KindName {
    std::string operator()(bool) const { return "true or false"; }
    std::string operator()(std::int64_t) const { return "an integer"; }
    std::string operator()(double) const { return "a number with a fraction"; }
    std::string operator()(const std::string&) const { return "a string"; }
    std::string operator()(Moment) const { return "a date or time"; }
    std::string operator()(const Array&) const { return "an array"; }
    std::string operator()(const Members&) const { return "a table"; }
};

struct Rendering {
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(std::int64_t value) const { return fmt::format("{}", value); }
    std::string operator()(double value) const { return fmt::format("{}", value); }
    std::string operator()(const std::string& value) const { return in_quotes(value); }
    std::string operator()(Moment) const { return {}; }
    std::string operator()(const Array&) const { return {}; }
    std::string operator()(const Members&) const { return {}; }
};

bool is_bare(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

}  // namespace

std::string render(const Node& node) {
    return std::visit(Rendering{}, node.value);
}

std::string describe_kind(const Node& node) {
    return std::visit(KindName{}, node.value);
}

Place place_of(const Member& member) {
    return member.value.as<Members>() != nullptr ? member.value.place : member.place;
}

std::string in_quotes(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        switch (c) {
            case '"': result += "\\\""; break;
            case '\\': result += "\\\\"; break;
            case '\n': result += "\\n"; break;
            case '\t': result += "\\t"; break;
            case '\r': result += "\\r"; break;
            default: {
                const auto byte = static_cast<unsigned char>(c);
                if (byte < 0x20 || byte == 0x7f) {
                    result += fmt::format("\\u{:04X}", byte);
                } else {
                    result += c;
                }
            }
        }
    }
    return result + '"';
}

std::string key_text(std::string_view key) {
    return !key.empty() && std::all_of(key.begin(), key.end(), is_bare) ? std::string(key) : in_quotes(key);
}

}  // namespace baton::config
