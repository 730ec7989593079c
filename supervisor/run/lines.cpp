#include "run/lines.h"

#include <algorithm>

#include "run/utf8.h"

namespace baton::run {

void Lines::add(std::string_view bytes) {
    pending_.erase(0, start_);
    start_ = 0;
    pending_.reserve(pending_.size() + bytes.size());
    std::copy_if(bytes.begin(), bytes.end(), std::back_inserter(pending_),
                 [](char c) { return c != '\r'; });
}

std::optional<std::string> Lines::next() {
    for (;;) {
        const std::string_view text = left();
        const std::size_t end = text.substr(0, longest_ + 1).find('\n', scanned_);
        if (end == std::string_view::npos && text.size() <= longest_) {
            scanned_ = text.size();
            if (text.empty()) forget();
            return std::nullopt;
        }
        const bool whole = end != std::string_view::npos;
        const std::size_t length = whole ? end : cut_utf8(text, longest_).size();
        start_ += length + (whole ? 1 : 0);
        scanned_ = 0;
        // The end of a line that filled its last piece is no empty line.
        const bool nothing_left = whole && in_pieces_ && length == 0;
        in_pieces_ = !whole;
        if (!nothing_left) return valid_utf8(text.substr(0, length));
    }
}

std::optional<std::string> Lines::rest() {
    if (left().empty()) return std::nullopt;
    std::string line = valid_utf8(left());
    in_pieces_ = false;
    forget();
    return line;
}

// Most instances are silent most of the time, and there may be thousands.
void Lines::forget() {
    pending_ = std::string();
    start_ = 0;
    scanned_ = 0;
}

}  // namespace baton::run
