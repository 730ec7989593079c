#include "plan/steering.h"

#include <algorithm>
#include <set>

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
std::set<std::string> open_listeners(const model::State& state) {
    std::set<std::string> open;
    for (const auto& listener : state.configuration.listeners) open.insert(identity(listener));
    return open;
}

}  // namespace

std::map<std::string, Table> steering_tables(const model::State& state, const model::Service& service) {
    std::map<std::string, Table> tables;
    for (const Instance& instance : service.instances) {
        for (const auto& socket : instance.sockets) {
            if (!socket.hidden) tables.try_emplace(socket.listener, Table{true, {}});
        }
    }
    const model::Revision* current = find_revision(service, service.current);
    if (state.counters.kernel_steering && !by_workers(current->spec)) {
        // Also where no instance is left, or none will start: a socket that is open for nobody would make clients wait.
        for (const auto& listener : current->listeners) {
            if (can_steer(listener)) tables.try_emplace(identity(listener), Table{true, {}});
        }
    }
    if (tables.empty()) return tables;
    const std::set<std::string> open = open_listeners(state);
    std::map<std::string, Rank> best;
    // A listener that passes from one service to another has holders in both: whoever is ready serves it.
    for (const auto& [name, holder] : state.services) {
        const bool wanted_now = wanted(state, holder);
        for (const Instance& instance : holder.instances) {
            const Rank rank = rank_of(instance);
            // With nobody else to send them to, clients are refused.
            if (instance.admin != model::AdminState::ready) continue;
            for (const auto& socket : instance.sockets) {
                const auto table = tables.find(socket.listener);
                if (socket.hidden || table == tables.end() || !wanted_now || !open.contains(socket.listener)) continue;
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
