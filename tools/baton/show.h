// Views as tables: the status screen, and lists of one kind of thing.
#pragma once

#include "client.h"
#include "options.h"
#include "terminal.h"

namespace baton::cli {

int print_status(const Client& client, const Terminal& terminal, bool json);
int print_list(const Client& client, const Terminal& terminal, bool json, const Get& get);

}  // namespace baton::cli
