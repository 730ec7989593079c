#include "strategy/addresses.h"

#include <arpa/inet.h>

namespace baton::strategy {

AddressBytes bytes_of(const model::Address& address) {
    AddressBytes bytes;
    const int family = address.family == model::Family::inet4 ? AF_INET : AF_INET6;
    if (model::is_unix(address) || ::inet_pton(family, address.host.c_str(), bytes.bytes.data()) != 1) return bytes;
    bytes.size = family == AF_INET ? 4 : 16;
    return bytes;
}

baton_address AddressBytes::view(const model::Address& address) const {
    if (model::is_unix(address)) {
        return {reinterpret_cast<const std::uint8_t*>(address.host.data()), static_cast<std::uint32_t>(address.host.size()),
                BATON_FAMILY_UNIX, 0};
    }
    if (size == 0) return {nullptr, 0, BATON_FAMILY_NONE, 0};
    return {bytes.data(), size, static_cast<std::uint16_t>(size == 4 ? BATON_FAMILY_INET4 : BATON_FAMILY_INET6), address.port};
}

}  // namespace baton::strategy
