#include "gateway/http_client.h"

#include <cerrno>
#include <utility>

#include "base/gateway_limits.h"
#include "base/http_limits.h"
#include "gateway/admission.h"
#include "gateway/h2_client.h"
#include "gateway/http_plane.h"

namespace baton::gateway {

using sys::Epoll;
using Kind = http::Framing::Kind;
using ReaderState = http::ChunkReader::State;

namespace {

// What a deadline is for.
enum Phase : std::uint8_t { none, idle, head, body, sending, after };

}  // namespace

HttpClient::HttpClient(HttpPlane& plane, std::shared_ptr<Door> door, Stream stream, ClientAddress address, std::string read)
    : plane_(plane), door_(std::move(door)), stream_(std::move(stream)), in_(std::move(read)), address_(std::move(address)) {}

void HttpClient::start() {
    writing_ = stream_.secure();
    if (!plane_.core().epoll.add(stream_.socket(), writing_ ? Epoll::Watch::stream_writing : Epoll::Watch::stream, token_of(*this))) return close(true);
    // What came with the end of its handshake.
    if (stream_.secure()) plane_.core().again(*this);
    settle_deadline(true);
    if (!in_.empty()) consume_rest();
}

// --- reading ---

void HttpClient::on_ready(const sys::Readiness& told) {
    if (state_ == State::closed) return;
    const sys::Readiness event = stream_.heard(told);
    readable_ = readable_ || event.readable;
    ending_ = ending_ || event.ended;
    if (event.broken) return close(true);
    // Whether it has taken its last response decides what comes next.
    if (stream_.posted()) on_late();
    if (state_ == State::closed) return;
    if (event.writable && !out_.empty()) {
        const std::uint64_t before = out_.sent();
        if (!out_.flush(stream_)) return close(true);
        if (out_.empty() && state_ == State::lingering) linger();
        if (out_.room() && exchange_ && state_ == State::asking) exchange_->go_on();
        if (state_ == State::closed) return;
        settle_deadline(out_.sent() != before);
    }
    // What it has sent ahead of the present response.
    if (state_ == State::between && !in_.empty() && out_.room()) consume_rest();
    if (readable_ && state_ != State::closed) read();
    // A half of a connection that is closed does not tell whether the other one is read: only the user knows.
    if (state_ == State::asking && ending_ && door_->entrance.http.abort_on_close) close(false);
}

void HttpClient::on_late() {
    if (!out_.settle(stream_)) return close(true);
    watch_room();
    settle_deadline(true);
}

bool HttpClient::wants_input() const {
    switch (state_) {
        case State::between: return out_.room();
        case State::asking: return !body_.over() && exchange_->room();
        case State::lingering: return true;
        case State::closed: return false;
    }
    return false;
}

void HttpClient::read() {
    Core& core = plane_.core();
    // A head may not be longer than its limit; a body's pieces are as large as they come.
    std::size_t turn = 0;
    while (readable_ && wants_input()) {
        if (turn >= limits::relay_turn_bytes) return core.again(*this);
        const std::size_t most = state_ == State::asking ? core.buffer.size() : limits::http_read_bytes;
        const sys::Transfer got = stream_.read(std::span<char>(core.buffer).first(most));
        if (got.error == EAGAIN) {
            readable_ = false;
            break;
        }
        if (got.error != 0) return close(true);
        if (got.bytes == 0) {
            // Between two requests, or in the middle of one: there is nobody to answer.
            return close(false);
        }
        turn += got.bytes;
        if (got.bytes < most && !ending_ && !stream_.secure()) readable_ = false;
        if (state_ == State::lingering) {
            if ((lingered_ += got.bytes) > limits::http_linger_bytes) return close(false);
            continue;
        }
        std::string_view bytes(core.buffer.data(), got.bytes);
        if (in_.empty()) {
            consume(bytes);
            if (state_ != State::closed) in_.assign(bytes);
        } else {
            in_.append(bytes);
            consume_rest();
        }
    }
    if (state_ != State::closed) settle_deadline(turn > 0);
}

void HttpClient::consume_rest() {
    // Out of the way, as what is asked may come back here before it returns.
    const std::string mine = std::exchange(in_, {});
    std::string_view bytes = mine;
    consume(bytes);
    if (state_ != State::closed && !bytes.empty()) in_.assign(bytes);
}

void HttpClient::consume(std::string_view& bytes) {
    while (!bytes.empty()) {
        if (state_ == State::between) {
            if (!out_.room() || !consume_head(bytes)) break;
        } else if (state_ == State::asking && !body_ended_) {
            if (!consume_body(bytes)) break;
        } else {
            break;
        }
    }
    if (state_ == State::asking && exchange_->active()) exchange_->flush();
    if (state_ == State::lingering || state_ == State::closed) bytes = {};
}

// False: there is no whole head, or it is the last.
bool HttpClient::consume_head(std::string_view& bytes) {
    // One empty line before a request is forgiven (RFC 9112, section 2.2).
    if (!forgiven_ && scan_.scanned == 0 && bytes.starts_with("\r\n")) {
        bytes.remove_prefix(2);
        forgiven_ = true;
    }
    if (bytes.empty()) return false;
    if (fresh_ && door_->entrance.http.http2 && starts_http2(bytes)) {
        if (bytes.size() >= http2_preface.size()) speak_http2(bytes);
        return false;
    }
    const http::HeadEnd end = http::find_end(bytes, scan_);
    const std::size_t most = door_->entrance.http.max_header;
    if (end.kind == http::HeadEnd::Kind::bad) {
        refuse(400);
        return false;
    }
    if (end.size > most || (end.kind == http::HeadEnd::Kind::more && bytes.size() > most)) {
        refuse(431);
        return false;
    }
    if (end.kind == http::HeadEnd::Kind::more) return false;
    scan_ = {};
    forgiven_ = false;
    http::RequestHead& head = plane_.request_head();
    const int status = http::read(bytes.substr(0, end.size), head);
    // Views of what is consumed stay good until the caller reads again.
    bytes.remove_prefix(end.size);
    if (status != 0) {
        refuse(status);
        return false;
    }
    begin(head);
    return state_ == State::asking || state_ == State::between;
}

// Its very first bytes say that it speaks the other version (RFC 9113, section 3.3).
void HttpClient::speak_http2(std::string_view& bytes) {
    plane_.core().epoll.remove(stream_.socket());
    state_ = State::closed;
    auto successor = std::make_unique<H2Client>(plane_, door_, std::move(stream_), std::move(address_), std::string(bytes));
    bytes = {};
    plane_.remove(*this);
    plane_.add(std::move(successor));
}

void HttpClient::begin(const http::RequestHead& head) {
    fresh_ = false;
    const auto framing = http::framing_of(head);
    const http::Options options = http::options_of(head);
    minor_ = head.minor == 1;
    keep_alive_ = options.keep_alive;
    close_after_ = options.close || leaving_ || door_->closes();
    is_head_ = head.method == "HEAD";
    answered_ = false;
    body_bytes_ = 0;
    body_ = http::BodyReader(framing.framing);
    body_ended_ = body_.over();
    if (door_->access_log) entry_ = std::make_unique<AccessEntry>(entry_of(head, plane_.core().now, out_.sent()));
    Admission admission = admit(*door_, head, framing, options, address_, stream_.secure());
    if (admission.refused == 404) return answer(404);
    if (admission.refused != 0) return refuse(admission.refused);
    if (admission.pool->rules().proxy_protocol != model::ProxyProtocol::none) admission.request.pick.here = local_address(stream_);
    state_ = State::asking;
    exchange_ = plane_.exchanges().take(*this);
    exchange_->begin(std::move(admission.pool), std::move(admission.request));
}

// False: there is no room for more, or the body is over.
bool HttpClient::consume_body(std::string_view& bytes) {
    while (!body_.over()) {
        if (!exchange_->room()) return false;
        std::string_view data;
        const ReaderState state = body_.next(bytes, data);
        if (state == ReaderState::more) return false;
        if (state == ReaderState::bad) {
            exchange_->cancel();
            refuse(400);
            return false;
        }
        if (state == ReaderState::end) break;
        body_bytes_ += data.size();
        const std::uint64_t most = door_->entrance.http.max_body;
        if (most > 0 && body_bytes_ > most) {
            exchange_->cancel();
            refuse(413);
            return false;
        }
        exchange_->send(data);
    }
    if (!exchange_->room()) return false;
    std::string trailer(body_.trailer());
    if (http::purge_trailer(trailer)) {
        exchange_->cancel();
        refuse(400);
        return false;
    }
    body_ended_ = true;
    exchange_->end_body(trailer);
    return false;
}

void HttpClient::on_room() {
    // A body that nothing follows ends with its last piece, which may be gone already.
    if (!body_ended_ && (!in_.empty() || body_.over())) {
        const std::string mine = std::exchange(in_, {});
        std::string_view bytes = mine;
        consume_body(bytes);
        if (state_ != State::closed && state_ != State::lingering) in_.assign(bytes);
    }
    if (state_ != State::asking) return;
    settle_deadline(true);
    if (readable_) plane_.core().again(*this);
}

// --- answering ---

void HttpClient::on_interim(const http::ResponseHead& head) {
    if (!minor_) return;  // HTTP/1.0 does not know them
    http::write_response(out_.held(), head, {}, http::After::nothing, {});
    if (!out_.flush(stream_)) return close(true);
    watch_room();
}

void HttpClient::on_head(const http::ResponseHead& head, const http::Framing& framing) {
    answered_ = true;
    response_framing_ = framing;
    if (framing.kind == Kind::chunked || framing.kind == Kind::until_close) {
        response_framing_.kind = minor_ ? Kind::chunked : Kind::until_close;
        if (!minor_) close_after_ = true;
    }
    // A client that has not sent its whole request by now may go on; whether it does shows at the end.
    if (leaving_ || door_->closes()) close_after_ = true;
    const http::After after = close_after_ ? http::After::close : keep_alive_ ? http::After::keep_alive : http::After::nothing;
    http::write_response(out_.held(), head, response_framing_, after, {});
    if (entry_) entry_->status = head.status;
}

void HttpClient::on_body(std::string_view data) {
    bool sound = false;
    if (response_framing_.kind == Kind::chunked) {
        std::string size;
        http::write_chunk_size(size, data.size());
        sound = out_.post(plane_.core().outbox, token_of(*this), stream_, data, size, "\r\n");
    } else {
        sound = out_.post(plane_.core().outbox, token_of(*this), stream_, data);
    }
    if (!sound) return close(true);
    watch_room();
    settle_deadline(true);
}

void HttpClient::on_end(std::string_view trailer) {
    if (response_framing_.kind == Kind::chunked) ((out_.held() += "0\r\n") += trailer) += "\r\n";
    finish();
}

void HttpClient::on_failure(int status) {
    answer(status);
}

// The length that was announced, or the end that is missing, tells the client.
void HttpClient::on_broken() {
    static_cast<void>(out_.flush(stream_));
    close(true);
}

void HttpClient::on_upgraded(const http::ResponseHead& head, Links::Parted instance, std::string_view rest) {
    http::write_response(out_.held(), head, {}, http::After::nothing, http::find(head.fields, "upgrade") != nullptr
                                                                          ? http::find(head.fields, "upgrade")->value
                                                                          : std::string_view());
    out_.held() += rest;
    if (entry_) entry_->status = head.status;
    log_request();
    plane_.core().epoll.remove(stream_.socket());
    state_ = State::closed;
    // Whoever goes on with it finds it broken.
    if (!out_.settle(stream_)) stream_.end_output();
    Tunnel tunnel{std::move(stream_), out_.take_unsent(), std::move(instance), std::exchange(in_, {}), exchange_->pool()};
    plane_.remove(*this);
    plane_.tunnel(std::move(tunnel));
}

// What cannot be understood, or shall not be: nothing that follows on this connection can be trusted.
void HttpClient::refuse(int status) {
    if (state_ == State::asking && answered_) return close(true);
    if (state_ == State::between) is_head_ = false;
    close_after_ = true;
    answer(status);
}

void HttpClient::log_request() {
    if (!entry_) return;
    const std::string_view instance = exchange_ ? std::string_view(exchange_->endpoint_name()) : std::string_view();
    if (door_->access_log) door_->access_log->add(*entry_, address_.text, out_.sent(), instance, plane_.core().now);
    entry_.reset();
}

void HttpClient::answer(int status) {
    // What is left of the body would be read as the next request.
    if (!body_.over()) close_after_ = true;
    const http::After after = close_after_ ? http::After::close : keep_alive_ ? http::After::keep_alive : http::After::nothing;
    http::write_error(out_.held(), status, !is_head_, after);
    if (entry_) entry_->status = status;
    finish();
}

void HttpClient::finish() {
    const bool stays = !close_after_ && body_.over();
    if (!(stays ? out_.post(plane_.core().outbox, token_of(*this), stream_) : out_.flush(stream_))) return close(true);
    watch_room();
    log_request();
    if (exchange_) plane_.exchanges().give_back(std::move(exchange_));
    if (!stays) return linger();
    state_ = State::between;
    settle_deadline(true);
    // What it has sent ahead, after everybody else had their turn.
    if (!in_.empty() || readable_) plane_.core().again(*this);
}

void HttpClient::linger() {
    state_ = State::lingering;
    in_.clear();
    if (!out_.empty()) return;
    stream_.end_output();
    if (ending_ && !readable_) return close(false);
    settle_deadline(true);
    if (readable_) plane_.core().again(*this);
}

// --- ends and deadlines ---

void HttpClient::leave() {
    if (std::exchange(leaving_, true)) return;
    if (state_ == State::between) settle_deadline(true);
}

Passed HttpClient::part() {
    plane_.core().epoll.remove(stream_.socket());
    state_ = State::closed;
    Passed passed;
    passed.listener = door_->name;
    passed.client.stream = std::move(stream_);
    passed.address = address_;
    if (!in_.empty()) {
        passed.upstream.unsent = std::make_unique<Unsent>();
        passed.upstream.unsent->bytes.assign(in_.begin(), in_.end());
    }
    plane_.remove(*this);
    return passed;
}

void HttpClient::close(bool broken) {
    if (state_ == State::closed) return;
    state_ = State::closed;
    if (exchange_ && exchange_->active()) ++plane_.core().totals.aborted;
    if (exchange_) exchange_->cancel();
    if (entry_ && !answered_) entry_->status = limits::http_client_gone;
    // A response before this one.
    if (!out_.settle(stream_) || !out_.room()) broken = true;
    log_request();
    if (broken) sys::break_on_close(stream_.socket());
    stream_ = Stream();
    ++plane_.core().totals.closed;
    plane_.remove(*this);
}

void HttpClient::watch_room() {
    if (out_.room() || std::exchange(writing_, true)) return;
    static_cast<void>(plane_.core().epoll.change(stream_.socket(), Epoll::Watch::stream_writing, token_of(*this)));
}

void HttpClient::settle_deadline(bool progress) {
    const auto& rules = door_->entrance.http;
    Phase phase = none;
    Millis wait = never;
    if (state_ == State::lingering && out_.empty()) {
        // Nothing that it sends makes it longer.
        if (phase_ == after) return;
        phase = after;
        wait = limits::http_linger;
    } else if (!out_.empty()) {
        phase = sending;
        wait = rules.send_timeout;
    } else if (state_ == State::between) {
        // A head has one deadline from its first byte on: who sends a byte now and then gains nothing.
        phase = in_.empty() ? idle : head;
        wait = phase == head ? rules.header_timeout : leaving_ ? rules.drain_grace : rules.idle_timeout;
        if (phase == head && phase_ == head) return;
    } else if (state_ == State::asking && !body_.over() && exchange_->room()) {
        phase = body;
        wait = rules.body_timeout;
    }
    if (phase == phase_ && !progress) return;
    phase_ = phase;
    if (phase == none) return plane_.core().deadlines.clear(*this);
    plane_.core().deadlines.set(*this, plane_.core().now, wait);
}

void HttpClient::on_deadline() {
    if (stream_.posted()) {
        on_late();
        if (state_ == State::closed || !out_.room()) return;
    }
    switch (static_cast<Phase>(std::exchange(phase_, none))) {
        case head: return refuse(408);
        case body:
            exchange_->cancel();
            if (answered_) return close(true);
            return refuse(408);
        case sending: return close(true);
        case none:
        case idle:
        case after: return close(false);
    }
}

}  // namespace baton::gateway
