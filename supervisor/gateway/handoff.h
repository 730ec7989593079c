// Connections that are given to instances instead of being relayed (delivery = "handoff"): the instance gets the
// client's socket itself, by a line to it, and from then on the two are alone. baton/handoff.h has the messages.
//
//   given ──────▶ untaken ─────────────▶ open ─────────────────────▶ (none)
//         a message    the instance says        the instance says that
//         takes it     that it has it           it ended
//            ▲             │
//            └─────────────┘ the line broke: another instance gets it
//
// Until an instance says that it has a client, this worker keeps the socket too; so nobody is lost with an instance
// that ends. How many are open is what the instances say. A worker that leaves asks them to count its connections
// on the lines of others; lines themselves pass to nobody.
//
// One thread; it owns the lines and the clients that are not taken yet.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/core.h"
#include "gateway/pool.h"
#include "gateway/stream.h"
#include "model/route_table.h"

namespace baton::gateway {

class Handoff;

// A client that waits for an instance.
struct Guest {
    Stream stream;
    ClientAddress address;
    bool careful = false;  // as in Leg
    Millis since = 0;      // when it was accepted
    std::uint8_t offers = 0;  // lines that broke with it...
    std::uint64_t last = 0;   // ...the last one's endpoint
};

class Line final : public Handler {
  public:
    Line(Handoff& by, const model::Endpoint& to, sys::SocketAddress at) : handoff(by), endpoint(to.id), name(to.name), address(at) {}
    void on_ready(const sys::Readiness& event) override;
    void on_deadline() override;

    Handoff& handoff;
    const std::uint64_t endpoint;
    const std::string name;            // "web/1"
    const sys::SocketAddress address;
    sys::UniqueFd socket;              // invalid: not connected
    std::shared_ptr<Pool> pool;
    std::uint64_t* counter = nullptr;  // open connections of the endpoint
    std::deque<Guest> guests;          // that were not taken yet; the first `sent` of them were sent
    std::size_t sent = 0;
    std::uint64_t open = 0;            // those that were taken
    std::uint64_t table = 0;           // the last that had its endpoint...
    bool listed = true;                // ...is the present one
    bool drains = false;               // it shall take nobody new...
    bool told = false;                 // ...and knows it
    std::string heard;                 // the beginning of a report
};

class Handoff {
  public:
    // `again`: the guest needs another instance. `room`: who waited for one may be taken now.
    Handoff(Core& core, std::function<void(std::shared_ptr<Pool>, Guest)> again, std::function<void()> room);

    // The route's endpoints by the present table; end_table() once all routes were told.
    void follow(const model::Route& route, const std::shared_ptr<Pool>& pool);
    void end_table();
    // The guest is the instance's, unless it is busy (it has taken nobody of late) or unreachable.
    enum class Answer { given, busy, unreachable };
    Answer give(const Pool::Peer& peer, const std::shared_ptr<Pool>& pool, Guest& guest);
    // What was given since the last time goes out.
    void flush();
    // Nobody new.
    void leave();

    // Guests that are not taken yet and, in a worker that leaves, lines.
    std::size_t count() const { return untaken_ + (leaving_ ? lines_.size() : 0); }
    // Connections that instances have.
    std::size_t open() const { return open_; }

    // --- of lines ---
    void on_reports(Line& line, const sys::Readiness& event);
    void on_deadline(Line& line);

  private:
    int connect(Line& line);
    void send(Line& line);
    static bool tell(const Line& line, std::uint32_t kind);
    void tell_drain(Line& line);
    bool take_reports(Line& line);
    bool take_report(Line& line, std::uint32_t taken, std::uint32_t ended, std::uint32_t owned);
    void count(Line& line, std::uint64_t more);
    void uncount(Line& line, std::uint64_t less);
    void settle(Line& line);
    void lose(Line& line);
    void disconnect(Line& line);
    void end(Line& line);

    Core& core_;
    std::function<void(std::shared_ptr<Pool>, Guest)> again_;
    std::function<void()> room_;
    // By the listening socket's name and the endpoint.
    std::map<std::pair<std::string, std::uint64_t>, std::unique_ptr<Line>> lines_;
    std::vector<Line*> unsent_;  // each once: with guests that were given since the last flush...
    std::vector<Line*> stuck_;   // ...or before it, for whom there was no room
    std::size_t untaken_ = 0;
    std::size_t open_ = 0;
    std::uint64_t table_ = 1;
    bool leaving_ = false;
};

}  // namespace baton::gateway
