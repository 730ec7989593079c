// Where a key belongs among seats that have names and weights: three methods with one interface.
//
//   ring        160 points a weight on a circle; a key belongs to the next point. One seat less moves its own keys
//               only. Costs memory by weight.
//   maglev      a table of 65,537 places, filled by the seats' permutations in turn. The most even, and a look-up
//               is one access; one seat less moves a few keys of others, too.
//   rendezvous  the highest score of key and seat. Even, moves nothing needlessly, no memory; looks at every seat.
//
// A look-up is made once for a set of seats and not changed. Seats are told apart by their names, whatever their
// order, so that every worker and host comes to the same.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "baton/strategy.h"

namespace hashing {

struct Seat {
    std::uint64_t name = 0;  // hash of it
    std::uint32_t weight = 0;
    friend bool operator==(const Seat&, const Seat&) = default;
};

inline constexpr std::uint32_t nowhere = UINT32_MAX;
inline constexpr std::uint32_t points_a_weight = 160;
// Points of one ring; heavier sets of seats have fewer points a weight. 3 MiB.
inline constexpr std::uint32_t most_points = 1U << 18U;
inline constexpr std::uint32_t maglev_places = 65'537;  // prime

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

// A number from a seat and a key, as good as random: the two halves of a product, as in wyhash (Wang Yi).
inline std::uint64_t score_of(std::uint64_t seat, std::uint64_t key) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(seat ^ 0xa0761d6478bd642fU) * (key ^ 0xe7037ed1a0b428dbU);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

// -ln(u) of a u in (0, 1), to a millionth: the exponent, and for the mantissa m the first terms of
// ln m = 2 artanh((m - 1) / (m + 1)). The library's is several times as slow.
inline double minus_log(double u) {
    const auto bits = std::bit_cast<std::uint64_t>(u);
    const double exponent = static_cast<double>(static_cast<std::int64_t>(bits >> 52U) - 1023);
    const double mantissa = std::bit_cast<double>((bits & 0x000fffffffffffffU) | 0x3ff0000000000000U);
    const double s = (mantissa - 1) / (mantissa + 1);
    const double s2 = s * s;
    return -(exponent * 0.6931471805599453 + 2 * s * (1 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 * (1.0 / 9))))));
}

class Rendezvous {
  public:
    explicit Rendezvous(const std::vector<Seat>& seats) {
        for (const Seat& seat : seats) {
            names_.push_back(seat.name);
            weights_.push_back(seat.weight);
        }
        even_ = std::all_of(weights_.begin(), weights_.end(), [&](std::uint32_t weight) { return weight == weights_.front(); });
    }

    template <class Fits>
    std::uint32_t find(std::uint64_t key, const Fits& fits) const {
        // Nearly always the best of all fits; only otherwise each is asked.
        const auto all = [](std::uint32_t) { return true; };
        const std::uint32_t best = even_ ? highest(key, all) : heaviest(key, all);
        if (best == nowhere || fits(best)) return best;
        return even_ ? highest(key, fits) : heaviest(key, fits);
    }

  private:
    template <class Fits>
    std::uint32_t highest(std::uint64_t key, const Fits& fits) const {
        std::uint32_t best = nowhere;
        std::uint64_t most = 0;
        for (std::uint32_t s = 0; s < names_.size(); ++s) {
            // Never 0, which is less than any.
            const std::uint64_t score = score_of(names_[s], key) | 1U;
            if (score > most && fits(s)) {
                most = score;
                best = s;
            }
        }
        return best;
    }

    // weight / -ln(u) of a random u in (0, 1). As -ln(u) > 1 - u, most can be seen to be less without a
    // logarithm: by 1 - u, in units of 2^-52, and what that may be for a weight of 1.
    template <class Fits>
    std::uint32_t heaviest(std::uint64_t key, const Fits& fits) const {
        std::uint32_t best = nowhere;
        double most = 0;
        std::uint64_t farthest = 1ULL << 53U;
        for (std::uint32_t s = 0; s < names_.size(); ++s) {
            const std::uint64_t number = score_of(names_[s], key);
            if (~number >> 12U > weights_[s] * farthest) continue;
            const double u = (static_cast<double>(number >> 11U) + 0.5) * 0x1p-53;
            const double score = weights_[s] / minus_log(u);
            if (score <= most || !fits(s)) continue;
            best = s;
            most = score;
            farthest = static_cast<std::uint64_t>(std::min(0x1p52 / most, 0x1p53)) + 1;
        }
        return best;
    }

    std::vector<std::uint64_t> names_;
    std::vector<std::uint32_t> weights_;
    bool even_ = true;
};

class Maglev {
  public:
    explicit Maglev(const std::vector<Seat>& seats) : otherwise_(seats), places_(maglev_places, none) {
        std::uint32_t heaviest = 0;
        for (const Seat& seat : seats) heaviest = std::max(heaviest, seat.weight);
        if (heaviest == 0) return;
        struct Permutation {
            std::uint32_t next;
            std::uint32_t skip;
            std::uint64_t due;  // the round of its next place, times its weight
        };
        std::vector<Permutation> permutations;
        for (const Seat& seat : seats) {
            const std::uint64_t mixed = baton_mix(seat.name + 1);
            permutations.push_back({static_cast<std::uint32_t>(seat.name % maglev_places),
                                    static_cast<std::uint32_t>(mixed % (maglev_places - 1)) + 1, 0});
        }
        std::uint32_t filled = 0;
        for (std::uint64_t round = 1; filled < maglev_places; ++round) {
            for (std::size_t s = 0; s < seats.size() && filled < maglev_places; ++s) {
                Permutation& own = permutations[s];
                if (seats[s].weight == 0 || round * seats[s].weight < own.due) continue;
                own.due += heaviest;
                while (places_[own.next] != none) own.next = (own.next + own.skip) % maglev_places;
                places_[own.next] = static_cast<std::uint16_t>(s);
                ++filled;
            }
        }
    }

    // Where its seat does not fit, the key is hashed on; after that, it is the rendezvous of those that fit.
    template <class Fits>
    std::uint32_t find(std::uint64_t key, const Fits& fits) const {
        constexpr int attempts = 16;
        std::uint64_t hash = key;
        for (int k = 0; k < attempts; ++k) {
            const std::uint16_t seat = places_[hash % maglev_places];
            if (seat == none) return nowhere;
            if (fits(seat)) return seat;
            hash = baton_mix(hash + 1);
        }
        return otherwise_.find(key, fits);
    }

  private:
    static constexpr std::uint16_t none = UINT16_MAX;
    Rendezvous otherwise_;
    std::vector<std::uint16_t> places_;
};

}  // namespace hashing
