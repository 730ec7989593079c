// What every scheduler and failover strategy must do: decide about any view, name only what is in it, give a
// reason, and decide the same when asked again.
#pragma once

#include <baton/strategy.h>

#include "strategy/conformance.h"

namespace baton::strategy {

void examine_scheduler(const baton_factory& factory, const Findings& findings);
void examine_failover(const baton_factory& factory, const Findings& findings);

}  // namespace baton::strategy
