#include "http/head.h"

#include <algorithm>
#include <array>

#include "base/http_limits.h"

namespace baton::http {
namespace {

// Classes of bytes (RFC 9110, section 5.6.2; RFC 3986 for the target).
constexpr std::uint8_t token_byte = 1;
constexpr std::uint8_t target_byte = 2;
constexpr std::uint8_t value_byte = 4;

constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    for (std::size_t i = 0; i < classes.size(); ++i) {
        const bool digit = i >= '0' && i <= '9';
        const bool letter = (i >= 'a' && i <= 'z') || (i >= 'A' && i <= 'Z');
        if (digit || letter) classes[i] |= token_byte;
        if (i > 0x20 && i < 0x7f) classes[i] |= target_byte;
        if ((i >= 0x20 && i != 0x7f) || i == '\t') classes[i] |= value_byte;
    }
    for (const char c : std::string_view("!#$%&'*+-.^_`|~")) classes[static_cast<unsigned char>(c)] |= token_byte;
    // A fragment is never sent, and every browser encodes these; | { } and others of RFC 3986 are sent as they are.
    for (const char c : std::string_view("\"<>#")) {
        classes[static_cast<unsigned char>(c)] &= static_cast<std::uint8_t>(~target_byte);
    }
    return classes;
}
constexpr auto classes = make_classes();

bool all(std::string_view text, std::uint8_t wanted) {
    return std::all_of(text.begin(), text.end(), [&](char c) { return (classes[static_cast<unsigned char>(c)] & wanted) != 0; });
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Takes the next line off; find_end has made sure that there is one and that it ends with CR LF.
std::string_view next_line(std::string_view& bytes) {
    const std::size_t end = bytes.find("\r\n");
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 2);
    return line;
}

// A line that begins with a blank would be a folded field, a name with a blank before the colon two names:
// neither is a token.
bool read_lines(std::string_view bytes, std::vector<Field>& fields, bool& too_many) {
    fields.clear();
    while (!bytes.empty()) {
        const std::string_view line = next_line(bytes);
        if (line.empty()) return bytes.empty();
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) return false;
        const Field field{line.substr(0, colon), trimmed(line.substr(colon + 1))};
        if (!all(field.name, token_byte) || !all(field.value, value_byte)) return false;
        if (fields.size() == limits::http_fields) {
            too_many = true;
            return false;
        }
        fields.push_back(field);
    }
    return true;
}

// A host with an optional port: letters, digits, the marks of names, a literal in brackets. User names have
// no place there (RFC 9110, section 4.2.4).
bool is_authority(std::string_view text) {
    if (text.empty()) return false;
    if (text.front() == '[') {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || end == 1) return false;
        const std::string_view inner = text.substr(1, end - 1);
        if (inner.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return false;
        text.remove_prefix(end + 1);
        if (text.empty()) return true;
        if (text.front() != ':') return false;
    } else {
        const std::size_t colon = text.find(':');
        const std::string_view host = text.substr(0, colon);
        if (host.empty() || host.find_first_of("@/?[],;\\{}|^`") != std::string_view::npos || !all(host, target_byte)) return false;
        if (colon == std::string_view::npos) return true;
        text.remove_prefix(colon);
    }
    const std::string_view port = text.substr(1);
    return port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
}

// The four forms of a target (RFC 9112, section 3.2). CONNECT is for forward proxies, which this is not.
int read_target(RequestHead& head) {
    if (head.method == "CONNECT") return 501;
    const std::string_view target = head.target;
    head.authority = {};
    if (target.front() == '/') {
        head.path = target;
        return 0;
    }
    if (target == "*") {
        head.path = target;
        return head.method == "OPTIONS" ? 0 : 400;
    }
    const std::size_t scheme = target.find("://");
    if (scheme == std::string_view::npos || !(same(target.substr(0, scheme), "http") || same(target.substr(0, scheme), "https"))) return 400;
    const std::string_view rest = target.substr(scheme + 3);
    const std::size_t end = rest.find_first_of("/?");
    head.authority = rest.substr(0, end);
    if (!is_authority(head.authority)) return 400;
    if (end != std::string_view::npos && rest[end] == '?') return 400;  // an empty path before a query: nobody sends it
    head.path = end == std::string_view::npos ? std::string_view("/") : rest.substr(end);
    return 0;
}

// Exactly one Host with HTTP/1.1, and it agrees with an absolute target's by being replaced with it (3.2.2).
int read_host(RequestHead& head) {
    const std::size_t hosts = count(head.fields, "host");
    if (hosts > 1 || (hosts == 0 && head.minor == 1)) return 400;
    if (hosts == 0) return 0;
    const std::string_view host = find(head.fields, "host")->value;
    if (!host.empty() && !is_authority(host)) return 400;
    if (head.authority.empty()) head.authority = host;
    return 0;
}

}  // namespace

