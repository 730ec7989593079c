#include "engine/tickets.h"

#include <algorithm>
#include <utility>

namespace baton::engine {
namespace {

constexpr const char* held_name = "ticket-keys";

}  // namespace

void Tickets::adopt(std::map<std::string, sys::UniqueFd>& held) {
    let_go();
    const auto found = held.find(held_name);
    if (found == held.end()) return;
    held_ = true;
    auto keys = gateway::TicketKeys::load(found->second);
    if (!keys) return log_.warning("{}; clients of TLS begin new sessions", keys.error().message());
    keys_ = *keys;
    file_ = std::move(found->second);
}

void Tickets::let_go() {
    keys_.reset();
    file_.reset();
    held_ = false;
}

void Tickets::not_held(const std::string& name) {
    if (name == held_name) held_ = false;
}

void Tickets::settle(const model::RouteTable& table, Millis now) {
    const bool wanted = std::any_of(table.entrances.begin(), table.entrances.end(), [](const model::Entrance& entrance) { return entrance.tls.has_value(); });
    if (!wanted) {
        if (std::exchange(held_, false)) link_.release(held_name);
        return let_go();
    }
    if (!keys_) {
        use(gateway::TicketKeys::make(now));
    } else if (auto next = *keys_; next.turn(now)) {
        use(next);
    }
    if (keys_ && !std::exchange(held_, true)) link_.hold(held_name, file_);
}

void Tickets::use(const gateway::TicketKeys& keys) {
    auto file = keys.save();
    if (!file) {
        if (!std::exchange(said_, true)) log_.error("the keys of TLS tickets: {}; those before them go on", file.error().message());
        return;
    }
    said_ = false;
    keys_ = keys;
    file_ = std::move(*file);
    held_ = false;
}

}  // namespace baton::engine
