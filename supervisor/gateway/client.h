// Who is connected to an HTTP listener, as its plane sees them whichever version they speak.
#pragma once

#include <cstdint>

#include "gateway/door.h"
#include "gateway/handler.h"
#include "gateway/passing.h"

namespace baton::gateway {

class Client : public Handler {
  public:
    // The first look, once it is in the plane's list.
    virtual void start() = 0;
    // Another worker could go on with it, at one time or another: its state is not this worker's alone.
    virtual bool can_pass() const = 0;
    // The same, now: nothing is under way.
    virtual bool is_between() const = 0;
    // It ends here, and goes on at another worker.
    virtual Passed part() = 0;
    // It is told that there is no more after what is under way, and ends if it asks for nothing soon.
    virtual void leave() = 0;

    virtual Door& door() = 0;

    std::uint32_t index = 0;  // in the plane's list
    bool refused = false;     // the worker that it was to go to could not take it; not offered for now
};

}  // namespace baton::gateway
