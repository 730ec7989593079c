// What keys are mapped to: seats that have names and weights. A look-up (ring.h, maglev.h, rendezvous.h) is made
// once for a set of seats and not changed; it finds the seat of a key among those that `fit`. Seats are told apart
// by their names, whatever their order, so that every worker and host comes to the same.
#pragma once

#include <cstdint>

namespace hashing {

struct Seat {
    std::uint64_t name = 0;  // hash of it
    std::uint32_t weight = 0;
    friend bool operator==(const Seat&, const Seat&) = default;
};

inline constexpr std::uint32_t nowhere = UINT32_MAX;

}  // namespace hashing
