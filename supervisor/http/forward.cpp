#include "http/forward.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace baton::http {
namespace {

// Fields of one connection, and those that are written anew.
constexpr std::array<std::string_view, 9> hop_fields{
    "te", "upgrade", "connection", "keep-alive", "content-length", "http2-settings", "proxy-connection", "transfer-encoding", "host"};

// Fields that no list in Connection can take away from the other side: to leave one of these out would
// change what the request means or who it comes from.
constexpr std::array<std::string_view, 8> end_to_end{"authorization", "cookie", "content-type", "expect",
                                                     "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"};

constexpr std::array<std::string_view, 3> x_forwarded{"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"};

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view one) { return same(name, one); });
}

// Programs that know fields as variables (CGI and what came of it) take an underscore for a hyphen.
bool is_disguised(std::string_view name) {
    if (name.find('_') == std::string_view::npos) return false;
    std::string plain(name);
    std::replace(plain.begin(), plain.end(), '_', '-');
    return is_one_of(plain, x_forwarded) || is_one_of(plain, hop_fields);
}

void add_field(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
}

void add_number(std::string& out, std::uint64_t number, int base = 10) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
    out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void add_framing(std::string& out, const Framing& framing) {
    if (framing.kind == Framing::Kind::chunked) out += "Transfer-Encoding: chunked\r\n";
    if (framing.kind == Framing::Kind::length) {
        out += "Content-Length: ";
        add_number(out, framing.length);
        out += "\r\n";
    }
}

template <class Head>
bool listed_in_connection(const Head& head, std::string_view name) {
    return std::any_of(head.fields.begin(), head.fields.end(),
                       [&](const Field& field) { return field.name.size() == 10 && same(field.name, "connection") && lists(field.value, name); });
}

// The value of the last such field, which a proxy before this one has written; several are one list.
void add_forwarded_for(std::string& out, const RequestHead& head, const Origin& origin) {
    out += "X-Forwarded-For: ";
    if (origin.trusted) {
        for (const Field& field : head.fields) {
            if (same(field.name, "x-forwarded-for") && !field.value.empty()) (out += field.value) += ", ";
        }
    }
    (out += origin.address) += "\r\n";
}

// Of the first proxy, where that is trusted; else this one's.
void add_first(std::string& out, const RequestHead& head, const Origin& origin, std::string_view name, std::string_view own) {
    const Field* said = origin.trusted ? find(head.fields, name) : nullptr;
    const std::string_view value = said != nullptr ? said->value : own;
    if (!value.empty()) add_field(out, name, value);
}

// RFC 7239: an IPv6 address stands in brackets and quotes, a unix socket has no address to tell.
void add_forwarded(std::string& out, const RequestHead& head, const Origin& origin) {
    out += "Forwarded: ";
    if (origin.trusted) {
        for (const Field& field : head.fields) {
            if (same(field.name, "forwarded") && !field.value.empty()) (out += field.value) += ", ";
        }
    }
    const bool v6 = origin.address.find(':') != std::string_view::npos && !origin.address.starts_with("unix");
    out += "for=";
    if (v6) ((out += "\"[") += origin.address) += "]\"";
    else out += origin.address.starts_with("unix") ? std::string_view("unknown") : origin.address;
    // An authority was checked to have neither quotes nor backslashes.
    if (!head.authority.empty()) ((out += ";host=\"") += head.authority) += '"';
    (out += origin.secure ? ";proto=https" : ";proto=http") += "\r\n";
}

template <class Head>
Options read_options(const Head& head) {
    Options options;
    bool close = false;
    bool keep = false;
    bool upgrade = false;
    const Field* protocol = nullptr;
    for (const Field& field : head.fields) {
        switch (field.name.size()) {
            case 2:
                if (same(field.name, "te")) options.trailers = lists(field.value, "trailers");
                break;
            case 7:
                if (same(field.name, "upgrade")) protocol = &field;
                break;
            case 10:
                if (same(field.name, "keep-alive")) {
                    const std::size_t at = field.value.find("timeout=");
                    if (at != std::string_view::npos) {
                        const std::string_view digits = field.value.substr(at + 8);
                        std::from_chars(digits.data(), digits.data() + digits.size(), options.keep_alive_seconds);
                    }
                } else if (same(field.name, "connection")) {
                    close = close || lists(field.value, "close");
                    keep = keep || lists(field.value, "keep-alive");
                    upgrade = upgrade || lists(field.value, "upgrade");
                }
                break;
            default: break;
        }
    }
    options.close = close || (head.minor == 0 && !keep);
    options.keep_alive = head.minor == 0 && keep && !close;
    // An instance that took h2c would speak past the gateway's rules on the rest of the connection.
    if (upgrade && protocol != nullptr && head.minor == 1 && !lists(protocol->value, "h2c")) options.upgrade = protocol->value;
    return options;
}

}  // namespace

