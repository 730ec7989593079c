// Server-sent events: what a Subscription tells, as text/event-stream. A number that is missing is told
// by an event named "gap", silence by comments.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "admin/connection.h"
#include "admin/core.h"
#include "engine/console.h"

namespace baton::admin {

// The stream's id is the view's number, its data the view as JSON. A gap between `last` and `number`
// stands in front of it; `last` 0: nothing was seen before.
std::string render(const model::EventView& view, std::uint64_t last);
std::string render(const model::LogLineView& view, std::uint64_t last);

// Sends what there is and, with `follow`, what comes, until the client goes, the subscription is closed
// or the server closes. False: the connection is of no more use.
template <class View>
boost::asio::awaitable<bool> send_stream(std::shared_ptr<Core> core, Connection* connection, Manner manner,
                                         std::unique_ptr<engine::Subscription<View>> subscription,
                                         bool follow, std::uint64_t last);

}  // namespace baton::admin
