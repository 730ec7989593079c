#include "admin/tasks.h"

#include <exception>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

namespace baton::admin {

namespace asio = boost::asio;

// Shared with the completion handlers, which may outlive the owner when an io_context is destroyed.
struct Tasks::Running {
    Running(asio::io_context& io_context, Log& to) : context(io_context), log(to), ended(io_context) {}

    asio::io_context& context;
    Log& log;
    std::list<asio::cancellation_signal> signals;
    Notice ended;
};

namespace {

void report(Log& log, const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const boost::system::system_error& error) {
        if (error.code() == asio::error::operation_aborted) return;
        log.write(LogLevel::error, "admin", error.what());
    } catch (const std::exception& error) {
        log.write(LogLevel::error, "admin", error.what());
    }
}

asio::awaitable<void> pass(asio::io_context& context, Millis grace) {
    asio::steady_timer timer(context, std::chrono::milliseconds(grace));
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace

Tasks::Tasks(asio::io_context& context, Log& log) : running_(std::make_shared<Running>(context, log)) {}

void Tasks::spawn(asio::awaitable<void> task) {
    const auto signal = running_->signals.emplace(running_->signals.end());
    auto finish = [running = running_, signal](const std::exception_ptr& failure) {
        running->signals.erase(signal);
        running->ended.notify();
        if (failure) report(running->log, failure);
    };
    asio::co_spawn(running_->context, std::move(task),
                   asio::bind_cancellation_slot(signal->slot(), std::move(finish)));
}

std::size_t Tasks::size() const {
    return running_->signals.size();
}

void Tasks::cancel() {
    // A task that ends at once takes its signal out of the list; step on before it can.
    for (auto signal = running_->signals.begin(); signal != running_->signals.end();) {
        auto& present = *signal++;
        present.emit(asio::cancellation_type::all);
    }
}

asio::awaitable<bool> Tasks::join(Millis grace) {
    using asio::experimental::awaitable_operators::operator||;
    const auto deadline = monotonic_now() + grace;
    while (size() > 0) {
        const Millis left = deadline - monotonic_now();
        if (left <= 0) co_return false;
        auto ended = running_->ended.changed(running_->ended.count());
        auto over = pass(running_->context, left);
        auto either = std::move(ended) || std::move(over);
        co_await std::move(either);
    }
    co_return true;
}

}  // namespace baton::admin
