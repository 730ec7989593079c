// What a service manager passes to the process it starts: sockets (systemd's LISTEN_FDS, from socket units
// and from its descriptor store), and how often it wants to hear that the process lives (WATCHDOG_USEC).
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "sys/descriptor.h"

namespace baton::sys {

struct Inherited {
    std::string name;  // the service manager's: a unit's, or the one it was stored under
    UniqueFd descriptor;
};
// Takes them, close-on-exec from now on, and removes them from the environment. Before anything else is
// opened; empty where they are meant for another process, or nobody passed any.
std::vector<Inherited> take_inherited();

// Says WATCHDOG=1 twice in the time the service manager allows, if it asks this process for that.
class Watchdog {
  public:
    Watchdog();
    // When beat() is to be called next; never, where nobody asks.
    Millis next() const { return next_; }
    void beat(Millis now);

  private:
    std::string socket_;
    Millis interval_ = 0;
    Millis next_ = never;
};

}  // namespace baton::sys
