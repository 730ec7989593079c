// The owner of coroutines: each is started here, can be cancelled, and is waited for before its owner
// goes. One thread.
#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include "admin/notice.h"
#include "base/log.h"
#include "base/time.h"

namespace baton::admin {

class Tasks {
  public:
    Tasks(boost::asio::io_context& context, Log& log);
    Tasks(const Tasks&) = delete;
    Tasks& operator=(const Tasks&) = delete;

    // Starts `task`. An exception that leaves it is logged; a cancellation is no news.
    void spawn(boost::asio::awaitable<void> task);
    std::size_t size() const;
    // Every task's present wait ends, and every later one.
    void cancel();
    // Ends when no task is left (true), or after `grace` milliseconds (false).
    boost::asio::awaitable<bool> join(Millis grace);

  private:
    struct Running;
    std::shared_ptr<Running> running_;
};

}  // namespace baton::admin
