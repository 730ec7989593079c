// A client that speaks HTTP/2 to a listener (RFC 9113): its requests are streams of one session, each an exchange
// of its own. Framing, header compression and windows are the library's (nghttp2); what a client may ask for, and
// how much of it at once, is decided here.
//
//          its end, or nothing is left after GOAWAY         it has closed, or its time is over
//   open ─────────────────────────────────────▶ lingering ─────────────────────────────────▶ closed
//
// It is told to leave in two steps (section 6.8): a notice that takes nothing back, and, when the answer to a PING
// shows that it has read that, the last stream that will be answered. What it asked for in between is served.
//
// What a read brings is done after the read, and what is to be sent is written at the end of the turn, all of it
// together: the library is never called from within itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/client.h"
#include "gateway/door.h"
#include "gateway/h2_session.h"
#include "gateway/h2_stream.h"
#include "gateway/outlet.h"
#include "gateway/stream.h"
#include "http/header_block.h"

namespace baton::gateway {

class HttpPlane;

// The first bytes of a client of this version (section 3.4).
inline constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Whether they are these, as far as they are here.
bool starts_http2(std::string_view bytes);

// So many at once, and so many a second.
class Allowance {
  public:
    Allowance(std::uint32_t at_once, std::uint32_t a_second) : most_(at_once * 1000ULL), rate_(a_second), left_(most_) {}
    // False: there is none left.
    bool take(Millis now);

  private:
    std::uint64_t most_;  // in thousandths
    std::uint64_t rate_;
    std::uint64_t left_;
    Millis last_ = 0;
};

class H2Client final : public Client {
  public:
    // `read`: what of it was read already.
    H2Client(HttpPlane& plane, std::shared_ptr<Door> door, Stream stream, ClientAddress address, std::string read);
    ~H2Client() override;

    void start() override;
    // What each side has compressed depends on everything it has sent: nobody else can go on.
    bool can_pass() const override { return false; }
    bool is_between() const override { return false; }
    Passed part() override;
    void leave() override;
    Door& door() override { return *door_; }

    void on_ready(const sys::Readiness& event) override;
    void on_deadline() override;

    // --- for its streams ---
    nghttp2_session* session() const { return session_.get(); }
    Core& core();
    Exchanges& exchanges();
    const Door& door() const { return *door_; }
    const ClientAddress& address() const { return address_; }
    ClientAddress here() const { return local_address(stream_); }
    bool secure() const { return stream_.secure(); }
    // So much of a stream's body is taken: the client may send more.
    void consume(std::int32_t id, std::size_t size);
    // What can be sent of a stream now; 0 while others' data waits.
    std::size_t window(std::int32_t id) const;
    // There is something to send.
    void wake();
    void add_drained(H2Stream& stream);
    void count_waiting(std::size_t before, std::size_t now) { waiting_ += now - before; }
    void log(const AccessEntry& entry, std::uint64_t sent, std::string_view instance);

    // --- for its session: the events of nghttp2 ---
    void on_begin_headers(std::int32_t id, bool is_request);
    http::HeaderBlock& block() { return block_; }
    void on_headers(H2Stream* stream, bool is_request, bool last);
    void on_data(H2Stream& stream, std::string_view data);
    void on_end(H2Stream* stream);
    void on_reset();
    void on_idle_frame();
    void on_goaway_sent();
    void on_pong();
    void on_bad_frame() { reading_head_ = false; }
    void on_closed(std::int32_t id);
    // A frame of DATA. False: not now, enough waits already.
    bool put_data(H2Stream& stream, std::string_view frame_head, std::size_t size);

  private:
    enum class State : std::uint8_t { open, lingering, closed };

    bool wants_input() const;
    void read();
    void receive(std::string_view bytes);
    void serve();
    void touch(H2Stream& stream);
    void say_goodbye();
    void linger();
    void close(bool broken);
    void drop_streams();
    void watch_room();
    void settle_deadline(bool progress);

    HttpPlane& plane_;
    std::shared_ptr<Door> door_;
    Stream stream_;
    Outlet out_;
    std::string in_;  // read before it began
    ClientAddress address_;
    H2Session session_;
    http::HeaderBlock block_;
    http::RequestHead head_;       // its storage is reused
    Allowance resets_;
    Allowance idle_frames_;
    std::size_t waiting_ = 0;      // of all streams, to be sent
    std::unordered_map<std::int32_t, std::unique_ptr<H2Stream>> streams_;
    std::vector<H2Stream*> touched_;
    std::vector<H2Stream*> drained_;
    std::size_t lingered_ = 0;
    State state_ = State::open;
    std::uint8_t phase_ = 0;       // what the present deadline is for
    bool readable_ = false;
    bool ending_ = false;
    bool writing_ = false;         // it is watched for room
    bool busy_ = false;            // it will serve before this turn is over
    bool reading_head_ = false;    // a head has begun
    bool leaving_ = false;
    bool gone_away_ = false;       // the last stream was told
};

}  // namespace baton::gateway
