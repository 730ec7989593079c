// Rendezvous: a key belongs to the seat with which it has the highest score. Even, moves nothing needlessly, no
// memory; looks at every seat.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "seat.h"

namespace hashing {

// A number from a seat and a key, as good as random: the two halves of a product, as in wyhash (Wang Yi). Each is mixed
// once for all products that it is in.
inline std::uint64_t mixed_seat(std::uint64_t seat) { return seat ^ 0xa0761d6478bd642fU; }
inline std::uint64_t mixed_key(std::uint64_t key) { return key ^ 0xe7037ed1a0b428dbU; }
inline std::uint64_t number_of(std::uint64_t seat, std::uint64_t key) {
    __extension__ using Wide = unsigned __int128;
    // Two products: the halves of one go through memory.
    return (seat * key) ^ static_cast<std::uint64_t>((static_cast<Wide>(seat) * key) >> 64U);
}
inline std::uint64_t score_of(std::uint64_t seat, std::uint64_t key) {
    return number_of(mixed_seat(seat), mixed_key(key));
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

// The least of what was added, and how much the next one has, without a branch: which it is cannot be foreseen.
struct Least {
    std::uint64_t first = UINT64_MAX;
    std::uint64_t second = UINT64_MAX;
    std::uint32_t seat = nowhere;

    void add(std::uint64_t distance, std::uint32_t of) {
        const bool less = distance < first;
        const std::uint64_t other = less ? first : distance;
        second = other < second ? other : second;
        seat = less ? of : seat;
        first = less ? distance : first;
    }
};

// Of a number, the u in (0, 1).
inline double unit(std::uint64_t number) {
    return (static_cast<double>(number >> 11U) + 0.5) * 0x1p-53;
}

class Rendezvous {
  public:
    explicit Rendezvous(const std::vector<Seat>& seats) {
        for (const Seat& seat : seats) {
            names_.push_back(mixed_seat(seat.name));
            weights_.push_back(seat.weight);
            shares_.push_back((1ULL << 32U) / seat.weight);
        }
        even_ = std::all_of(weights_.begin(), weights_.end(), [&](std::uint32_t weight) { return weight == weights_.front(); });
    }

    template <class Fits>
    std::uint32_t find(std::uint64_t hash, const Fits& fits) const {
        const std::uint64_t key = mixed_key(hash);
        // Nearly always the best of all fits; only otherwise each is asked.
        const auto all = [](std::uint32_t) { return true; };
        const std::uint32_t best = even_ ? highest(key, all) : heaviest(key, all, nearest(key));
        if (best == nowhere || fits(best)) return best;
        return even_ ? highest(key, fits) : heaviest(key, fits, {});
    }

  private:
    template <class Fits>
    std::uint32_t highest(std::uint64_t key, const Fits& fits) const {
        std::uint32_t best = nowhere;
        std::uint64_t most = 0;
        for (std::uint32_t s = 0; s < names_.size(); ++s) {
            // Never 0, which is less than any.
            const std::uint64_t score = number_of(names_[s], key) | 1U;
            if (score > most && fits(s)) {
                most = score;
                best = s;
            }
        }
        return best;
    }

    struct Found {
        std::uint32_t best = nowhere;
        double most = 0;
        std::uint32_t next = 0;  // the first that was not looked at
    };

    // The best of the first seats. As -ln(u) is a little more than 1 - u, it is the one whose 1 - u is the least for its
    // weight, unless another one's is less than its logarithm: then nobody is found, and nobody was looked at.
    Found nearest(std::uint64_t key) const {
        const auto end = static_cast<std::uint32_t>(std::min<std::size_t>(names_.size(), at_once));
        // In units of 2^-64, and too little rather than too much.
        const std::uint64_t* const names = names_.data();
        const std::uint64_t* const shares = shares_.data();
        const auto distance = [=](std::size_t s) { return (~number_of(names[s], key) >> 32U) * shares[s]; };
        // First the row, of which only the least counts; then the seat in it.
        Least rows;
        std::uint32_t s = 0;
        for (; s + row <= end; s += row) {
            std::uint64_t least = UINT64_MAX;
            for (std::size_t i = 0; i < row; ++i) {
                const std::uint64_t its = distance(s + i);
                least = its < least ? its : least;
            }
            rows.add(least, s);
        }
        Least seats;
        if (rows.seat != nowhere) {
            for (std::uint32_t i = 0; i < row; ++i) seats.add(distance(rows.seat + i), rows.seat + i);
            seats.second = std::min(seats.second, rows.second);
        }
        for (; s < end; ++s) seats.add(distance(s), s);
        if (seats.seat == nowhere) return {};
        const double weight = weights_[seats.seat];
        const double log = minus_log(unit(number_of(names[seats.seat], key)));
        // u was rounded to 2^-53, which may be half of this.
        constexpr double rounded = 0x1p12;
        if ((static_cast<double>(seats.second) - rounded) * weight <= 0x1p64 * 1.000001 * log) return {};
        return {seats.seat, weight / log, end};
    }

    // The one of the highest score, which is weight / -ln(u). Most can be seen to have less without a logarithm: by 1 - u,
    // in units of 2^-52, and what that may be for a weight of 1.
    template <class Fits>
    std::uint32_t heaviest(std::uint64_t key, const Fits& fits, Found found) const {
        if (found.next == names_.size()) return found.best;
        const auto within = [](double most) { return static_cast<std::uint64_t>(std::min(0x1p52 / most, 0x1p53)) + 1; };
        std::uint64_t farthest = found.best == nowhere ? 1ULL << 53U : within(found.most);
        for (std::uint32_t s = found.next; s < names_.size(); ++s) {
            const std::uint64_t number = number_of(names_[s], key);
            if (~number >> 12U > weights_[s] * farthest) continue;
            const double its = weights_[s] / minus_log(unit(number));
            if (its <= found.most || !fits(s)) continue;
            found.best = s;
            found.most = its;
            farthest = within(its);
        }
        return found.best;
    }

    // Of more than these the best of the first is most often the best of all, and no branch is a surprise.
    static constexpr std::size_t at_once = 128;
    static constexpr std::uint32_t row = 8;

    std::vector<std::uint64_t> names_;
    std::vector<std::uint32_t> weights_;
    std::vector<std::uint64_t> shares_;  // the reciprocals of the weights, in units of 2^-32
    bool even_ = true;
};

}  // namespace hashing
