// Cuts a stream of bytes into lines. Pure: bytes go in by add(), lines come out by next().
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace baton::run {

class Lines {
  public:
    // A line longer than `longest` bytes comes in pieces.
    explicit Lines(std::size_t longest) : longest_(longest) {}

    void add(std::string_view bytes);
    // The next whole line, or full piece of a long one, in valid UTF-8; without its end, without
    // '\r'.
    std::optional<std::string> next();
    // What came since the last end of line, when no more will come.
    std::optional<std::string> rest();

  private:
    std::string_view left() const { return std::string_view(pending_).substr(start_); }
    void forget();

    std::size_t longest_;
    std::string pending_;
    std::size_t start_ = 0;    // what stands before it was given out
    std::size_t scanned_ = 0;  // from start_: no end of line before this
    bool in_pieces_ = false;   // a piece of the present line was given out
};

}  // namespace baton::run