bool is_hop_field(std::string_view name) {
    return is_one_of(name, hop_fields);
}

Options options_of(const RequestHead& head) {
    return read_options(head);
}

Options options_of(const ResponseHead& head) {
    return read_options(head);
}

void write_request(std::string& out, const RequestHead& head, const Framing& framing, const Options& options, const Origin& origin) {
    ((out += head.method) += ' ') += head.path;
    out += " HTTP/1.1\r\n";
    add_field(out, "Host", head.authority);
    const bool has_connection = find(head.fields, "connection") != nullptr;
    for (const Field& field : head.fields) {
        if (is_hop_field(field.name) || is_disguised(field.name)) continue;
        if (origin.x_forwarded && is_one_of(field.name, x_forwarded)) continue;
        if (!origin.trusted && (is_one_of(field.name, x_forwarded) || same(field.name, "forwarded"))) continue;
        if (origin.forwarded && same(field.name, "forwarded")) continue;
        if (has_connection && !is_one_of(field.name, end_to_end) && listed_in_connection(head, field.name)) continue;
        add_field(out, field.name, field.value);
    }
    if (origin.x_forwarded) {
        add_forwarded_for(out, head, origin);
        add_first(out, head, origin, "X-Forwarded-Proto", origin.secure ? "https" : "http");
        add_first(out, head, origin, "X-Forwarded-Host", head.authority);
    }
    if (origin.forwarded) add_forwarded(out, head, origin);
    if (options.trailers) out += "TE: trailers\r\n";
    if (!options.upgrade.empty()) {
        out += options.trailers ? "Connection: upgrade, te\r\n" : "Connection: upgrade\r\n";
        add_field(out, "Upgrade", options.upgrade);
    } else if (options.trailers) {
        out += "Connection: te\r\n";
    }
    add_framing(out, framing);
    out += "\r\n";
}

bool goes_on(const ResponseHead& head, const Framing& framing, const Field& field) {
    // Without a body the length is one that a body would have had (HEAD, 304), and stays.
    const bool told = framing.kind == Framing::Kind::none && head.status >= 200 && head.status != 204 && same(field.name, "content-length");
    if (!told && is_hop_field(field.name)) return false;
    return !listed_in_connection(head, field.name) || is_one_of(field.name, end_to_end);
}

void write_response(std::string& out, const ResponseHead& head, const Framing& framing, After after, std::string_view upgrade) {
    out += "HTTP/1.1 ";
    add_number(out, static_cast<std::uint64_t>(head.status));
    (out += ' ') += head.reason;
    out += "\r\n";
    for (const Field& field : head.fields) {
        if (goes_on(head, framing, field)) add_field(out, field.name, field.value);
    }
    if (head.status >= 200) add_framing(out, framing);
    if (!upgrade.empty()) {
        out += "Connection: upgrade\r\n";
        add_field(out, "Upgrade", upgrade);
    }
    if (after == After::close) out += "Connection: close\r\n";
    if (after == After::keep_alive) out += "Connection: keep-alive\r\n";
    out += "\r\n";
}

std::string_view reason_of(int status) {
    switch (status) {
        case 100: return "Continue";
        case 400: return "Bad Request";
        case 404: return "Not Found";
        case 408: return "Request Timeout";
        case 413: return "Content Too Large";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 431: return "Request Header Fields Too Large";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return "Error";
    }
}

std::string error_text(int status) {
    std::string text;
    add_number(text, static_cast<std::uint64_t>(status));
    ((text += ' ') += reason_of(status)) += '\n';
    return text;
}

void write_error(std::string& out, int status, bool with_body, After after) {
    const std::string body = error_text(status);
    (out += "HTTP/1.1 ") += body.substr(0, body.size() - 1);
    out += "\r\nContent-Type: text/plain\r\nContent-Length: ";
    add_number(out, body.size());
    out += "\r\n";
    if (after == After::close) out += "Connection: close\r\n";
    if (after == After::keep_alive) out += "Connection: keep-alive\r\n";
    out += "\r\n";
    if (with_body) out += body;
}

void write_chunk_size(std::string& out, std::size_t size) {
    add_number(out, size, 16);
    out += "\r\n";
}

}  // namespace baton::http
