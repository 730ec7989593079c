// A scheduler: an instance goes to the node with the fewest instances, of these to the one with the most free
// memory. Nodes that are not ready, cordoned, without a label that is asked for, or too full, are left out.
//
// A decision is a function of the view: nothing is remembered from one to the next. The reason of each
// placement is what an operator reads in `baton explain`.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "baton/strategy.hpp"

namespace {

using baton::sdk::none;

struct LeastInstances {
    static constexpr const char* name = "least_instances";
    static constexpr const char* description = "the node with the fewest instances, then the most free memory";
    static constexpr std::array options{
        baton::sdk::flag("spread", "true", "count the instances of the same service first"),
    };

    explicit LeastInstances(const baton::sdk::Settings& settings) : spread(settings.flag("spread")) {}

    void place(const baton::sdk::Placement& placement) {
        const auto nodes = placement.nodes();
        std::vector<Room> rooms;
        for (std::uint32_t i = 0; i < nodes.size(); ++i) rooms.push_back(room_of(nodes[i]));
        for (std::uint32_t k = 0; k < placement.view().wanted; ++k) {
            const std::uint32_t best = best_of(placement, rooms);
            if (best == none) {
                placement.place(none, {"none of ", std::to_string(nodes.size()), " nodes is ready, fits the constraints and has room"});
                continue;
            }
            Room& room = rooms[best];
            placement.place(best, {nodes[best].name, " has the fewest instances (", std::to_string(room.instances), ", of this service ",
                                   std::to_string(room.service_instances), ") and ", std::to_string(room.memory >> 20U), " MiB free"});
            ++room.instances;
            ++room.service_instances;
            room.memory -= std::min(room.memory, placement.view().memory_bytes);
            room.cpu -= std::min(room.cpu, placement.view().cpu_milli);
        }
    }

  private:
    // What a node has left, with what was placed on it in this decision.
    struct Room {
        std::uint32_t instances;
        std::uint32_t service_instances;
        std::uint32_t cpu;
        std::uint64_t memory;
    };
    static Room room_of(const baton_node& node) {
        return {node.instances, node.service_instances, node.cpu_milli_free, node.memory_bytes_free};
    }

    static bool fits(const baton_placement_view& view, const baton_node& node, const Room& room) {
        if ((node.flags & BATON_NODE_READY) == 0 || (node.flags & BATON_NODE_CORDONED) != 0) return false;
        if (view.memory_bytes > room.memory || view.cpu_milli > room.cpu) return false;
        for (std::uint32_t c = 0; c < view.constraint_count; ++c) {
            bool found = false;
            for (std::uint32_t l = 0; l < node.label_count; ++l) {
                found = found || (std::string_view(node.labels[l].name) == view.constraints[c].name &&
                                  std::string_view(node.labels[l].value) == view.constraints[c].value);
            }
            if (!found) return false;
        }
        return true;
    }

    bool better(const Room& a, const Room& b) const {
        if (spread && a.service_instances != b.service_instances) return a.service_instances < b.service_instances;
        if (a.instances != b.instances) return a.instances < b.instances;
        return a.memory > b.memory;
    }

    std::uint32_t best_of(const baton::sdk::Placement& placement, const std::vector<Room>& rooms) const {
        std::uint32_t best = none;
        for (std::uint32_t i = 0; i < rooms.size(); ++i) {
            if (!fits(placement.view(), placement.nodes()[i], rooms[i])) continue;
            if (best == none || better(rooms[i], rooms[best])) best = i;
        }
        return best;
    }

    bool spread;
};

}  // namespace

BATON_STRATEGIES("least_instances", "1.0", "an example: a scheduler", LeastInstances)
