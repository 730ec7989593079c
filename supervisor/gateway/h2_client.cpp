#include "gateway/h2_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/gateway_limits.h"
#include "base/http_limits.h"
#include "gateway/h2_session.h"
#include "gateway/http_plane.h"

namespace baton::gateway {

using sys::Epoll;

namespace {

// What a deadline is for.
enum Phase : std::uint8_t { none, idle, head, sending, after };

}  // namespace

bool starts_http2(std::string_view bytes) {
    const std::size_t size = std::min(bytes.size(), http2_preface.size());
    return bytes.substr(0, size) == http2_preface.substr(0, size);
}

bool Allowance::take(Millis now) {
    if (last_ > 0) left_ = std::min(most_, left_ + static_cast<std::uint64_t>(now - last_) * rate_);
    last_ = now;
    if (left_ < 1000) return false;
    left_ -= 1000;
    return true;
}

H2Client::H2Client(HttpPlane& plane, std::shared_ptr<Door> door, Stream stream, ClientAddress address, std::string read)
    : plane_(plane),
      door_(std::move(door)),
      stream_(std::move(stream)),
      in_(std::move(read)),
      address_(std::move(address)),
      session_(*this, door_->entrance.http.max_header),
      resets_(limits::h2_resets, limits::h2_resets_a_second),
      idle_frames_(limits::h2_idle_frames, limits::h2_idle_frames_a_second) {}

H2Client::~H2Client() = default;

Core& H2Client::core() {
    return plane_.core();
}

Exchanges& H2Client::exchanges() {
    return plane_.exchanges();
}

void H2Client::start() {
    writing_ = stream_.secure();
    if (!core().epoll.add(stream_.socket(), writing_ ? Epoll::Watch::stream_writing : Epoll::Watch::stream, token_of(*this))) return close(true);
    // What came with the end of its handshake.
    readable_ = stream_.secure();
    busy_ = true;
    if (!in_.empty()) receive(std::exchange(in_, {}));
    if (state_ == State::open) serve();
}

Passed H2Client::part() {
    CHECK(can_pass());
    return {};
}

// --- reading ---

void H2Client::on_ready(const sys::Readiness& told) {
    if (state_ == State::closed) return;
    const sys::Readiness event = stream_.heard(told);
    // An event of the kernel has a token; another turn has none, and says nothing of the socket.
    if (event.token != 0) readable_ = readable_ || event.readable;
    ending_ = ending_ || event.ended;
    if (event.broken) return close(true);
    const std::uint64_t before = out_.sent();
    if (event.writable && !out_.empty() && !out_.flush(stream_)) return close(true);
    busy_ = true;
    if (readable_) read();
    if (state_ == State::open) return serve();
    busy_ = false;
    if (state_ == State::lingering && lingered_ == 0 && out_.empty()) linger();
    if (state_ != State::closed) settle_deadline(out_.sent() != before);
}

bool H2Client::wants_input() const {
    // What it asks for next waits until it has taken what it was sent.
    return state_ == State::lingering || (state_ == State::open && out_.room());
}

void H2Client::read() {
    std::size_t turn = 0;
    while (readable_ && wants_input()) {
        if (turn >= limits::relay_turn_bytes) return core().again(*this);
        const std::size_t most = std::min(core().buffer.size(), limits::h2_read_bytes);
        const sys::Transfer got = stream_.read(std::span<char>(core().buffer).first(most));
        if (got.error == EAGAIN) {
            readable_ = false;
            break;
        }
        if (got.error != 0) return close(true);
        if (got.bytes == 0) return close(false);
        turn += got.bytes;
        if (got.bytes < most && !ending_ && !stream_.secure()) readable_ = false;
        if (state_ == State::lingering) {
            if ((lingered_ += got.bytes) > limits::http_linger_bytes) return close(false);
            continue;
        }
        receive(std::string_view(core().buffer.data(), got.bytes));
    }
}

void H2Client::receive(std::string_view bytes) {
    switch (session_.receive(bytes)) {
        case H2Session::Outcome::sound: break;
        case H2Session::Outcome::flooded: session_.terminate(H2Session::calm); break;
        case H2Session::Outcome::broken: return close(true);
    }
    for (H2Stream* stream : std::exchange(touched_, {})) {
        stream->touched = false;
        stream->feed();
    }
}

void H2Client::on_begin_headers(std::int32_t id, bool is_request) {
    reading_head_ = true;
    if (!is_request) return block_.begin(limits::http_trailer_bytes, http::HeaderBlock::Kind::trailer);
    block_.begin(door_->entrance.http.max_header);
    auto stream = std::make_unique<H2Stream>(*this, id);
    session_.attach(id, *stream);
    streams_.emplace(id, std::move(stream));
}

void H2Client::on_headers(H2Stream* stream, bool is_request, bool last) {
    reading_head_ = false;
    if (stream == nullptr) return;
    if (is_request) {
        stream->take_head(block_.read(head_), head_, !last);
        // The table knows this listener no more.
        if (door_->closes()) leave();
    } else if (block_.sound()) {
        stream->take_trailer(block_.trailer());
    } else {
        stream->spoil();
    }
    if (last) stream->take_end();
    touch(*stream);
}

void H2Client::on_data(H2Stream& stream, std::string_view data) {
    stream.take_body(data);
    touch(stream);
}

void H2Client::on_end(H2Stream* stream) {
    if (stream == nullptr) return;
    stream->take_end();
    touch(*stream);
}

void H2Client::touch(H2Stream& stream) {
    if (!std::exchange(stream.touched, true)) touched_.push_back(&stream);
}

void H2Client::on_closed(std::int32_t id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    H2Stream& stream = *found->second;
    stream.cancel();
    if (stream.touched) std::erase(touched_, &stream);
    if (stream.drained) std::erase(drained_, &stream);
    streams_.erase(found);
}

void H2Client::on_reset() {
    if (!resets_.take(core().now)) session_.terminate(H2Session::calm);
}

void H2Client::on_idle_frame() {
    if (!idle_frames_.take(core().now)) session_.terminate(H2Session::calm);
}

void H2Client::consume(std::int32_t id, std::size_t size) {
    if (size > 0) session_.consume(id, size);
}

// --- writing ---

void H2Client::wake() {
    if (!busy_ && state_ == State::open) core().again(*this);
}

void H2Client::add_drained(H2Stream& stream) {
    if (!std::exchange(stream.drained, true)) drained_.push_back(&stream);
}

std::size_t H2Client::window(std::int32_t id) const {
    return waiting_ > limits::h2_write_bytes || !out_.room() ? 0 : session_.window(id);
}

bool H2Client::put_data(H2Stream& stream, std::string_view frame_head, std::size_t size) {
    std::string& held = out_.held();
    if (held.size() >= limits::h2_write_bytes) return false;
    (held += frame_head) += stream.next(size);
    stream.settle_deadline(true);
    return true;
}

void H2Client::serve() {
    busy_ = true;
    const std::uint64_t before = out_.sent();
    while (out_.room()) {
        if (out_.sent() - before >= limits::relay_turn_bytes) {
            core().again(*this);
            break;
        }
        if (!session_.gather(out_.held(), limits::h2_write_bytes)) return close(true);
        if (!out_.held().empty()) {
            if (!out_.flush(stream_)) return close(true);
        } else if (!drained_.empty()) {
            for (H2Stream* stream : std::exchange(drained_, {})) {
                stream->drained = false;
                stream->go_on();
            }
        } else {
            break;
        }
    }
    busy_ = false;
    // Between the notice and the answer to its PING the session looks as if it were over.
    const bool waits_for_answer = leaving_ && !gone_away_ && streams_.empty();
    if (out_.empty() && !waits_for_answer && session_.is_over()) return linger();
    watch_room();
    // What it has sent meanwhile, now that there is room.
    if (readable_ && wants_input()) core().again(*this);
    settle_deadline(out_.sent() != before);
}

void H2Client::watch_room() {
    if (out_.room() || std::exchange(writing_, true)) return;
    static_cast<void>(core().epoll.change(stream_.socket(), Epoll::Watch::stream_writing, token_of(*this)));
}

void H2Client::log(const AccessEntry& entry, std::uint64_t sent, std::string_view instance) {
    if (door_->access_log) door_->access_log->add(entry, address_.text, sent, instance, core().now);
}

// --- ends and deadlines ---

void H2Client::leave() {
    if (state_ != State::open || std::exchange(leaving_, true)) return;
    session_.announce_end();
    wake();
    if (streams_.empty()) settle_deadline(true);
}

void H2Client::on_goaway_sent() {
    if (leaving_ && !gone_away_) session_.ping();
}

void H2Client::on_pong() {
    if (leaving_) say_goodbye();
}

void H2Client::say_goodbye() {
    leaving_ = true;
    if (!std::exchange(gone_away_, true)) session_.end();
}

void H2Client::drop_streams() {
    touched_.clear();
    drained_.clear();
    for (const auto& [id, stream] : streams_) stream->cancel();
    streams_.clear();
}

void H2Client::linger() {
    state_ = State::lingering;
    drop_streams();
    stream_.end_output();
    if (ending_ && !readable_) return close(false);
    settle_deadline(true);
    if (readable_) core().again(*this);
}

void H2Client::close(bool broken) {
    if (state_ == State::closed) return;
    state_ = State::closed;
    drop_streams();
    if (broken) sys::break_on_close(stream_.socket());
    stream_ = Stream();
    ++core().totals.closed;
    plane_.remove(*this);
}

void H2Client::settle_deadline(bool progress) {
    const auto& rules = door_->entrance.http;
    Phase phase = none;
    Millis wait = never;
    if (state_ == State::lingering) {
        phase = after;
        wait = limits::http_linger;
    } else if (!out_.empty()) {
        phase = sending;
        wait = rules.send_timeout;
    } else if (reading_head_) {
        // It has one deadline from its first byte on.
        phase = head;
        wait = rules.header_timeout;
        progress = false;
    } else if (streams_.empty()) {
        // Frames that ask for nothing keep nobody.
        phase = idle;
        wait = leaving_ ? rules.drain_grace : rules.idle_timeout;
    }
    if (phase == phase_ && !progress) return;
    phase_ = phase;
    if (phase == none) return core().deadlines.clear(*this);
    core().deadlines.set(*this, core().now, wait);
}

void H2Client::on_deadline() {
    switch (static_cast<Phase>(std::exchange(phase_, none))) {
        case head: session_.terminate(H2Session::calm); return serve();
        case idle:
            if (gone_away_) return linger();
            say_goodbye();
            return serve();
        case sending: return close(true);
        case none:
        case after: return close(false);
    }
}

}  // namespace baton::gateway
