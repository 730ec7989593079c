#include "engine/event_log.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/limits.h"

namespace baton::engine {

using boost::asio::awaitable;
using model::EventView;
using model::LogLineView;

Bell::Bell(boost::asio::io_context& context) : context_(context) {}

void Bell::ring() {
    for (boost::asio::steady_timer* waiter : waiters_) waiter->cancel();
}

awaitable<void> Bell::wait(Millis wait) {
    boost::asio::steady_timer timer(context_, std::chrono::milliseconds(wait));
    const auto place = waiters_.insert(waiters_.end(), &timer);
    boost::system::error_code ec;
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ec));
    waiters_.erase(place);
}

EventLog::EventLog(boost::asio::io_context& context, Log& log) : context_(context), log_(log), bell_(context) {}

void EventLog::announce(const std::string& kind, const std::string& subject, const std::string& text, bool warning) {
    log_.write(warning ? LogLevel::warning : LogLevel::info, kind, text.empty() ? subject : subject + ": " + text);
    events_.push_back({next_++, format_wall(wall_now()), kind, subject, text});
    if (events_.size() > limits::events_kept) events_.pop_front();
    if (journal_) {
        journal_->append(events_.back());
    } else {
        unsaved_.push_back(events_.back());
        if (unsaved_.size() > limits::events_kept) unsaved_.pop_front();
    }
    flush_soon();
}

// Once for all that a turn announces.
void EventLog::flush_soon() {
    if (std::exchange(flushing_, true)) return;
    boost::asio::post(context_, [this] {
        flushing_ = false;
        flush();
    });
}

void EventLog::line(const std::string& instance, std::string_view text) {
    log_.write(LogLevel::info, instance, text);
    if (ring_) ring_->append(instance, text, wall_now());
    bell_.ring();
}

void EventLog::use_journal(std::unique_ptr<Journal> journal) {
    journal_ = std::move(journal);
    if (!journal_) return;
    tell_notice();
    // What this process has seen while another one wrote comes after what that one has written.
    std::deque<EventView> own = std::exchange(unsaved_, {});
    events_.clear();
    for (EventView& event : journal_->last(limits::events_kept)) events_.push_back(std::move(event));
    const std::uint64_t last = events_.empty() ? 0 : events_.back().number;
    if (next_ <= last) next_ = last + 1;
    for (EventView& event : own) {
        if (event.number <= last) event.number = next_++;
        events_.push_back(event);
        journal_->append(event);
    }
    while (events_.size() > limits::events_kept) events_.pop_front();
    flush();
}

void EventLog::use_ring(run::LogRing ring) {
    ring_.emplace(std::move(ring));
}

void EventLog::let_go() {
    flush();
    journal_.reset();
    ring_.reset();
}

void EventLog::flush() {
    const bool changed = shown_ + 1 != next_;
    if (!journal_) {
        shown_ = next_ - 1;
        if (changed) bell_.ring();
        return;
    }
    if (auto done = journal_->flush(); !done) log_.error("{}; events are kept in memory only, until the log is reopened (USR1)", done.error().message());
    tell_notice();
    // Another master that writes just now is tried again with the next heartbeat.
    if (journal_->on() && journal_->pending()) return;
    shown_ = next_ - 1;
    if (changed) bell_.ring();
}

void EventLog::reopen_journal() {
    if (!journal_) return;
    if (auto done = journal_->reopen(); !done) log_.error("{}; events are kept in memory only", done.error().message());
    tell_notice();
}

void EventLog::tell_notice() {
    if (const std::string notice = journal_->take_notice(); !notice.empty()) log_.warning("{}", notice);
}

std::vector<std::string> EventLog::last_lines(const std::string& filter, std::size_t most) const {
    std::vector<std::string> lines;
    if (!ring_) return lines;
    for (const LogLineView& line : ring_->last(filter, most)) lines.push_back(line.instance + ": " + line.text);
    return lines;
}

// --- followers ---

class EventLog::EventFollower final : public Subscription<EventView> {
  public:
    EventFollower(EventLog& log, std::uint64_t after) : log_(log), after_(after) {}
    bool closed() const override { return log_.closed_; }
    awaitable<std::optional<EventView>> next(Millis wait) override {
        const Millis deadline = monotonic_now() + wait;
        for (;;) {
            for (const EventView& event : log_.events_) {
                if (event.number <= after_ || event.number > log_.shown_) continue;
                after_ = event.number;
                co_return event;
            }
            const Millis left = deadline - monotonic_now();
            if (log_.closed_ || left <= 0) co_return std::nullopt;
            co_await log_.bell_.wait(left);
        }
    }

  private:
    EventLog& log_;
    std::uint64_t after_;
};

class EventLog::LogFollower final : public Subscription<LogLineView> {
  public:
    LogFollower(EventLog& log, std::string filter, std::size_t lines) : log_(log), filter_(std::move(filter)) {
        if (!log_.ring_) return;
        for (LogLineView& line : log_.ring_->last(filter_, lines)) ready_.push_back(std::move(line));
        after_ = log_.ring_->last_number();
    }
    bool closed() const override { return log_.closed_; }
    awaitable<std::optional<LogLineView>> next(Millis wait) override {
        const Millis deadline = monotonic_now() + wait;
        for (;;) {
            if (ready_.empty() && log_.ring_) {
                const std::uint64_t last = log_.ring_->last_number();
                for (LogLineView& line : log_.ring_->after(after_, filter_, limits::subscriber_backlog)) ready_.push_back(std::move(line));
                // A full batch may have left some behind; otherwise all up to the last was looked at.
                after_ = ready_.size() < limits::subscriber_backlog ? last : ready_.back().number;
            }
            if (!ready_.empty()) {
                LogLineView line = std::move(ready_.front());
                ready_.pop_front();
                co_return line;
            }
            const Millis left = deadline - monotonic_now();
            if (log_.closed_ || left <= 0) co_return std::nullopt;
            co_await log_.bell_.wait(left);
        }
    }

  private:
    EventLog& log_;
    std::string filter_;
    std::uint64_t after_ = 0;
    std::deque<LogLineView> ready_;
};

std::unique_ptr<Subscription<EventView>> EventLog::follow_events(std::uint64_t after) {
    return std::make_unique<EventFollower>(*this, after);
}

std::unique_ptr<Subscription<LogLineView>> EventLog::follow_logs(const std::string& filter, std::size_t lines) {
    return std::make_unique<LogFollower>(*this, filter, lines);
}

void EventLog::close() {
    closed_ = true;
    bell_.ring();
}

}  // namespace baton::engine
