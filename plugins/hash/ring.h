// The ring: 160 points a weight on a circle; a key belongs to the next point. One seat less moves its own keys
// only. Costs memory by weight.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "baton/strategy.h"
#include "seat.h"

namespace hashing {

inline constexpr std::uint32_t points_a_weight = 160;
// Points of one ring; heavier sets of seats have fewer points a weight. 3 MiB.
inline constexpr std::uint32_t most_points = 1U << 18U;

class Ring {
  public:
    explicit Ring(const std::vector<Seat>& seats) {
        std::uint64_t sum = 0;
        for (const Seat& seat : seats) sum += seat.weight;
        const std::uint64_t each = sum == 0 ? 0 : std::clamp<std::uint64_t>(most_points / sum, 1, points_a_weight);
        std::vector<std::pair<std::uint64_t, std::uint16_t>> points;
        points.reserve(sum * each);
        for (std::size_t s = 0; s < seats.size(); ++s) {
            for (std::uint64_t k = 0; k < seats[s].weight * each; ++k) {
                points.emplace_back(baton_mix(seats[s].name + (k + 1) * 0x9e3779b97f4a7c15U), static_cast<std::uint16_t>(s));
            }
        }
        std::sort(points.begin(), points.end());
        at_.reserve(points.size());
        owner_.reserve(points.size());
        for (const auto& [at, owner] : points) {
            at_.push_back(at);
            owner_.push_back(owner);
        }
        // About one point a slice of the circle, so that the search begins where it ends.
        unsigned bits = 1;
        while ((std::size_t{1} << bits) < at_.size()) ++bits;
        shift_ = 64 - bits;
        slices_.resize(std::size_t{1} << bits);
        for (std::size_t slice = 0; slice < slices_.size(); ++slice) {
            const auto first = std::lower_bound(at_.begin(), at_.end(), static_cast<std::uint64_t>(slice) << shift_);
            slices_[slice] = static_cast<std::uint32_t>(first - at_.begin());
        }
    }

    // The first seat along the circle that `fits`, or nowhere.
    template <class Fits>
    std::uint32_t find(std::uint64_t key, const Fits& fits) const {
        const std::size_t count = at_.size();
        std::size_t place = slices_[key >> shift_];
        while (place < count && at_[place] < key) ++place;
        for (std::size_t k = 0; k < count; ++k, ++place) {
            if (place >= count) place = 0;
            if (fits(owner_[place])) return owner_[place];
        }
        return nowhere;
    }

  private:
    std::vector<std::uint64_t> at_;
    std::vector<std::uint16_t> owner_;
    std::vector<std::uint32_t> slices_;
    unsigned shift_ = 63;
};

}  // namespace hashing
