// Moves bytes between the two sides of a session, as far as they can be read and written at this moment.
#pragma once

#include <vector>

#include "gateway/counters.h"
#include "gateway/session.h"
#include "sys/readiness.h"

namespace baton::gateway {

class Relay {
  public:
    Relay(sys::Epoll& epoll, Totals& totals);

    // idle: nothing can be done now. more: it had its turn. over: both sides have sent and got their last.
    // broken: a side is gone; the other must hear of it.
    enum class Outcome { idle, more, over, broken };
    // From `side` to the other one. `token`: of the other side's leg, which may have to be watched.
    Outcome move(Session& session, Side side, std::uint64_t token);
    // There may be room at `side` again.
    Outcome flush(Session& session, Side side, std::uint64_t token);

  private:
    Outcome deliver_last(Session& session, Side side);
    Outcome pass_end(Session& session, Side side) const;
    void watch_for_room(Leg& to, std::uint64_t token) const;

    sys::Epoll& epoll_;
    Totals& totals_;
    std::vector<char> buffer_;
};

}  // namespace baton::gateway
