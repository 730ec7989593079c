#include "plan/steering.h"

#include "plan/step.h"

namespace baton::plan {

using model::Instance;
using model::InstanceState;

namespace {

enum class Rank { ready, soon, last };

Rank rank_of(const Instance& instance) {
    if (instance.state == InstanceState::ready) return Rank::ready;
    const bool leaving = instance.ending == model::Ending::remove || instance.ending == model::Ending::park;
    return leaving ? Rank::last : Rank::soon;
}

}  // namespace

std::map<std::string, Table> steering_tables(const model::State& state, const model::Service& service) {
    std::map<std::string, Table> tables;
    std::map<std::string, Rank> best;
    for (const Instance& instance : service.instances) {
        const Rank rank = rank_of(instance);
        for (const auto& socket : instance.sockets) {
            const auto [known, fresh] = best.try_emplace(socket.listener, rank);
            Table& table = tables[socket.listener];
            if (rank < known->second) {
                table.shares.clear();
                known->second = rank;
            }
            if (rank == known->second) table.shares.push_back({socket.place, rank == Rank::ready ? instance.weight : 1});
        }
    }
    const bool wanted_now = wanted(state, service);
    for (auto& [identity, table] : tables) {
        bool leaving = !wanted_now;
        for (const auto& closing : state.counters.closing) leaving = leaving || model::identity(closing.spec) == identity;
        table.closed = leaving;
        if (leaving) table.shares.clear();
    }
    return tables;
}

}  // namespace baton::plan
