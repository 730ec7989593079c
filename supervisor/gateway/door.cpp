#include "gateway/door.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "http/route_path.h"

namespace baton::gateway {
namespace {

// Without the port, in lower case: as hosts are compared.
std::string host_of(std::string_view authority) {
    const std::size_t end = authority.starts_with('[') ? authority.find(']') + 1 : authority.find(':');
    std::string host(authority.substr(0, end));
    std::transform(host.begin(), host.end(), host.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return host;
}

// Whole segments: /api is no prefix of /apiary.
bool has_prefix(std::string_view path, std::string_view prefix) {
    if (!path.starts_with(prefix)) return false;
    return prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/';
}

bool fits(const model::Match& match, const http::RequestHead& head, std::string_view path) {
    if (!match.path_prefix.empty() && !has_prefix(path, match.path_prefix)) return false;
    if (!match.host.empty() && host_of(head.authority) != match.host) return false;
    if (match.header_name.empty()) return true;
    return std::any_of(head.fields.begin(), head.fields.end(), [&](const http::Field& field) {
        return http::same(field.name, match.header_name) && (match.header_value.empty() || field.value == match.header_value);
    });
}

std::string_view cookie_of(const http::RequestHead& head, std::string_view name) {
    for (const http::Field& field : head.fields) {
        if (!http::same(field.name, "cookie")) continue;
        std::string_view rest = field.value;
        while (!rest.empty()) {
            const std::size_t end = rest.find(';');
            std::string_view pair = rest.substr(0, end);
            while (pair.starts_with(' ')) pair.remove_prefix(1);
            if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') return pair.substr(name.size() + 1);
            if (end == std::string_view::npos) break;
            rest.remove_prefix(end + 1);
        }
    }
    return {};
}

}  // namespace

bool Door::empty() const {
    return std::all_of(choices.begin(), choices.end(), [](const Choice& choice) { return choice.pool->empty(); });
}

Door::Found Door::find(const http::RequestHead& head) const {
    const bool by_path = std::any_of(choices.begin(), choices.end(), [](const Choice& choice) { return !choice.match.path_prefix.empty(); });
    std::string room;
    const auto path = by_path ? http::route_path(head.path, room) : std::optional(head.path);
    if (!path) return {400, nullptr};
    const auto found = std::find_if(choices.begin(), choices.end(), [&](const Choice& choice) { return fits(choice.match, head, *path); });
    return found == choices.end() ? Found{404, nullptr} : Found{0, found->pool};
}

void Door::add(model::Match match, std::shared_ptr<Pool> pool) {
    // In the spelling that it is compared with.
    std::string room;
    if (const auto path = http::route_path(match.path_prefix, room)) match.path_prefix = std::string(*path);
    choices.push_back({std::move(match), std::move(pool)});
}

http::Origin Door::origin(const ClientAddress& client, bool secure) const {
    using model::Forwarded;
    http::Origin origin;
    origin.address = client.text;
    origin.secure = secure;
    origin.x_forwarded = entrance.http.forwarded == Forwarded::x_forwarded || entrance.http.forwarded == Forwarded::both;
    origin.forwarded = entrance.http.forwarded == Forwarded::forwarded || entrance.http.forwarded == Forwarded::both;
    origin.trusted = entrance.http.trust_forwarded;
    return origin;
}

std::string key_of(const std::string& spec, const http::RequestHead& head, const ClientAddress& client) {
    if (spec.starts_with("header:")) {
        const http::Field* field = http::find(head.fields, std::string_view(spec).substr(7));
        return field == nullptr ? std::string() : std::string(field->value);
    }
    if (spec.starts_with("cookie:")) return std::string(cookie_of(head, std::string_view(spec).substr(7)));
    if (spec == "path") return std::string(head.path.substr(0, head.path.find('?')));
    return spec == "client_ip" ? client.text : std::string();
}

}  // namespace baton::gateway
