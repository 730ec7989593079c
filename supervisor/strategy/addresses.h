// Addresses as plugins get them: bytes in network order.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include <baton/strategy.h>

#include "model/address.h"

namespace baton::strategy {

// The bytes of an internet address; a path is its own.
struct AddressBytes {
    std::array<std::uint8_t, 16> bytes{};
    std::uint32_t size = 0;

    // Points into this object, or into the address where it is a path.
    baton_address view(const model::Address& address) const;
};
AddressBytes bytes_of(const model::Address& address);

// 4 bytes, 16, or none.
inline baton_address client_address(std::span<const std::uint8_t> bytes) {
    if (bytes.size() == 4) return {bytes.data(), 4, BATON_FAMILY_INET4, 0};
    if (bytes.size() == 16) return {bytes.data(), 16, BATON_FAMILY_INET6, 0};
    return {nullptr, 0, BATON_FAMILY_NONE, 0};
}

}  // namespace baton::strategy
