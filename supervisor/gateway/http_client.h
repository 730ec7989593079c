// A client that speaks HTTP/1 to a listener: its requests are read one after the other, each is an exchange,
// and what it sends ahead waits.
//
//            a whole head        the response is over
//   between ─────────────▶ asking ───────────────────▶ between
//      │ its time is over,       │ it cannot be kept
//      │ or it closed            ▼
//      └────────────────────▶ lingering ──▶ closed
//
// lingering  all was said; what it still sends is read and dropped, as a reset could take the response away
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/access_log.h"
#include "gateway/door.h"
#include "gateway/exchange.h"
#include "gateway/client.h"
#include "gateway/outlet.h"
#include "gateway/stream.h"
#include "http/forward.h"
#include "http/framing.h"
#include "http/head.h"

namespace baton::gateway {

class HttpPlane;

class HttpClient final : public Client, public Asker {
  public:
    // `read`: what another worker has read of it already.
    HttpClient(HttpPlane& plane, std::shared_ptr<Door> door, Stream stream, ClientAddress address, std::string read);

    void start() override;
    bool can_pass() const override { return !stream_.secure(); }
    bool is_between() const override { return state_ == State::between && out_.empty() && !stream_.posted() && !stream_.secure(); }
    void leave() override;
    Door& door() override { return *door_; }
    Passed part() override;
    void close(bool broken);

    void on_ready(const sys::Readiness& event) override;
    void on_late() override;
    void on_deadline() override;

    void on_interim(const http::ResponseHead& head) override;
    void on_head(const http::ResponseHead& head, const http::Framing& framing) override;
    void on_body(std::string_view data) override;
    bool has_room() const override { return out_.room(); }
    void on_room() override;
    void on_end(std::string_view trailer) override;
    void on_failure(int status) override;
    void on_broken() override;
    void on_upgraded(const http::ResponseHead& head, Links::Parted instance, std::string_view rest) override;

  private:
    enum class State : std::uint8_t { between, asking, lingering, closed };

    bool wants_input() const;
    void read();
    // Takes what it can off the front.
    void consume(std::string_view& bytes);
    bool consume_head(std::string_view& bytes);
    void begin(const http::RequestHead& head);
    void speak_http2(std::string_view& bytes);
    bool consume_body(std::string_view& bytes);
    void consume_rest();
    void log_request();
    void refuse(int status);
    void answer(int status);
    void finish();
    void linger();
    void watch_room();
    void settle_deadline(bool progress);

    HttpPlane& plane_;
    std::shared_ptr<Door> door_;
    Stream stream_;
    Outlet out_;
    std::string in_;        // read, and not consumed yet
    ClientAddress address_;
    http::Scan scan_;
    http::BodyReader body_;
    http::Framing response_framing_;
    std::unique_ptr<Exchange> exchange_;  // while there is a request
    std::unique_ptr<AccessEntry> entry_;  // what the access log will say of the request
    std::uint64_t body_bytes_ = 0;
    std::size_t lingered_ = 0;
    State state_ = State::between;
    std::uint8_t phase_ = 0;   // what the present deadline is for
    bool fresh_ = true;        // it has asked for nothing yet
    bool forgiven_ = false;    // an empty line before the next request
    bool readable_ = false;
    bool ending_ = false;
    bool writing_ = false;     // it is watched for room
    bool close_after_ = false;
    bool leaving_ = false;
    bool minor_ = true;        // HTTP/1.1
    bool keep_alive_ = false;  // HTTP/1.0 that asked to be kept
    bool is_head_ = false;
    bool body_ended_ = false;  // the exchange knows that its body is over
    bool answered_ = false;    // the response's head is out
};

}  // namespace baton::gateway
