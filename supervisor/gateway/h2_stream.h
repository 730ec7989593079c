// One request of a client that speaks HTTP/2, and its response: to the exchange it is an asker as any, and to its
// client's session a stream.
//
//            the head is whole      the response's head      its last byte was sent
//   waiting ─────────────────▶ asking ────────────────▶ answering ────────────────▶ closed
//      ▲                                                                              ▲
//      └ in every state: either side resets the stream ───────────────────────────────┘
//
// Nothing here is called while the session reads but the functions that say so: what comes of a read is done
// after it. A body is taken from the client's window only as the instance takes it, and the instance is read only
// while little of the response waits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/access_log.h"
#include "gateway/admission.h"
#include "gateway/exchange.h"
#include "gateway/handler.h"
#include "http/head.h"

namespace baton::gateway {

class H2Client;

class H2Stream final : public Timed, public Asker {
  public:
    H2Stream(H2Client& client, std::int32_t id);
    ~H2Stream() override;
    std::int32_t id() const { return id_; }

    // --- while the session reads ---
    // `status`: of http::read.
    void take_head(int status, const http::RequestHead& head, bool has_body);
    void take_body(std::string_view data);
    void take_trailer(std::string_view trailer) { trailer_ = trailer; }
    void take_end() { received_ = true; }
    // Its trailer is none.
    void spoil() { spoiled_ = true; }

    // What has come goes on.
    void feed();
    // There is room for more of the response.
    void go_on();
    // The client reset it, or is gone.
    void cancel();

    // --- while the session writes ---
    std::size_t waiting() const { return out_.size() - out_from_; }
    // All of the response is here.
    bool is_whole() const { return ended_; }
    const std::string& response_trailer() const { return response_trailer_; }
    // So much of what waits; good until the next call.
    std::string_view next(std::size_t size);
    void settle_deadline(bool progress);
    bool was_reset() const { return reset_; }

    void on_deadline() override;

    void on_interim(const http::ResponseHead& head) override;
    void on_head(const http::ResponseHead& head, const http::Framing& framing) override;
    void on_body(std::string_view data) override;
    bool has_room() const override;
    std::size_t at_once() const override;
    void on_room() override;
    void on_end(std::string_view trailer) override;
    void on_failure(int status) override { answer(status); }
    void on_broken() override;
    void on_upgraded(const http::ResponseHead& head, Links::Parted instance, std::string_view rest) override;

    bool touched = false;  // it is in its client's list of those to feed
    bool drained = false;  // the same, of those to go on

  private:
    void begin(Admission admission);
    void refuse(int status);
    void answer(int status);
    void reset(std::uint32_t code);
    void add_out(std::string_view data);
    void submit(int status, const std::vector<http::Field>& fields, bool has_body);

    H2Client& client_;
    std::int32_t id_;
    Exchange exchange_;
    std::optional<Admission> admission_;  // what take_head found
    std::unique_ptr<AccessEntry> entry_;
    std::string in_;                      // of the body, and not taken by the instance yet
    std::string trailer_;
    std::string out_;                     // of the response, and not sent yet
    std::string response_trailer_;
    std::size_t out_from_ = 0;
    std::uint64_t body_bytes_ = 0;
    std::uint64_t sent_ = 0;
    std::uint8_t phase_ = 0;      // what the present deadline is for
    bool is_head_ = false;
    bool received_ = false;       // the client has sent all of it
    bool spoiled_ = false;        // it must not go on as if it were whole
    bool passed_ = false;         // the exchange knows that the body is over
    bool answered_ = false;       // the response has begun
    bool ended_ = false;          // all of it is here
    bool full_ = false;           // it had no room
    bool reset_ = false;          // by this side
};

}  // namespace baton::gateway
