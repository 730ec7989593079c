#include "gateway/access_log.h"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/format.h>

#include "base/http_limits.h"

namespace baton::gateway {
namespace {

// What a client sends must not end the line, or look like another field.
void add_text(std::string& out, std::string_view text) {
    if (text.empty()) out += '-';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') fmt::format_to(std::back_inserter(out), "\\x{:02X}", byte);
        else out += c;
    }
}

std::string_view value_of(const http::RequestHead& head, std::string_view name) {
    const http::Field* field = http::find(head.fields, name);
    return field == nullptr ? std::string_view() : field->value;
}

// 10/Oct/2000:13:55:36 +0000, once for each second.
const std::string& time_of(std::time_t now) {
    static thread_local std::time_t last = -1;
    static thread_local std::string text;
    if (now != last) {
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        std::array<char, 32> buffer{};
        text.assign(buffer.data(), std::strftime(buffer.data(), buffer.size(), "%d/%b/%Y:%H:%M:%S +0000", &parts));
        last = now;
    }
    return text;
}

}  // namespace

AccessEntry entry_of(const http::RequestHead& head, Millis now, std::uint64_t sent) {
    AccessEntry entry;
    ((entry.request += head.method) += ' ') += head.target;
    entry.request += head.major == 2 ? " HTTP/2.0" : head.minor == 0 ? " HTTP/1.0" : " HTTP/1.1";
    entry.referer = value_of(head, "referer");
    entry.agent = value_of(head, "user-agent");
    entry.began = now;
    entry.sent_before = sent;
    return entry;
}

void AccessLog::add(const AccessEntry& entry, std::string_view client, std::uint64_t sent, std::string_view instance, Millis now) {
    if (lines_.size() > limits::access_log_bytes) flush();
    fmt::format_to(std::back_inserter(lines_), "{} - - [{}] \"", client, time_of(wall_now() / 1000));
    add_text(lines_, entry.request);
    fmt::format_to(std::back_inserter(lines_), "\" {} {} \"", entry.status, std::max(sent, entry.sent_before) - entry.sent_before);
    add_text(lines_, entry.referer);
    lines_ += "\" \"";
    add_text(lines_, entry.agent);
    fmt::format_to(std::back_inserter(lines_), "\" {} {}\n", instance.empty() ? "-" : instance, now - entry.began);
}

void AccessLog::reopen(sys::UniqueFd file) {
    flush();
    file_ = std::move(file);
}

void AccessLog::flush() {
    if (lines_.empty()) return;
    const int error = sys::append(file_, lines_);
    // A full disk must not stop traffic, nor fill the log that tells of it.
    if (error != 0 && !failing_) log_.error("{}; lines are dropped until it works again", Error::system("write the access log", error).message());
    failing_ = error != 0;
    lines_.clear();
}

}  // namespace baton::gateway
