// What standard output can show: colour and lines that are drawn anew on a terminal, neither elsewhere.
#pragma once

#include <string>
#include <string_view>

namespace baton::cli {

enum class Colour { none, good, busy, bad, faint, strong };

struct Terminal {
    bool drawing = false;  // a terminal: a line can be drawn anew
    bool colour = false;   // and NO_COLOR is not set

    static Terminal of_standard_output();

    std::string paint(Colour colour_of_text, std::string_view text) const;
};

// Colour of an instance's, service's or node's state.
Colour colour_of(std::string_view state);

// Columns that `text` takes on a terminal: its code points, without colour.
std::size_t width_of(std::string_view text);

// Text of others made harmless for a terminal: control characters are shown, not obeyed.
std::string harmless(std::string_view text);

// "3h 12m": a span of milliseconds for people.
std::string span(long long millis);

}  // namespace baton::cli