bool same(std::string_view one, std::string_view other) {
    return one.size() == other.size() &&
           std::equal(one.begin(), one.end(), other.begin(), [](char a, char b) { return a == b || lower(a) == lower(b); });
}

const Field* find(const std::vector<Field>& fields, std::string_view name) {
    const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return same(field.name, name); });
    return found == fields.end() ? nullptr : &*found;
}

std::size_t count(const std::vector<Field>& fields, std::string_view name) {
    return static_cast<std::size_t>(
        std::count_if(fields.begin(), fields.end(), [&](const Field& field) { return same(field.name, name); }));
}

bool lists(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        if (same(trimmed(list.substr(0, comma)), token)) return true;
        if (comma == std::string_view::npos) return false;
        list.remove_prefix(comma + 1);
    }
    return false;
}

HeadEnd find_end(std::string_view bytes, Scan& scan) {
    using Kind = HeadEnd::Kind;
    for (;;) {
        const std::string_view rest = bytes.substr(scan.scanned);
        const std::size_t end = rest.find('\n');
        const std::string_view line = rest.substr(0, end);
        // A CR is the line's end or nothing; one that is the last so far may still be.
        const std::size_t mark = line.find_first_of(std::string_view("\r\0", 2));
        if (end == std::string_view::npos) {
            const bool whole_so_far = mark == std::string_view::npos || (line[mark] == '\r' && mark + 1 == line.size());
            return {whole_so_far ? Kind::more : Kind::bad, 0};
        }
        if (mark == std::string_view::npos || line[mark] != '\r' || mark + 1 != line.size()) return {Kind::bad, 0};
        scan.scanned += end + 1;
        ++scan.lines;
        if (line.size() == 1) return {Kind::whole, scan.scanned};
    }
}

int read(std::string_view bytes, RequestHead& head) {
    std::string_view line = next_line(bytes);
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return 400;
    head.method = line.substr(0, first);
    head.target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (head.method.empty() || !all(head.method, token_byte)) return 400;
    if (head.method.size() > limits::http_method_bytes) return 501;
    if (head.target.empty() || !all(head.target, target_byte)) return 400;
    const auto digit = [&](std::size_t at) { return version[at] >= '0' && version[at] <= '9'; };
    if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(5) || version[6] != '.' || !digit(7)) return 400;
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return 505;
    head.minor = version.back() - '0';
    bool too_many = false;
    if (!read_lines(bytes, head.fields, too_many)) return too_many ? 431 : 400;
    if (const int status = read_target(head); status != 0) return status;
    return read_host(head);
}

bool read(std::string_view bytes, ResponseHead& head) {
    const std::string_view line = next_line(bytes);
    // HTTP/1.1 200 OK; the reason and the blank before it may be missing.
    if (line.size() < 12 || !line.starts_with("HTTP/1.") || (line[7] != '0' && line[7] != '1') || line[8] != ' ') return false;
    head.minor = line[7] - '0';
    head.status = 0;
    for (const char digit : line.substr(9, 3)) {
        if (digit < '0' || digit > '9') return false;
        head.status = head.status * 10 + (digit - '0');
    }
    if (head.status < 100 || (line.size() > 12 && line[12] != ' ')) return false;
    head.reason = line.size() > 13 ? line.substr(13) : std::string_view();
    bool too_many = false;
    return all(head.reason, value_byte) && read_lines(bytes, head.fields, too_many);
}

bool read_fields(std::string_view bytes, std::vector<Field>& fields) {
    bool too_many = false;
    return read_lines(bytes, fields, too_many);
}

bool may_trail(std::string_view name) {
    constexpr std::array<std::string_view, 20> never{
        "transfer-encoding", "content-length", "trailer", "te", "connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings",
        "host", "expect", "max-forwards", "range", "content-type", "content-encoding", "content-range",
        "authorization", "proxy-authorization", "cookie", "forwarded"};
    constexpr std::string_view forwarded = "x-forwarded-";
    return !same(name.substr(0, forwarded.size()), forwarded) &&
           std::none_of(never.begin(), never.end(), [&](std::string_view one) { return same(name, one); });
}

bool purge_trailer(std::string& lines) {
    std::vector<Field> fields;
    if (lines.empty() || !read_fields(lines, fields)) return false;
    if (std::all_of(fields.begin(), fields.end(), [](const Field& field) { return may_trail(field.name); })) return false;
    std::string kept;
    for (const Field& field : fields) {
        if (may_trail(field.name)) ((((kept += field.name) += ": ") += field.value) += "\r\n");
    }
    lines = std::move(kept);
    return true;
}

bool is_idempotent(std::string_view method) {
    constexpr std::array<std::string_view, 6> methods{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    return std::find(methods.begin(), methods.end(), method) != methods.end();
}

}  // namespace baton::http
