// What happened, for people: numbered events that are logged, kept, and followed by `baton events -f`;
// and the lines the instances wrote, kept in the ring, and followed by `baton logs -f`.
//
// An event is shown when it is in the history, if there is one: whoever has seen its number will not see it
// again for another event, though this master be killed the next moment.
//
// One thread. A follower that is slow loses the oldest and sees it by the gap in the numbers.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "engine/console.h"
#include "engine/journal.h"
#include "model/views.h"
#include "run/log_ring.h"

namespace baton::engine {

// Wakes coroutines that wait for something to change. Outlives those who wait.
class Bell {
  public:
    explicit Bell(boost::asio::io_context& context);
    void ring();
    // Until the next ring, or `wait` milliseconds.
    boost::asio::awaitable<void> wait(Millis wait);

  private:
    boost::asio::io_context& context_;
    std::list<boost::asio::steady_timer*> waiters_;
};

class EventLog {
  public:
    EventLog(boost::asio::io_context& context, Log& log);

    void announce(const std::string& kind, const std::string& subject, const std::string& text, bool warning);
    void line(const std::string& instance, std::string_view text);

    // History on disk; without it events are kept in memory only. Null is allowed.
    void use_journal(std::unique_ptr<Journal> journal);
    void use_ring(run::LogRing ring);
    // Another master writes from now on.
    void let_go();
    // What was announced goes to the history on disk. Once a second is enough.
    void flush();
    // An operator may have made room on the disk.
    void reopen_journal();

    // The last lines of an instance, for a message about its failure.
    std::vector<std::string> last_lines(const std::string& filter, std::size_t most) const;

    std::unique_ptr<Subscription<model::EventView>> follow_events(std::uint64_t after);
    std::unique_ptr<Subscription<model::LogLineView>> follow_logs(const std::string& filter, std::size_t lines);
    // Every follower's next() ends.
    void close();

  private:
    class EventFollower;
    class LogFollower;

    void tell_notice();
    void flush_soon();

    boost::asio::io_context& context_;
    Log& log_;
    Bell bell_;
    std::deque<model::EventView> events_;
    std::deque<model::EventView> unsaved_;  // announced while there was no journal
    std::uint64_t next_ = 1;
    std::uint64_t shown_ = 0;  // followers get events up to this number
    bool flushing_ = false;
    std::unique_ptr<Journal> journal_;
    std::optional<run::LogRing> ring_;
    bool closed_ = false;
};

}  // namespace baton::engine
