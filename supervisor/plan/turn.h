// What the parts of one step share: the state, the time, and where actions go. Internal to plan/.
#pragma once

#include <string>
#include <utility>

#include "plan/step.h"

namespace baton::plan {

struct Turn {
    model::State& state;
    Millis now;
    Outcome& out;

    void act(model::Action action) { out.actions.push_back(std::move(action)); }
    void announce(std::string kind, std::string subject, std::string text, bool warning = false) {
        act(model::Announce{std::move(kind), std::move(subject), std::move(text), warning});
    }
};

}  // namespace baton::plan
