// What an event of the kernel's queue is about: an object's address and, in the bits that its alignment leaves free,
// what it is.
#pragma once

#include <cstdint>

#include "gateway/core.h"
#include "gateway/session.h"

namespace baton::gateway {

enum class Kind : std::uint64_t {
    other = 0,
    client = static_cast<std::uint64_t>(Side::client),
    upstream = static_cast<std::uint64_t>(Side::upstream),
    door = 3,
    giver = 4,
    taker = 5,
    handler = handler_kind
};
inline constexpr std::uint64_t kind_bits = 7;

template <class T>
std::uint64_t make_token(const T* object, Kind kind) {
    return reinterpret_cast<std::uint64_t>(object) | static_cast<std::uint64_t>(kind);
}

template <class T>
T* object_of(std::uint64_t token) {
    return reinterpret_cast<T*>(token & ~kind_bits);
}

}  // namespace baton::gateway
