// What all kinds of traffic of one worker share: the kernel's queue, what is written at the end of the turn, the time of the present turn, the buffer
// that reads go into, counters, deadlines, and the records of those that ended in this turn.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/gateway_limits.h"
#include "base/log.h"
#include "gateway/counters.h"
#include "gateway/handler.h"
#include "gateway/outbox.h"
#include "sys/readiness.h"

namespace baton::gateway {

struct Core {
    Core(sys::Epoll queue, std::optional<sys::SendBatch> batch, Counters shared, Log& to)
        : epoll(std::move(queue)),
          outbox(std::move(batch)),
          counters(std::move(shared)),
          totals(counters.totals()),
          log(to),
          now(monotonic_now()),
          buffer(limits::relay_buffer_bytes) {}

    sys::Epoll epoll;
    Outbox outbox;
    Counters counters;
    Totals& totals;
    Log& log;
    Millis now;
    // Views of it are good until anything else is read.
    std::vector<char> buffer;
    Deadlines deadlines;
    bool leaving = false;  // nobody new is accepted

    // After everybody else had their turn: on_ready with a readable event.
    void again(Handler& handler) {
        if (!std::exchange(handler.again_, true)) again_.push_back(&handler);
    }
    // Its record lives until the turn is over, as an event that was fetched already may still name it.
    void end(std::unique_ptr<Handler> handler) {
        handler->unlink();
        if (handler->again_) std::erase(again_, handler.get());
        ended_.push_back(std::move(handler));
    }

    bool busy() const { return !again_.empty(); }
    void run_again() {
        for (Handler* handler : std::exchange(again_, {})) {
            handler->again_ = false;
            handler->on_ready({.readable = true});
        }
    }
    void forget_ended() { ended_.clear(); }

  private:
    std::vector<Handler*> again_;
    std::vector<std::unique_ptr<Handler>> ended_;
};

// What the events of a handler carry: its address and, in the bits that its alignment leaves free, this.
inline constexpr std::uint64_t handler_kind = 6;
inline std::uint64_t token_of(const Handler& handler) {
    return reinterpret_cast<std::uint64_t>(&handler) | handler_kind;
}

}  // namespace baton::gateway
