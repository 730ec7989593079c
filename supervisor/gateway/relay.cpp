#include "gateway/relay.h"

#include <cerrno>
#include <utility>

#include "base/gateway_limits.h"
#include "sys/stream.h"

namespace baton::gateway {

Relay::Outcome Relay::move(Session& session, Side side) {
    Leg& from = session.leg(side);
    Leg& to = session.other(side);
    std::uint64_t& moved = side == Side::client ? core_.totals.to_instances : core_.totals.to_clients;
    std::size_t turn = 0;
    while (from.readable && !to.unsent) {
        if (turn >= limits::relay_turn_bytes) return Outcome::more;
        const sys::Transfer got = from.stream.read(core_.buffer);
        if (got.error == EAGAIN) {
            from.readable = false;
            break;
        }
        if (got.error != 0 && !from.deaf) return Outcome::broken;
        if (got.error != 0 || got.bytes == 0) {
            from.readable = false;
            from.ended = true;
            break;
        }
        turn += got.bytes;
        if (!to.deaf) {
            moved += got.bytes;
            if (!write(session, other(side), got.bytes)) return refused(session, other(side));
        }
        // Less than there was room for is all there was; what comes next is told.
        if (got.bytes < core_.buffer.size() && !from.ending && !from.careful) from.readable = false;
    }
    return pass_end(session, side);
}

// The first bytes of the buffer: with those of others at the end of the turn where they are few.
bool Relay::write(Session& session, Side side, std::size_t size) {
    Leg& to = session.leg(side);
    const std::string_view bytes(core_.buffer.data(), size);
    if (to.stream.post(core_.outbox, token_of(session, side), {&bytes, 1})) return true;
    if (!settle(session, side)) return false;
    const sys::Transfer put = to.unsent ? sys::Transfer{0, EAGAIN} : to.stream.write(bytes);
    if (put.error != 0 && put.error != EAGAIN) return false;
    keep(session, side, bytes.substr(put.bytes));
    return true;
}

// False: it takes nothing more.
bool Relay::settle(Session& session, Side side) {
    const Stream::Late late = session.leg(side).stream.settle();
    if (late.error == 0) keep(session, side, late.rest);
    return late.error == 0;
}

// What is not taken at once is kept, and its leg is watched for room.
void Relay::keep(Session& session, Side side, std::string_view bytes) {
    if (bytes.empty()) return;
    Leg& to = session.leg(side);
    if (!to.unsent) to.unsent = std::make_unique<Unsent>();
    to.unsent->bytes.insert(to.unsent->bytes.end(), bytes.begin(), bytes.end());
    // Streams are watched for room from the first time that there was none: before that, a unix socket would
    // wake the worker each time its peer has read. One that is not watched at all yet will be for this too.
    if (!std::exchange(to.writing, true)) static_cast<void>(core_.epoll.change(to.stream.socket(), sys::Epoll::Watch::stream_writing, token_of(session, side)));
}

Relay::Outcome Relay::late(Session& session, Side side) {
    return settle(session, side) ? Outcome::idle : refused(session, side);
}

// A client that takes nothing more is gone. An instance may have answered before that, and that answer is
// the client's still: what else the client sends is read and dropped.
Relay::Outcome Relay::refused(Session& session, Side side) {
    if (side == Side::client) return Outcome::broken;
    Leg& deaf = session.upstream;
    deaf.deaf = deaf.told = true;
    deaf.readable = deaf.ending = true;
    deaf.unsent.reset();
    return move(session, Side::upstream);
}

// Once everything was written that `side` has sent, its end is told to the other one.
Relay::Outcome Relay::pass_end(Session& session, Side side) {
    Leg& from = session.leg(side);
    Leg& to = session.other(side);
    if (from.ended && !settle(session, other(side))) return refused(session, other(side));
    if (from.ended && to.ended && !settle(session, side)) return refused(session, side);
    if (from.ended && to.ended && !from.unsent && !to.unsent) return Outcome::over;
    if (!from.ended || to.unsent || to.told) return Outcome::idle;
    to.stream.end_output();
    to.told = true;
    return Outcome::idle;
}

Relay::Outcome Relay::flush(Session& session, Side side) {
    Leg& to = session.leg(side);
    if (!to.unsent) return Outcome::idle;
    Unsent& unsent = *to.unsent;
    while (unsent.from < unsent.bytes.size()) {
        const sys::Transfer put = to.stream.write(std::string_view(unsent.bytes.data(), unsent.bytes.size()).substr(unsent.from));
        if (put.error == EAGAIN) return Outcome::idle;
        if (put.error != 0) return refused(session, side);
        unsent.from += put.bytes;
    }
    to.unsent.reset();
    return move(session, other(side));
}

}  // namespace baton::gateway
