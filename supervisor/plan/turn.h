// What the parts of one step share: the state, the time, and where actions go. Internal to plan/.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "plan/step.h"

namespace baton::plan {

struct Turn {
    model::State& state;
    Millis now;
    Outcome& out;
    // Places given up in this step. They are taken again in a later one: the services' snapshots are
    // stored one by one, and two of them must never name one place.
    std::set<std::uint32_t> given_up = {};

    void act(model::Action action) { out.actions.push_back(std::move(action)); }
    void announce(std::string kind, std::string subject, std::string text, bool warning = false) {
        act(model::Announce{std::move(kind), std::move(subject), std::move(text), warning});
    }
};

}  // namespace baton::plan
