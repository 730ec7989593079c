// What a configuration asks of this host beside addresses, users and plugins: the same for -t and for a master.
#pragma once

#include "config/load.h"

namespace baton::engine {

// Fills in entrance and ports. Both are quick; entrance runs a copy of this process for a moment.
void answer_for_host(config::HostChecks& host);

}  // namespace baton::engine
