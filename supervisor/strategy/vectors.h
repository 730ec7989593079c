// The picks that the names of our balancers promise, as measured of nginx or counted by hand. Whatever plugin
// carries such a name must give them.
#pragma once

#include "strategy/bench.h"
#include "strategy/conformance.h"

namespace baton::strategy {

// Nothing for a name that has none. The subject has the default options.
void examine_vectors(std::string_view name, const Subject& subject, const Findings& findings);

}  // namespace baton::strategy
