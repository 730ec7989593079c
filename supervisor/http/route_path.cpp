#include "http/route_path.h"

#include <algorithm>
#include <cstddef>

namespace baton::http {
namespace {

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// False: it cannot be.
bool decode(std::string_view path, std::string& out) {
    out.clear();
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] != '%') {
            out += path[i];
            continue;
        }
        if (path.size() - i < 3) return false;
        const int high = digit(path[i + 1]);
        const int low = digit(path[i + 2]);
        if (high < 0 || low < 0 || high + low == 0) return false;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return true;
}

// In place: what is kept never overtakes what is read. It begins with a slash, and so does each segment that is kept.
void resolve(std::string& path) {
    std::size_t kept = 0;
    for (std::size_t from = 0; from < path.size();) {
        const std::size_t end = std::min(path.find('/', from + 1), path.size());
        const std::string_view segment = std::string_view(path).substr(from + 1, end - from - 1);
        const bool last = end == path.size();
        const bool up = segment == "..";
        if (up) {
            const std::size_t slash = kept == 0 ? std::string::npos : path.rfind('/', kept - 1);
            kept = slash == std::string::npos ? 0 : slash;
        }
        if (up || segment.empty() || segment == ".") {
            // A path that ends so names a folder.
            if (last) path[kept++] = '/';
        } else {
            const auto begin = path.begin();
            const auto offset = [](std::size_t at) { return static_cast<std::ptrdiff_t>(at); };
            std::copy(begin + offset(from), begin + offset(end), begin + offset(kept));
            kept += end - from;
        }
        from = end;
    }
    path.resize(kept);
}

}  // namespace

std::optional<std::string_view> route_path(std::string_view path, std::string& room) {
    path = path.substr(0, path.find('?'));
    if (!path.starts_with('/')) return path;  // "*"
    const auto has = [&](std::string_view text) { return path.find(text) != std::string_view::npos; };
    if (!has("%") && !has("//") && !has("/.")) return path;
    if (!decode(path, room)) return std::nullopt;
    resolve(room);
    return room;
}

}  // namespace baton::http
