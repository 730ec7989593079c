// The role of a master: the engine and the admin API, wired together on one io_context.
#pragma once

namespace baton::master {

// Descriptor 3 is the channel to the keeper. Returns the exit status.
int run();

}  // namespace baton::master
