// One client's conversation: request after request, each routed and answered.
#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>

#include "admin/core.h"
#include "sys/peer.h"

namespace baton::admin {

// Ends when the client is gone, or waits while the door is shut. Every argument is the coroutine's own.
boost::asio::awaitable<void> serve(std::shared_ptr<Core> core, std::shared_ptr<Door> door, sys::UniqueFd fd,
                                   sys::Peer peer);

}  // namespace baton::admin
