// A TOML value as this room sees it: plain, small, and with the line where it was written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton::config {

// `file` counts the files of one load in the order they were read.
struct Place {
    std::uint32_t file = 0;
    std::uint32_t line = 1;
    friend auto operator<=>(const Place&, const Place&) = default;
};

struct Node;
struct Member;
struct Moment {};  // a date or a time, which no key of ours takes
using Array = std::vector<Node>;
using Members = std::vector<Member>;  // in the order of their lines

struct Node {
    std::variant<bool, std::int64_t, double, std::string, Moment, Array, Members> value;
    Place place;

    template <class T>
    const T* as() const {
        return std::get_if<T>(&value);
    }
};

struct Member {
    std::string key;
    Place place;  // of the key; a table's own header is value.place
    Node value;
};

// The value as TOML, for messages: "proxy" with its quotes, 4, true; empty for arrays and tables.
std::string render(const Node& node);
// What it is: "a string", "an integer", ...
std::string describe_kind(const Node& node);
// Where a member is best pointed at: a table's header, any other value's key.
Place place_of(const Member& member);

// `text` in TOML's quotes.
std::string in_quotes(std::string_view text);
// `key` as it is written in a path or a header: bare where it can be.
std::string key_text(std::string_view key);

}  // namespace baton::config
