// Streams that are printed as they come: log lines and events. Following outlives the master that
// serves it: the stream is taken up again where it broke.
#pragma once

#include "client.h"
#include "options.h"
#include "terminal.h"

namespace baton::cli {

int print_logs(const Client& client, const Terminal& terminal, bool json, const Logs& logs);
int print_events(const Client& client, const Terminal& terminal, bool json, const Events& events);

}  // namespace baton::cli
