// Wakes coroutines that wait for something to change. The waiter names the count it has seen, so a
// change between its look and its wait is not lost. One thread.
#pragma once

#include <cstdint>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace baton::admin {

class Notice {
  public:
    explicit Notice(boost::asio::io_context& context)
        : timer_(context, boost::asio::steady_timer::time_point::max()) {}

    std::uint64_t count() const { return count_; }
    void notify() {
        ++count_;
        timer_.cancel();
    }
    // Ends when the count is no longer `seen`.
    boost::asio::awaitable<void> changed(std::uint64_t seen) {
        while (count_ == seen) {
            co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
        }
    }

  private:
    boost::asio::steady_timer timer_;
    std::uint64_t count_ = 0;
};

}  // namespace baton::admin
