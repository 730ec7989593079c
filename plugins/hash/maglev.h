// Maglev (Eisenbud and others 2016): a table of 65,537 places, filled by the seats' permutations in turn. The most
// even, and a look-up is one access; one seat less moves a few keys of others, too.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "baton/strategy.h"
#include "rendezvous.h"
#include "seat.h"

namespace hashing {

inline constexpr std::uint32_t maglev_places = 65'537;  // prime

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
