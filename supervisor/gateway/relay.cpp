#include "gateway/relay.h"

#include <cerrno>

#include "base/gateway_limits.h"
#include "sys/stream.h"

namespace baton::gateway {

Relay::Relay(sys::Epoll& epoll, Totals& totals) : epoll_(epoll), totals_(totals), buffer_(limits::relay_buffer_bytes) {}

Relay::Outcome Relay::move(Session& session, Side side, std::uint64_t token) {
    Leg& from = session.leg(side);
    Leg& to = session.other(side);
    std::uint64_t& moved = side == Side::client ? totals_.to_instances : totals_.to_clients;
    std::size_t turn = 0;
    while (from.readable && !to.unsent) {
        if (turn >= limits::relay_turn_bytes) return Outcome::more;
        const sys::Transfer got = sys::read_stream(from.socket, buffer_);
        if (got.error == EAGAIN) {
            from.readable = false;
            break;
        }
        if (got.error != 0) return Outcome::broken;
        if (got.bytes == 0) {
            from.readable = false;
            from.ended = true;
            break;
        }
        turn += got.bytes;
        moved += got.bytes;
        const std::span<const char> bytes(buffer_.data(), got.bytes);
        sys::Transfer put = sys::write_stream(to.socket, bytes);
        if (put.error != 0 && put.error != EAGAIN) return deliver_last(session, side);
        if (put.bytes < got.bytes) {
            to.unsent = std::make_unique<Unsent>();
            to.unsent->bytes.assign(bytes.begin() + static_cast<std::ptrdiff_t>(put.bytes), bytes.end());
            watch_for_room(to, token);
        }
        // Less than there was room for is all there was; what comes next is told.
        if (got.bytes < buffer_.size() && !from.ending) from.readable = false;
    }
    return pass_end(session, side);
}

// The other side takes nothing more. What it has said before that, an early answer, is not lost.
Relay::Outcome Relay::deliver_last(Session& session, Side side) {
    Leg& from = session.leg(side);
    Leg& to = session.other(side);
    from.readable = false;
    while (!from.unsent) {
        const sys::Transfer got = sys::read_stream(to.socket, buffer_);
        if (got.error != 0 || got.bytes == 0) break;
        const sys::Transfer put = sys::write_stream(from.socket, std::span<const char>(buffer_.data(), got.bytes));
        if (put.bytes < got.bytes) break;
    }
    return Outcome::over;
}

// Once everything was written that `side` has sent, its end is told to the other one.
Relay::Outcome Relay::pass_end(Session& session, Side side) const {
    Leg& from = session.leg(side);
    Leg& to = session.other(side);
    if (!from.ended || to.unsent || to.told) return Outcome::idle;
    if (to.ended && !from.unsent) return Outcome::over;
    sys::end_output(to.socket);
    to.told = true;
    return Outcome::idle;
}

Relay::Outcome Relay::flush(Session& session, Side side, std::uint64_t token) {
    Leg& to = session.leg(side);
    if (!to.unsent) return Outcome::idle;
    Unsent& unsent = *to.unsent;
    while (unsent.from < unsent.bytes.size()) {
        const sys::Transfer put = sys::write_stream(to.socket, std::span<const char>(unsent.bytes).subspan(unsent.from));
        if (put.error == EAGAIN) return Outcome::idle;
        if (put.error != 0) return Outcome::broken;
        unsent.from += put.bytes;
    }
    to.unsent.reset();
    return move(session, side == Side::client ? Side::upstream : Side::client, token);
}

// Streams are watched for room from the first time that there was none: before that, a unix socket would
// wake the worker each time its peer has read.
void Relay::watch_for_room(Leg& to, std::uint64_t token) const {
    if (to.writing) return;
    to.writing = true;
    epoll_.change(to.socket, sys::Epoll::Watch::stream_writing, token);
}

}  // namespace baton::gateway
