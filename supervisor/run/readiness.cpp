#include "run/readiness.h"

#include <boost/asio/posix/stream_descriptor.hpp>

namespace baton::run {

// The pending wait and a turn under way keep it alive; `stopped` keeps them from doing anything
// more.
struct Readiness::State {
    State(boost::asio::io_context& context, sys::UniqueFd fd, std::function<bool()> on_readable)
        : owned(std::move(fd)), watched(context, owned.get()), turn(std::move(on_readable)) {}
    ~State() { watched.release(); }

    sys::UniqueFd owned;
    boost::asio::posix::stream_descriptor watched;
    std::function<bool()> turn;
    bool stopped = false;
};

Readiness::Readiness(boost::asio::io_context& context, sys::UniqueFd descriptor,
                     std::function<bool()> turn)
    : state_(std::make_shared<State>(context, std::move(descriptor), std::move(turn))) {
    wait(state_);
}

Readiness::~Readiness() {
    stop();
}

const sys::UniqueFd& Readiness::descriptor() const {
    return state_->owned;
}

void Readiness::stop() {
    if (state_->stopped) return;
    state_->stopped = true;
    boost::system::error_code ignored;
    state_->watched.cancel(ignored);
}

void Readiness::wait(const std::shared_ptr<State>& state) {
    state->watched.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [state](const boost::system::error_code& ec) {
                                  if (ec || state->stopped) return;
                                  if (state->turn() && !state->stopped) wait(state);
                              });
}

}  // namespace baton::run
