#include "model/listener.h"

#include <algorithm>

namespace baton::model {

std::string identity(const ListenerSpec& listener) {
    if (is_unix(listener.address)) return to_string(listener.address);
    std::string text = listener.protocol == Protocol::udp ? "udp" : "tcp";
    text += listener.address.family == Family::inet4 ? "4:" : "6:";
    return text + to_string(listener.address);
}

bool can_steer(const ListenerSpec& listener) {
    return !is_unix(listener.address);
}

bool leads_to(const ListenerSpec& listener, std::string_view service) {
    return listener.service == service ||
           std::any_of(listener.routes.begin(), listener.routes.end(), [&](const RouteSpec& route) { return route.service == service; });
}

std::vector<std::string> services_of(const ListenerSpec& listener) {
    std::vector<std::string> names{listener.service};
    for (const RouteSpec& route : listener.routes) {
        if (std::find(names.begin(), names.end(), route.service) == names.end()) names.push_back(route.service);
    }
    return names;
}

ListenerSpec socket_of(const ListenerSpec& listener) {
    ListenerSpec socket;
    socket.name = listener.name;
    socket.address = listener.address;
    socket.protocol = listener.protocol;
    socket.service = listener.service;
    socket.backlog = listener.backlog;
    return socket;
}

}  // namespace baton::model
