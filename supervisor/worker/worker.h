// The wiring of a worker: the gateway, the channel to its master, and signals.
//
// Descriptors it is started with: 3 the channel, 4 its counters, 5 the image it was started from. It needs
// nothing else, and gives up what it could gain: no new privileges.
#pragma once

namespace baton::worker {

// BATON_ROLE=worker. Returns the exit status.
int run();

}  // namespace baton::worker
