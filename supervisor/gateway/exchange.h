// One request and its response, between whoever asked and an instance: the instance is picked, the request
// goes to it on a connection that is there or is made, and the response comes back piece by piece.
//
//           a connection is there        the whole head came          its body is over
//   seeking ─────────────────────▶ asked ──────────────────▶ answering ───────────────▶ idle
//      ▲  │ nobody can be reached    │  the instance failed, and the request may go to another one
//      │  └─▶ (waits, is tried again) │
//      └──────────────────────────────┘
//
// A request goes to another instance only while nothing of its body has been passed on, and, once it was
// sent, only if doing it twice is doing it once (RFC 9110, section 9.2.2) and the user has allowed it; or if
// the connection had served before and was closed at that moment, which is an accident of keep-alive.
//
// Back-pressure: who asks sends body only while room(), and is told on_room(); the instance is read from only
// while the asker has room, and goes on at go_on().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "gateway/link.h"
#include "gateway/links.h"
#include "gateway/pool.h"
#include "http/forward.h"
#include "http/framing.h"
#include "http/head.h"

namespace baton::gateway {

// Who asked. Each exchange ends with exactly one of on_end, on_failure, on_broken and on_upgraded, and is free
// for the next one from within that call.
class Asker {
  public:
    // 1xx, but for 101.
    virtual void on_interim(const http::ResponseHead& head) = 0;
    virtual void on_head(const http::ResponseHead& head, const http::Framing& framing) = 0;
    virtual void on_body(std::string_view data) = 0;
    virtual bool has_room() const = 0;
    // What is read of the instance at once for it.
    virtual std::size_t at_once() const { return SIZE_MAX; }
    virtual void on_room() = 0;
    virtual void on_end(std::string_view trailer) = 0;
    // There is no response: this status instead.
    virtual void on_failure(int status) = 0;
    // The response ended in its middle.
    virtual void on_broken() = 0;
    // The instance speaks another protocol from here on; `rest` is what it has said already.
    virtual void on_upgraded(const http::ResponseHead& head, Links::Parted instance, std::string_view rest) = 0;

  protected:
    ~Asker() = default;
};

struct Request {
    std::string head;           // as it is sent to the instance
    http::Framing framing;      // of its body
    Pick pick;                  // what the choice of an instance depends on
    bool is_head = false;       // HEAD: the response has no body
    bool is_idempotent = false;
    bool upgrade = false;
};

class Exchanges;

class Exchange : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  public:
    Exchange(Exchanges& all, Asker& asker) : all_(all), asker_(&asker) {}
    ~Exchange();
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    void begin(std::shared_ptr<Pool> pool, Request request);
    bool active() const { return state_ != State::idle; }
    // The request's body. What is sent is taken whole; not before there is room().
    bool room() const;
    void send(std::string_view data);
    void end_body(std::string_view trailer);
    // What was sent so far leaves at once: after the pieces that one read brought.
    void flush();
    // The asker has room again.
    void go_on();
    // The asker is gone. Nothing is told.
    void cancel();

    // Who answers, for the log: its name and 0 if nobody was reached.
    const std::string& endpoint_name() const { return endpoint_name_; }

    // For somebody else, while it is not active.
    void serve(Asker& asker) { asker_ = &asker; }

    // --- for its link and its room of exchanges ---
    void on_link(const sys::Readiness& event);
    void on_link_late();
    void on_link_deadline();
    void try_again();
    const std::shared_ptr<Pool>& pool() const { return pool_; }
    Millis wait_until() const { return wait_until_; }
    void give_up(int status);

  private:
    enum class State : std::uint8_t { idle, seeking, asked, answering };
    enum class Fault : std::uint8_t { connect, closed, timeout, status, malformed };

    void seek();
    void seek_again();
    void end_chunks();
    void wait();
    void ask();
    void read();
    // False: the exchange is over, or has another link.
    bool consume(std::string_view bytes);
    bool read_head(std::string_view& bytes);
    bool read_body(std::string_view bytes);
    void finish(bool clean);
    void upgraded(const http::ResponseHead& head, std::string_view rest);
    void fail(Fault fault, int status);
    bool may_retry(Fault fault, int status) const;
    bool is_accident(Fault fault) const;
    void drop_link();
    void watch_room();
    void settle_deadline();

    Exchanges& all_;
    Asker* asker_;
    std::shared_ptr<Pool> pool_;
    Link* link_ = nullptr;
    Request request_;
    http::BodyReader body_;
    http::Options response_options_;
    std::vector<std::uint64_t> tried_;  // endpoints that failed this request
    std::string endpoint_name_;
    Millis began_ = 0;
    Millis wait_until_ = never;
    std::int64_t picked_at_ = 0;     // us
    std::uint32_t response_us_ = 0;  // from then to the response's head
    std::string trailer_;            // of the request's body, once that has ended
    std::uint32_t interim_ = 0;
    std::uint16_t attempts_ = 0;
    State state_ = State::idle;
    bool body_begun_ = false;  // something of the request's body was passed on
    bool body_over_ = false;
};

// What exchanges share, and those that wait for an instance.
class Exchanges {
  public:
    explicit Exchanges(Core& core) : core_(core), links_(core) {}
    Core& core() { return core_; }
    Links& links() { return links_; }
    http::ResponseHead& head() { return head_; }

    // One that is not active. It is given back, also from within its last call: who asks for nothing has none.
    std::unique_ptr<Exchange> take(Asker& asker);
    void give_back(std::unique_ptr<Exchange> exchange) { spare_.push_back(std::move(exchange)); }

    void add_waiting(Exchange& exchange);
    // When somebody who waits is to be tried, or given up; `never`: nobody waits.
    Millis next() const;
    void on_time();
    // There is a new table: who waits may have an instance now.
    void retry_now() { next_retry_ = core_.now; }

  private:
    Core& core_;
    Links links_;
    http::ResponseHead head_;  // its storage is reused
    std::vector<std::unique_ptr<Exchange>> spare_;
    boost::intrusive::list<Exchange, boost::intrusive::constant_time_size<false>> waiting_;
    Millis next_retry_ = never;
};

}  // namespace baton::gateway
