// What the steering tables of a service's listeners should say, derived from its instances.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/state.h"

namespace baton::plan {

struct Share {
    std::uint32_t place = 0;
    std::uint32_t weight = 1;
    friend bool operator==(const Share&, const Share&) = default;
};

struct Table {
    // Nobody new is let in: the service is going away.
    bool closed = false;
    std::vector<Share> shares;
    friend bool operator==(const Table&, const Table&) = default;
};

// By listener identity. Ready instances by their weights; where none is ready, those that will be, so
// that a client waits in a queue that somebody will empty rather than being refused.
std::map<std::string, Table> steering_tables(const model::State& state, const model::Service& service);

}  // namespace baton::plan
