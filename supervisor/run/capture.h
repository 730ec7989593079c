// What one instance writes to its standard output and error, line by line. One thread.
//
// An instance that writes without end is read in bounded turns; meanwhile the pipe is full and it
// waits.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "sys/descriptor.h"

namespace baton::run {

class Capture {
  public:
    // `pipe`: a non-blocking read end. `on_line` gets each line without its end, in valid UTF-8, at
    // most limits::captured_line_bytes of what was written; a longer line comes in pieces. `on_end`
    // is called once, when nobody can write any more. Either may destroy this.
    Capture(boost::asio::io_context& context, sys::UniqueFd pipe,
            std::function<void(std::string_view line)> on_line, std::function<void()> on_end);
    ~Capture();
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

    // Reads at once what is there, a last line without an end too: for when the process has ended.
    // What others who hold the pipe write later still comes. Nothing happens inside of on_line.
    void drain_now();
    // Gives out an unfinished line as if it had ended: for when another master will read on.
    void flush();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace baton::run
