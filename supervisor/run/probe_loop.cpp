#include <exception>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "run/probe.h"
#include "run/probe_pace.h"

namespace baton::run {

namespace asio = boost::asio;

// The coroutine keeps it alive; `stopped` keeps it from doing anything more.
struct ProbeLoop::Run {
    Run(asio::io_context& context, const model::ProbeSpec& probe_spec, Factory make,
        Callback change)
        : spec(probe_spec),
          factory(std::move(make)),
          on_change(std::move(change)),
          pace(probe_spec),
          timer(context) {}

    void finish_attempt() {
        if (const auto done = std::exchange(under_way, nullptr)) done();
    }

    model::ProbeSpec spec;
    Factory factory;
    Callback on_change;
    ProbePace pace;
    asio::steady_timer timer;
    asio::cancellation_signal cancel;
    std::function<void()> under_way;  // Attempt::done
    bool stopped = false;
};

namespace {

template <class Run>
asio::awaitable<void> pause(std::shared_ptr<Run> run, Millis until) {
    const Millis left = until - monotonic_now();
    if (left <= 0) co_return;
    run->timer.expires_after(std::chrono::milliseconds(left));
    co_await run->timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

template <class Run>
asio::awaitable<void> try_once(std::shared_ptr<Run> run, Millis began) {
    auto attempt = run->factory();
    // The factory may have destroyed the loop; then nobody else ends this attempt.
    if (run->stopped && attempt && attempt->done) attempt->done();
    if (run->stopped || !attempt) co_return;
    run->under_way = std::move(attempt->done);
    sys::UniqueFd socket = std::move(attempt->socket);
    ProbeTarget target = attempt->target;
    const Result<void> answered = co_await probe(std::move(socket), target);
    if (run->stopped) co_return;
    run->finish_attempt();
    const bool passed = answered.has_value();
    const auto verdict = run->pace.note(began, passed);
    if (verdict) run->on_change(*verdict, passed ? std::string() : answered.error().message());
}

template <class Run>
asio::awaitable<void> go_on(std::shared_ptr<Run> run) {
    // A cancelled wait just returns, and `stopped` says why.
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await pause(run, monotonic_now() + run->spec.initial_delay);
    while (!run->stopped) {
        const Millis began = monotonic_now();
        co_await try_once(run, began);
        if (run->stopped) co_return;
        // At least one turn of the others between two attempts.
        const Millis next = std::max(run->pace.next(began), monotonic_now() + 1);
        co_await pause(run, next);
    }
}

void rethrow(const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

ProbeLoop::ProbeLoop(asio::io_context& context, const model::ProbeSpec& spec, Factory factory,
                     Callback on_change)
    : run_(std::make_shared<Run>(context, spec, std::move(factory), std::move(on_change))) {
    // The handler shares the run: the signal must outlive the operation that is bound to it.
    auto ended = [run = run_](const std::exception_ptr& failure) { rethrow(failure); };
    asio::co_spawn(context, go_on(run_),
                   asio::bind_cancellation_slot(run_->cancel.slot(), std::move(ended)));
}

ProbeLoop::~ProbeLoop() {
    run_->stopped = true;
    run_->finish_attempt();
    run_->cancel.emit(asio::cancellation_type::terminal);
}

}  // namespace baton::run
