// Rendezvous: a key belongs to the seat with which it has the highest score. Even, moves nothing needlessly, no
// memory; looks at every seat.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "seat.h"

namespace hashing {

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

}  // namespace hashing
