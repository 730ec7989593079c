// The log: lines of text or JSON to a file or to standard error, written by one thread.
//
// A Log is made in main and handed on by reference; there is no global logger. A file that cannot be
// written to (a full disk) never stops the supervisor: the line is lost, the next one is tried again.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "base/result.h"

namespace baton {

enum class LogLevel { trace, debug, info, warning, error, off };
// bare: for one whose output another process logs, with the time and its name.
enum class LogFormat { text, json, bare };

class Log {
  public:
    // Writes to standard error, prefixed with `role` ("keeper", "master/3").
    explicit Log(std::string role);
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    // Directs the log to `file` (empty: standard error). On failure the log stays where it was.
    Result<void> open(const std::string& file, LogFormat format, LogLevel level);
    // Opens the same file again, after it was renamed by logrotate. On failure the old file stays.
    Result<void> reopen();

    // `origin` is what speaks: "service web", "upgrade"; empty for the process itself.
    void write(LogLevel level, std::string_view origin, std::string_view message);
    bool enabled(LogLevel level) const;

    template <class... Args>
    void debug(fmt::format_string<Args...> format, Args&&... args) {
        if (enabled(LogLevel::debug)) write(LogLevel::debug, {}, fmt::format(format, std::forward<Args>(args)...));
    }
    template <class... Args>
    void info(fmt::format_string<Args...> format, Args&&... args) {
        write(LogLevel::info, {}, fmt::format(format, std::forward<Args>(args)...));
    }
    template <class... Args>
    void warning(fmt::format_string<Args...> format, Args&&... args) {
        write(LogLevel::warning, {}, fmt::format(format, std::forward<Args>(args)...));
    }
    template <class... Args>
    void error(fmt::format_string<Args...> format, Args&&... args) {
        write(LogLevel::error, {}, fmt::format(format, std::forward<Args>(args)...));
    }

  private:
    struct Sink;
    std::string role_;
    std::unique_ptr<Sink> sink_;
};

}  // namespace baton
