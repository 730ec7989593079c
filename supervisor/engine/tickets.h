// The keys of TLS tickets of all workers: made when the first listener speaks TLS, moved on when it is their time, and
// held by the keeper in memory, so that neither a master's death nor an upgrade ends a client's session.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/time.h"
#include "engine/keeper_link.h"
#include "gateway/ticket_keys.h"
#include "model/route_table.h"
#include "sys/descriptor.h"

namespace baton::engine {

class Tickets {
  public:
    Tickets(KeeperLink& link, Log& log) : link_(link), log_(log) {}

    // Takes over what a master before this one has made.
    void adopt(std::map<std::string, sys::UniqueFd>& held);
    // Another master has them from now on.
    void let_go();
    // The keeper did not take it: it is given to it again with the next table.
    void not_held(const std::string& name);

    // As the table needs them by now. What cannot be is said once, and tried again with the next one.
    void settle(const model::RouteTable& table, Millis now);
    // When settle() has something to do whatever the table; `never`: there are none.
    Millis due() const { return keys_ ? keys_->due() : never; }
    // Another one for other keys; 0: there are none.
    std::uint64_t id() const { return keys_ ? keys_->id() : 0; }
    // Null: there are none.
    const sys::UniqueFd* find() const { return keys_ ? &file_ : nullptr; }

  private:
    void use(const gateway::TicketKeys& keys);

    KeeperLink& link_;
    Log& log_;
    std::optional<gateway::TicketKeys> keys_;
    sys::UniqueFd file_;  // they, as workers get them
    bool held_ = false;
    bool said_ = false;
};

}  // namespace baton::engine
