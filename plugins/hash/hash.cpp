// Consistent hashing of keys, by one of three methods (ring, maglev, rendezvous), with bounded loads if wanted: an endpoint
// that has more than `bounded_load` times its share of the connections passes the key on to the next
// (Mirrokni, Thorup, Zadimoghaddam 2016).
//
// Places belong to names, so an instance that was restarted gets its keys back. Who cannot be used or is down
// keeps its places: only its own keys go elsewhere, and come back. Backups have places among themselves.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "baton/roster.hpp"
#include "maglev.h"
#include "rendezvous.h"
#include "ring.h"

namespace {

using namespace baton::sdk;
using hashing::Seat;

using Lookup = std::variant<hashing::Ring, hashing::Maglev, hashing::Rendezvous>;

struct Hash {
    static constexpr const char* name = "hash";
    static constexpr const char* description = "consistent hashing: a key keeps its endpoint";
    static constexpr std::uint32_t uses = BATON_USES_KEY;
    static constexpr std::array options{
        choice("method", "ring", "ring|maglev|rendezvous", "how keys are mapped to endpoints"),
        number("bounded_load", "0", 0, 100,
               "an endpoint with more than this times its share of connections passes keys on; 0: any number, else 1.01 or more"),
    };
    explicit Hash(const Settings& settings) : method(settings.text("method")), bounded_load(settings.number("bounded_load")) {
        if (bounded_load != 0 && bounded_load < 1.01) throw std::invalid_argument("bounded_load is 0 or 1.01 and more");
    }
    Lookup lookup(const std::vector<Seat>& seats) const {
        if (method == "maglev") return Lookup(std::in_place_type<hashing::Maglev>, seats);
        if (method == "rendezvous") return Lookup(std::in_place_type<hashing::Rendezvous>, seats);
        return Lookup(std::in_place_type<hashing::Ring>, seats);
    }
    std::string method;
    double bounded_load;
    class State;
};

class Hash::State {
  public:
    State(const Hash& strategy, const Pool& pool, const State* previous) : roster_(pool), bounded_load_(strategy.bounded_load) {
        for (const bool backup : {false, true}) {
            Tier& tier = tiers_[backup ? 1 : 0];
            fill(tier, pool, backup);
            const Tier* const before = previous == nullptr ? nullptr : &previous->tiers_[backup ? 1 : 0];
            // Tables are made anew only when seats have changed.
            tier.lookup = before != nullptr && before->seats == tier.seats ? before->lookup
                                                                          : std::make_shared<const Lookup>(strategy.lookup(tier.seats));
        }
    }

    std::uint32_t pick(const baton_request& request) {
        roster_.refresh();
        if (roster_.list().empty()) return none;
        const bool backups = roster_.backups_for(request);
        const Tier& tier = tiers_[backups ? 1 : 0];
        if (tier.seats.empty()) return none;
        const double per_weight = bounded_load_ == 0 ? 0 : most_per_weight(request);
        const auto fits = [&](std::uint32_t seat) {
            const std::uint32_t i = tier.endpoints[seat];
            const std::uint32_t weight = roster_.weight_for(request, backups, i);
            if (weight == 0) return false;
            return bounded_load_ == 0 || roster_.active(i) < static_cast<std::uint32_t>(std::ceil(per_weight * weight));
        };
        const std::uint32_t seat = std::visit([&](const auto& lookup) { return lookup.find(request.key_hash, fits); }, *tier.lookup);
        return seat == hashing::nowhere ? none : tier.endpoints[seat];
    }

  private:
    struct Tier {
        std::vector<Seat> seats;               // by name
        std::vector<std::uint32_t> endpoints;  // of each seat
        std::shared_ptr<const Lookup> lookup;
    };

    static void fill(Tier& tier, const Pool& pool, bool backup) {
        for (std::uint32_t i = 0; i < pool.size(); ++i) {
            if (((pool[i].flags & BATON_ENDPOINT_BACKUP) != 0) == backup && pool[i].weight > 0) tier.endpoints.push_back(i);
        }
        const auto name_of = [&](std::uint32_t i) { return std::string_view(pool[i].name, pool[i].name_size); };
        std::sort(tier.endpoints.begin(), tier.endpoints.end(), [&](std::uint32_t a, std::uint32_t b) { return name_of(a) < name_of(b); });
        for (const std::uint32_t i : tier.endpoints) tier.seats.push_back({baton_hash(pool[i].name, pool[i].name_size), pool[i].weight});
    }

    // Connections that one endpoint may have for each thousandth of its weight, with this request counted.
    double most_per_weight(const baton_request& request) const {
        std::uint64_t connections = 1;
        std::uint64_t weights = 0;
        roster_.each_for(request, [&](std::uint32_t i, std::uint32_t weight) {
            connections += roster_.active(i);
            weights += weight;
        });
        return weights == 0 ? 0 : bounded_load_ * static_cast<double>(connections) / static_cast<double>(weights);
    }

    Roster roster_;
    double bounded_load_;
    Tier tiers_[2];  // backups have the second
};

}  // namespace

BATON_STRATEGIES("hash", "1.0", "consistent hashing: ring, maglev, rendezvous; bounded loads", Hash)
