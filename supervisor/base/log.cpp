#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <spdlog/details/null_mutex.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

namespace baton {
namespace {

// Appends whole lines to a descriptor, so that several processes can share one file.
class DescriptorSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  public:
    ~DescriptorSink() override { close_file(); }

    Result<void> open(const std::string& path) {
        int opened = STDERR_FILENO;
        if (!path.empty()) {
            opened = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
            if (opened < 0) return Error::system("open log file " + path, errno);
        }
        close_file();
        descriptor_ = opened;
        path_ = path;
        torn_ = false;
        return {};
    }
    const std::string& path() const { return path_; }

  private:
    void close_file() {
        if (descriptor_ != STDERR_FILENO) ::close(descriptor_);
        descriptor_ = STDERR_FILENO;
    }
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        // The disk was full in the middle of the last one: this one does not go on there.
        if (torn_) line.push_back('\n');
        formatter_->format(message, line);
        const std::size_t left = write(line);
        if (left == 0) torn_ = false;
        else if (left < line.size()) torn_ = line.data()[line.size() - left - 1] != '\n';
    }

    // The bytes that there was no room for.
    std::size_t write(const spdlog::memory_buf_t& line) const {
        const char* at = line.data();
        std::size_t left = line.size();
        while (left > 0) {
            // A pipe or a terminal that nobody reads would hold up everything: what does not fit is dropped.
            pollfd room{descriptor_, POLLOUT, 0};
            if (::poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) break;
            const ssize_t written = ::write(descriptor_, at, std::min<std::size_t>(left, PIPE_BUF));
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) break;
            at += written;
            left -= static_cast<std::size_t>(written);
        }
        return left;
    }
    void flush_() override {}

    int descriptor_ = STDERR_FILENO;
    std::string path_;
    bool torn_ = false;  // what is there ends in the middle of a line
};

constexpr std::array levels{spdlog::level::trace, spdlog::level::debug, spdlog::level::info,
                            spdlog::level::warn,  spdlog::level::err,   spdlog::level::off};

std::string escape_json(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 8);
    for (const char c : text) {
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\t': out += "\\t"; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
                } else {
                    out += c;
                }
        }
    }
    return out;
}

}  // namespace

struct Log::Sink {
    std::shared_ptr<DescriptorSink> descriptor = std::make_shared<DescriptorSink>();
    spdlog::logger logger{"baton", descriptor};
    LogFormat format = LogFormat::text;
};

Log::Log(std::string role) : role_(std::move(role)), sink_(std::make_unique<Sink>()) {
    static_cast<void>(open("", LogFormat::text, LogLevel::info));
}

Log::~Log() = default;

Result<void> Log::open(const std::string& file, LogFormat format, LogLevel level) {
    if (auto opened = sink_->descriptor->open(file); !opened) return opened;
    sink_->format = format;
    sink_->logger.set_level(levels[static_cast<std::size_t>(level)]);
    const char* pattern = "%Y-%m-%d %H:%M:%S.%e %L %v";
    if (format == LogFormat::json) pattern = "{\"time\":\"%Y-%m-%dT%H:%M:%S.%e%z\",\"level\":\"%l\",%v}";
    if (format == LogFormat::bare) pattern = "%v";
    sink_->logger.set_pattern(pattern, spdlog::pattern_time_type::local);
    return {};
}

Result<void> Log::reopen() {
    return sink_->descriptor->open(sink_->descriptor->path());
}

bool Log::enabled(LogLevel level) const {
    return sink_->logger.should_log(levels[static_cast<std::size_t>(level)]);
}

void Log::write(LogLevel level, std::string_view origin, std::string_view message) {
    if (!enabled(level)) return;
    const auto at = levels[static_cast<std::size_t>(level)];
    if (sink_->format == LogFormat::json) {
        sink_->logger.log(at, "\"role\":\"{}\",\"origin\":\"{}\",\"message\":\"{}\"", escape_json(role_),
                          escape_json(origin), escape_json(message));
    } else if (sink_->format == LogFormat::bare) {
        sink_->logger.log(at, "{}", message);
    } else if (origin.empty()) {
        sink_->logger.log(at, "[{}] {}", role_, message);
    } else {
        sink_->logger.log(at, "[{}] {}: {}", role_, origin, message);
    }
}

}  // namespace baton
