// Server-sent events: what a Subscription tells, as text/event-stream. A number that is missing is told
// by an event named "gap", silence by comments.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "admin/connection.h"
#include "admin/core.h"
#include "engine/console.h"

namespace baton::admin {

// The stream's id is the view's number, its data the view as JSON. A gap between `last` and `number`
// stands in front of it; `last` empty: nothing was seen before, or numbers do not follow each other.
std::string render(const model::EventView& view, std::optional<std::uint64_t> last);
std::string render(const model::LogLineView& view, std::optional<std::uint64_t> last);

struct Following {
    bool follow = false;                // not only what is kept
    std::uint64_t most = UINT64_MAX;    // views to send; those who write on must not keep one who only looks
    bool consecutive = false;           // every number comes: one that is missing is a gap
    std::optional<std::uint64_t> last;  // the number seen last
};

// Sends what there is and, with `follow`, what comes, until the client goes, the subscription is closed
// or the door is shut. False: the connection is of no more use.
template <class View>
boost::asio::awaitable<bool> send_stream(std::shared_ptr<Core> core, std::shared_ptr<Door> door,
                                         Connection* connection, Manner manner,
                                         std::unique_ptr<engine::Subscription<View>> subscription,
                                         Following following);

}  // namespace baton::admin
