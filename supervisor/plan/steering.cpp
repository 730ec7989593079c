#include "plan/steering.h"

#include <algorithm>

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

// One that left the configuration stays shut, also when its queue is empty before its last holder is gone.
bool is_open(const model::State& state, const std::string& listener) {
    const auto& listeners = state.configuration.listeners;
    return std::any_of(listeners.begin(), listeners.end(), [&](const auto& spec) { return identity(spec) == listener; });
}

}  // namespace

std::map<std::string, Table> steering_tables(const model::State& state, const model::Service& service) {
    std::map<std::string, Table> tables;
    for (const Instance& instance : service.instances) {
        for (const auto& socket : instance.sockets) tables.try_emplace(socket.listener, Table{true, {}});
    }
    if (state.counters.kernel_steering) {
        // Also where no instance is left, or none will start: a socket that is open for nobody would make clients wait.
        for (const auto& listener : find_revision(service, service.current)->listeners) {
            if (can_steer(listener)) tables.try_emplace(identity(listener), Table{true, {}});
        }
    }
    std::map<std::string, Rank> best;
    // A listener that passes from one service to another has holders in both: whoever is ready serves it.
    for (const auto& [name, holder] : state.services) {
        const bool wanted_now = wanted(state, holder);
        for (const Instance& instance : holder.instances) {
            const Rank rank = rank_of(instance);
            for (const auto& socket : instance.sockets) {
                const auto table = tables.find(socket.listener);
                if (table == tables.end() || !wanted_now || !is_open(state, socket.listener)) continue;
                table->second.closed = false;
                const auto [known, fresh] = best.try_emplace(socket.listener, rank);
                if (rank < known->second) table->second.shares.clear();
                known->second = std::min(known->second, rank);
                if (rank == known->second) table->second.shares.push_back({socket.place, rank == Rank::ready ? instance.weight : 1});
            }
        }
    }
    return tables;
}

}  // namespace baton::plan
