// The real probe of a new master: through the sockets it inherited, to instances that are ready, as
// clients reach them.
#pragma once

#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "engine/sockets.h"
#include "model/state.h"

namespace baton::engine {

// One ready instance behind each listener that takes streams. What failed, a line each; empty: all
// answered. Many at once, each under its own deadline.
boost::asio::awaitable<std::vector<std::string>> probe_everything(boost::asio::io_context& context, Sockets& sockets, const model::State& state);

}  // namespace baton::engine
