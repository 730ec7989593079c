#include "progress.h"

#include <algorithm>
#include <cstdio>

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "model/codec.h"

namespace baton::cli {
namespace {

constexpr std::uint32_t bar_columns = 24;

std::size_t columns_of_terminal() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

// At most `columns` of the text, so that a drawn line stays one line.
std::string cut(const std::string& text, std::size_t columns) {
    std::string out;
    std::size_t used = 0;
    for (const char c : text) {
        const bool begins = (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
        if (begins && used++ == columns) break;
        out += c;
    }
    return out;
}

std::string line_of(const model::ProgressView& view) {
    if (view.phase.empty()) return harmless(view.text);
    return view.text.empty() ? harmless(view.phase) : harmless(view.phase + ": " + view.text);
}

}  // namespace

void Progress::step(const model::ProgressView& view) {
    if (json_) {
        fmt::print("{}\n", model::encode(view));
        std::fflush(stdout);
    } else if (terminal_.drawing) {
        draw(view);
    } else {
        print(view);
    }
}

void Progress::print(const model::ProgressView& view) {
    const std::string line = line_of(view);
    if (line.empty() || line == last_line_) return;
    last_line_ = line;
    fmt::print("{}\n", line);
    std::fflush(stdout);
}

void Progress::draw(const model::ProgressView& view) {
    // A phase that is over stays to be read; the bar goes on below it.
    if (!phase_.empty() && view.phase != phase_) {
        fmt::print("\r\033[K{} {}\n", terminal_.paint(Colour::good, "done"), phase_);
    }
    phase_ = harmless(view.phase);
    last_line_ = line_of(view);
    const std::uint32_t full = std::min(view.percent, 100U) * bar_columns / 100;
    const std::string bar =
        fmt::format("[{}{}]", std::string(full, '#'), std::string(bar_columns - full, '.'));
    const std::string text =
        cut(fmt::format(" {:>3}%  {}", view.percent, line_of(view)),
            columns_of_terminal() - std::min<std::size_t>(columns_of_terminal(), bar_columns + 3));
    fmt::print("\r\033[K{}{}", terminal_.paint(Colour::good, bar), text);
    std::fflush(stdout);
    drawn_ = true;
}

void Progress::pause() {
    if (drawn_) fmt::print("\r\033[K");
    drawn_ = false;
    std::fflush(stdout);
}

void Progress::success(const model::ProgressView& view, const std::string& otherwise) {
    if (json_) return step(view);
    pause();
    // The last step's text once more is no verdict.
    const std::string line = line_of(view);
    const bool own_words = !view.text.empty() && line != last_line_;
    fmt::print("{}\n", terminal_.paint(Colour::good, own_words ? line : otherwise));
    std::fflush(stdout);
}

}  // namespace baton::cli
