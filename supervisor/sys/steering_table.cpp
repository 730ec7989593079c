// The order of places in a group's table: arithmetic only.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/limits.h"
#include "sys/steering.h"

namespace baton::sys {
namespace {

constexpr std::uint64_t table_size = limits::steering_places;
// How far above its share a member of a hashed table may get: 1/20.
constexpr std::uint64_t excess_parts = 20;

std::uint64_t sum_of(std::span<const Weighted> members) {
    std::uint64_t sum = 0;
    for (const Weighted& member : members) sum += member.weight;
    return sum;
}

// Entries of each member in a round that fits the table: its weight by the common divisor; where the sum
// is too long, its share of the table, rounded so that the sum fits and nobody is left out.
std::vector<std::int64_t> round_shares(std::span<const Weighted> members) {
    std::uint64_t divisor = 0;
    for (const Weighted& member : members) divisor = std::gcd(divisor, std::uint64_t{member.weight});
    const std::uint64_t sum = sum_of(members);
    std::vector<std::int64_t> shares;
    if (sum / divisor <= table_size) {
        for (const Weighted& member : members)
            shares.push_back(static_cast<std::int64_t>(member.weight / divisor));
        return shares;
    }

    // Everybody one, the rest in proportion to what the exact share has above one.
    std::vector<double> wanted;
    double excess = 0;
    for (const Weighted& member : members) {
        const double exact = static_cast<double>(member.weight) * table_size / static_cast<double>(sum);
        wanted.push_back(std::max(exact - 1, 0.0));
        excess += wanted.back();
    }
    const auto spare = static_cast<double>(table_size - members.size());
    for (const double above : wanted) {
        shares.push_back(1 +
                         (excess > 0 ? static_cast<std::int64_t>(std::floor(above * spare / excess)) : 0));
    }
    return shares;
}

// nginx's smooth weighted round robin: every round each member's current weight grows by its weight, the
// largest wins, the first on ties, and loses the sum.
std::vector<std::uint32_t> smooth_order(std::span<const Weighted> members) {
    const auto shares = round_shares(members);
    const std::int64_t sum = std::accumulate(shares.begin(), shares.end(), std::int64_t{0});
    std::vector<std::int64_t> current(members.size(), 0);
    std::vector<std::uint32_t> table;
    for (std::int64_t turn = 0; turn < sum; ++turn) {
        std::size_t best = 0;
        for (std::size_t i = 0; i < members.size(); ++i) {
            current[i] += shares[i];
            if (current[i] > current[best]) best = i;
        }
        current[best] -= sum;
        table.push_back(members[best].place);
    }
    return table;
}

// splitmix64's finisher.
std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

// Weighted rendezvous: in each slot the members draw a time from an exponential distribution of their
// weight, and the earliest wins. What a member draws depends on nothing but itself and the slot.
double draw(const Weighted& member, std::uint64_t slot) {
    const std::uint64_t self = member.key != 0 ? mixed(member.key) : mixed(~std::uint64_t{member.place});
    const std::uint64_t bits = mixed(self ^ mixed(slot + 1)) >> 11;
    const double uniform = (static_cast<double>(bits) + 0.5) * 0x1p-53;
    return -std::log(uniform) / member.weight;
}

// A member that won no slot takes the one it came nearest to, from a member that can spare it.
void seat_the_unseated(std::span<const Weighted> members, std::vector<std::uint64_t>& won,
                       std::vector<std::size_t>& winners) {
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (won[i] != 0) continue;
        std::size_t best = winners.size();
        for (std::size_t slot = 0; slot < winners.size(); ++slot) {
            if (won[winners[slot]] < 2) continue;
            if (best == winners.size() || draw(members[i], slot) < draw(members[i], best)) best = slot;
        }
        if (best == winners.size()) continue;
        --won[winners[best]];
        ++won[i];
        winners[best] = i;
    }
}

std::vector<std::uint32_t> rendezvous(std::span<const Weighted> members) {
    const std::uint64_t sum = sum_of(members);
    std::vector<std::uint64_t> bound;
    for (const Weighted& member : members) {
        const std::uint64_t parts = member.weight * table_size * (excess_parts + 1);
        bound.push_back((parts + sum * excess_parts - 1) / (sum * excess_parts));
    }
    std::vector<std::uint64_t> won(members.size(), 0);
    std::vector<std::size_t> winners;
    for (std::uint64_t slot = 0; slot < table_size; ++slot) {
        std::size_t best = members.size();
        double earliest = INFINITY;
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (won[i] >= bound[i]) continue;
            const double time = draw(members[i], slot);
            if (time < earliest) {
                earliest = time;
                best = i;
            }
        }
        ++won[best];
        winners.push_back(best);
    }
    seat_the_unseated(members, won, winners);
    std::vector<std::uint32_t> table;
    for (const std::size_t winner : winners) table.push_back(members[winner].place);
    return table;
}

}  // namespace

Mode mode_for(const model::ListenerSpec& listener, std::string_view strategy) {
    if (strategy == "ip_hash" || strategy == "hash") return Mode::client_hash;
    return listener.protocol == model::Protocol::udp ? Mode::flow_hash : Mode::round_robin;
}

std::vector<std::uint32_t> build_table(Mode mode, std::span<const Weighted> members) {
    std::vector<Weighted> weighted;
    for (const Weighted& member : members) {
        if (member.weight != 0) weighted.push_back(member);
    }
    CHECK(weighted.size() <= table_size);
    if (weighted.empty()) return {};
    return mode == Mode::round_robin ? smooth_order(weighted) : rendezvous(weighted);
}

}  // namespace baton::sys
