#include "http/header_block.h"

#include <utility>

#include "http/forward.h"

namespace baton::http {
namespace {

constexpr std::size_t field_overhead = 32;

bool is_one_line(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

void add_line(std::string& out, std::string_view name, std::string_view value) {
    (((out += name) += ": ") += value) += "\r\n";
}

}  // namespace

void HeaderBlock::begin(std::size_t most, Kind kind) {
    kind_ = kind;
    left_ = most;
    for (std::string* text : {&method_, &authority_, &path_, &host_, &cookie_, &fields_, &text_}) text->clear();
    has_authority_ = has_host_ = too_large_ = spoiled_ = false;
}

void HeaderBlock::add(std::string_view name, std::string_view value) {
    const std::size_t size = name.size() + value.size() + field_overhead;
    if (too_large_ || size > left_) {
        too_large_ = true;
        return;
    }
    left_ -= size;
    if (!is_one_line(name) || !is_one_line(value) || name.find(':', 1) != std::string_view::npos) return spoil();
    if (kind_ == Kind::trailer) return may_trail(name) && !name.starts_with(':') ? add_line(fields_, name, value) : spoil();
    if (name.starts_with(':')) return add_pseudo(name, value);
    if (name == "cookie") {
        // One field may come in pieces (RFC 9113, section 8.2.3).
        if (!cookie_.empty()) cookie_ += "; ";
        cookie_ += value;
    } else if (name == "host") {
        if (has_host_) return spoil();
        has_host_ = true;
        host_ = value;
    } else if (name == "te" || name == "content-length" || !is_hop_field(name)) {
        add_line(fields_, name, value);
    } else {
        // Of one connection: it has no place here (RFC 9113, section 8.2.2).
        spoil();
    }
}

void HeaderBlock::add_pseudo(std::string_view name, std::string_view value) {
    if (name == ":method" && method_.empty()) method_ = value;
    else if (name == ":path" && path_.empty()) path_ = value;
    else if (name == ":authority" && !std::exchange(has_authority_, true)) authority_ = value;
    else if (name != ":scheme") spoil();
}

int HeaderBlock::read(RequestHead& head) {
    if (spoiled_) return 400;
    if (too_large_) return 431;
    // Two that differ would be two requests, depending on who reads them (section 8.3.1).
    if (has_authority_ && has_host_ && !same(authority_, host_)) return 400;
    // CONNECT has no path, and its own answer.
    const std::string_view target = path_.empty() ? std::string_view(authority_) : std::string_view(path_);
    ((((text_ += method_) += ' ') += target) += " HTTP/1.1\r\n");
    if (has_authority_ || has_host_) add_line(text_, "host", has_authority_ ? authority_ : host_);
    text_ += fields_;
    if (!cookie_.empty()) add_line(text_, "cookie", cookie_);
    text_ += "\r\n";
    const int status = http::read(text_, head);
    head.major = 2;
    return status;
}

}  // namespace baton::http
