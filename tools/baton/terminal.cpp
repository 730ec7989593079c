#include "terminal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include <fmt/core.h>

namespace baton::cli {

Terminal Terminal::of_standard_output() {
    const char* kind = std::getenv("TERM");
    const char* plain = std::getenv("NO_COLOR");
    Terminal terminal;
    terminal.drawing = ::isatty(STDOUT_FILENO) == 1 && (kind == nullptr || std::string_view(kind) != "dumb");
    terminal.colour = terminal.drawing && (plain == nullptr || *plain == '\0');
    return terminal;
}

std::string Terminal::paint(Colour colour_of_text, std::string_view text) const {
    static constexpr std::array<std::string_view, 6> codes{"0", "32", "33", "31", "2", "1"};
    if (!colour || colour_of_text == Colour::none) return std::string(text);
    return fmt::format("\033[{}m{}\033[0m", codes[static_cast<std::size_t>(colour_of_text)], text);
}

Colour colour_of(std::string_view state) {
    static constexpr std::array<std::string_view, 6> good{"ready", "running", "listening",
                                                          "owner", "current", "leader"};
    static constexpr std::array<std::string_view, 4> bad{"failed", "unready", "rejected", "degraded"};
    static constexpr std::array<std::string_view, 5> faint{"stopped", "completed", "gone", "previous", "-"};
    if (std::ranges::find(good, state) != good.end()) return Colour::good;
    if (std::ranges::find(bad, state) != bad.end()) return Colour::bad;
    if (std::ranges::find(faint, state) != faint.end()) return Colour::faint;
    return Colour::busy;
}

std::size_t width_of(std::string_view text) {
    // Bytes of the form 10xxxxxx continue a code point.
    const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
    return static_cast<std::size_t>(std::ranges::count_if(text, begins));
}

std::string harmless(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7F) {
            out += c;
        } else if (c == '\t') {
            out += ' ';
        } else {
            out += fmt::format("\\x{:02x}", static_cast<unsigned>(byte));
        }
    }
    return out;
}

std::string span(long long millis) {
    const long long seconds = std::max(millis, 0LL) / 1000;
    if (seconds < 60) return fmt::format("{}s", seconds);
    if (seconds < 3600) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
    if (seconds < 86'400) return fmt::format("{}h {}m", seconds / 3600, seconds / 60 % 60);
    return fmt::format("{}d {}h", seconds / 86'400, seconds / 3600 % 24);
}

}  // namespace baton::cli
