// Numbers that must not be mixed up, each a type of its own.
#pragma once

#include <compare>
#include <cstdint>

namespace baton {

template <class Tag, class Rep>
struct Id {
    Rep value{};
    friend constexpr auto operator<=>(const Id&, const Id&) = default;
};

// A child of the keeper: unique for each start, never used again.
using ChildId = Id<struct ChildTag, std::uint64_t>;
// A master, and all that belongs to it.
using Generation = Id<struct GenerationTag, std::uint32_t>;

}  // namespace baton
