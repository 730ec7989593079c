// Moves bytes between the two sides of a session, as far as they can be read and written at this moment.
#pragma once

#include <string_view>

#include "gateway/core.h"
#include "gateway/session.h"

namespace baton::gateway {

class Relay {
  public:
    explicit Relay(Core& core) : core_(core) {}

    // idle: nothing can be done now. more: it had its turn. over: both sides have sent and got their last.
    // broken: a side is gone; the other must hear of it.
    enum class Outcome { idle, more, over, broken };
    // From `side` to the other one, which is watched for room where it has none.
    Outcome move(Session& session, Side side);
    // There may be room at `side` again.
    Outcome flush(Session& session, Side side);
    // Not all that was posted to `side` was taken.
    Outcome late(Session& session, Side side);

  private:
    bool write(Session& session, Side side, std::size_t size);
    bool settle(Session& session, Side side);
    void keep(Session& session, Side side, std::string_view bytes);
    Outcome refused(Session& session, Side side);
    Outcome pass_end(Session& session, Side side);

    Core& core_;
};

}  // namespace baton::gateway
