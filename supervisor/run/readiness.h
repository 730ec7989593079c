// Waits until a descriptor can be read, again and again. One thread, the io_context's. May be
// destroyed at any time, also by what it calls; then it calls nothing more.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "sys/descriptor.h"

namespace baton::run {

class Readiness {
  public:
    // Calls `turn` each time there is something to read, until it returns false. One turn should
    // read a bounded amount: what is left brings the next turn, after those of the others.
    Readiness(boost::asio::io_context& context, sys::UniqueFd descriptor,
              std::function<bool()> turn);
    ~Readiness();
    Readiness(const Readiness&) = delete;
    Readiness& operator=(const Readiness&) = delete;

    // Stays valid until this is destroyed.
    const sys::UniqueFd& descriptor() const;
    // No further turns.
    void stop();

  private:
    struct State;
    static void wait(const std::shared_ptr<State>& state);
    std::shared_ptr<State> state_;
};

}  // namespace baton::run
