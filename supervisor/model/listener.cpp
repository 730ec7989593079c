#include "model/listener.h"

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

}  // namespace baton::model
