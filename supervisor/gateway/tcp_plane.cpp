#include "gateway/tcp_plane.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/gateway_limits.h"
#include "base/handoff_limits.h"
#include "gateway/proxy_header.h"
#include "gateway/roll.h"

namespace baton::gateway {

using sys::Epoll;

void Session::on_deadline() {
    plane->on_deadline(*this);
}

// --- how one begins ---

Session& TcpPlane::add() {
    auto& added = sessions_.emplace_back(std::make_unique<Session>());
    added->plane = this;
    added->since = core_.now;
    added->index = static_cast<std::uint32_t>(sessions_.size() - 1);
    return *added;
}

void TcpPlane::accept(std::shared_ptr<Pool> pool, Stream client, const ClientAddress& address, bool careful) {
    Session& session = add();
    session.client.stream = std::move(client);
    session.client.careful = careful || session.client.stream.secure();
    session.client.writing = session.client.stream.secure();
    session.pool = std::move(pool);
    session.pick = std::make_unique<Pick>(Pick{address, address.text, {}});
    connect(session);
}

void TcpPlane::take_back(std::shared_ptr<Pool> pool, Guest guest) {
    Session& session = add();
    session.client.stream = std::move(guest.stream);
    session.client.careful = guest.careful;
    session.since = guest.since;
    session.offers = guest.offers;
    // Others come first: a strategy may like the one best that has nobody as it takes nobody.
    session.tried = {guest.last};
    session.pool = std::move(pool);
    session.pick = std::make_unique<Pick>(Pick{guest.address, guest.address.text, {}});
    if (session.offers >= limits::guest_offers) return give_up(session);
    // Whose time is over has this one try, with whoever there is.
    if (session.since + limits::upstream_wait <= core_.now) session.tried.clear();
    connect(session);
}

void TcpPlane::connect(Session& session) {
    while (const Pool::Peer* peer = session.pool ? session.pool->pick(*session.pick, session.tried, core_.now) : nullptr) {
        if (peer->handoff) {
            if (hand(session, *peer)) return;
            continue;
        }
        session.picked_at = monotonic_micros();
        sys::Connected made = sys::connect_stream(peer->address);
        if (made.error != 0 && made.error != EINPROGRESS) {
            session.tried.push_back(peer->id);
            if (!sys::blames_peer(made.error)) {
                session.pool->not_reached(*peer, made.error, core_.now);
                continue;
            }
            session.pool->failed(peer->id, core_.now, true);
            if (!session.pool->may_retry(model::RetryOn::connect)) return give_up(session);
            continue;
        }
        session.upstream = Leg{};
        session.upstream.stream = Stream(std::move(made.socket));
        session.endpoint = peer->id;
        session.counter = peer->counter;
        session.pool->started(peer->id);
        if (session.counter != nullptr) ++*session.counter;
        if (made.error == 0) return connected(session);
        session.state = SessionState::connecting;
        session.upstream.writing = session.upstream.watched = true;
        core_.deadlines.set(session, core_.now, session.pool->rules().timeouts.connect);
        if (!core_.epoll.add(session.upstream.stream.socket(), Epoll::Watch::stream_writing, token_of(session, Side::upstream))) close(session, true);
        return;
    }
    wait_for_instance(session);
}

// True: that was all there is to do for it.
bool TcpPlane::hand(Session& session, const Pool::Peer& peer) {
    Guest guest{std::move(session.client.stream), session.pick->client, session.client.careful, session.since, session.offers};
    const Handoff::Answer answer = handoff_.give(peer, session.pool, guest);
    if (answer == Handoff::Answer::given) {
        detach(session);
        return true;
    }
    session.client.stream = std::move(guest.stream);
    session.tried.push_back(peer.id);
    if (answer == Handoff::Answer::busy) return false;
    session.pool->failed(peer.id, core_.now, true);
    if (session.pool->may_retry(model::RetryOn::connect)) return false;
    give_up(session);
    return true;
}

void TcpPlane::unreachable(Session& session) {
    session.tried.push_back(session.endpoint);
    session.pool->failed(session.endpoint, core_.now, true);
    uncount(session);
    session.upstream = Leg{};
    if (!session.pool->may_retry(model::RetryOn::connect)) return give_up(session);
    connect(session);
}

void TcpPlane::give_up(Session& session) {
    ++core_.totals.failed;
    close(session, true);
}

// All were tried, or there is none. Its time counts from when it was accepted.
void TcpPlane::wait_for_instance(Session& session) {
    session.state = SessionState::waiting;
    core_.deadlines.clear(session);
    if (!session.pool || session.pool->over() || session.since + limits::upstream_wait <= core_.now) {
        return give_up(session);
    }
    if (session.waiting.is_linked()) return;
    if (waiting_.empty()) next_retry_ = core_.now + limits::upstream_retry;
    waiting_.push_back(session);
}

void TcpPlane::connected(Session& session) {
    session.waiting.unlink();
    session.state = SessionState::relaying;
    session.tried = {};
    // Whose answers are whose, a stream does not say; how long it took to be taken is all there is.
    const std::int64_t took = monotonic_micros() - session.picked_at;
    session.pool->succeeded(session.endpoint, core_.now, static_cast<std::uint32_t>(std::min<std::int64_t>(took, model::unknown_us - 1)));
    if (!introduce(session)) return close(session, true);
    session.pick.reset();
    // What the client has sent already goes first: then its descriptor is told of only for what is new.
    session.client.readable = true;
    const Relay::Outcome outcome = relay_.move(session, Side::client);
    if (!watch(session, Side::client) || (!session.upstream.watched && !watch(session, Side::upstream))) return close(session, true);
    conclude(session, Side::client, outcome);
}

// The PROXY header is the first that the instance reads. A new connection has room for it.
bool TcpPlane::introduce(Session& session) {
    const model::ProxyProtocol version = session.pool->rules().proxy_protocol;
    if (version == model::ProxyProtocol::none) return true;
    const std::string header = write_proxy_header(version, session.pick->client, local_address(session.client.stream));
    return session.upstream.stream.write(header).bytes == header.size();
}

bool TcpPlane::watch(const Session& session, Side side) {
    const Leg& leg = side == Side::client ? session.client : session.upstream;
    return core_.epoll.add(leg.stream.socket(), leg.writing ? Epoll::Watch::stream_writing : Epoll::Watch::stream, token_of(session, side)).has_value();
}

void TcpPlane::add_tunnel(Tunnel tunnel) {
    Session& session = add();
    session.pool = std::move(tunnel.pool);
    session.endpoint = tunnel.instance.endpoint;
    session.counter = tunnel.instance.counter;
    session.state = SessionState::relaying;
    session.client.stream = std::move(tunnel.client);
    session.client.unsent = std::move(tunnel.for_client);
    session.client.careful = session.client.stream.secure();
    session.upstream.stream = std::move(tunnel.instance.stream);
    session.upstream.unsent = std::move(tunnel.instance.unsent);
    if (!tunnel.for_instance.empty()) {
        if (!session.upstream.unsent) session.upstream.unsent = std::make_unique<Unsent>();
        auto& bytes = session.upstream.unsent->bytes;
        bytes.insert(bytes.end(), tunnel.for_instance.begin(), tunnel.for_instance.end());
    }
    for (Leg* leg : {&session.client, &session.upstream}) leg->writing = leg->unsent != nullptr || leg->stream.secure();
    // What the kernel does not tell of.
    session.client.readable = session.client.stream.secure();
    if (!watch(session, Side::client) || !watch(session, Side::upstream)) return close(session, true);
    conclude(session, Side::client, relay_.flush(session, Side::client));
    if (session.state == SessionState::relaying) conclude(session, Side::upstream, relay_.flush(session, Side::upstream));
    if (session.state == SessionState::relaying && session.client.readable) move(session, Side::client);
}

// --- how it goes on ---

void TcpPlane::on_ready(Session& session, Side side, const sys::Readiness& told) {
    const sys::Readiness event = session.leg(side).stream.heard(told);
    if (session.state == SessionState::connecting) {
        if (!event.writable && !event.ended) return;
        if (event.ended && sys::connect_error(session.upstream.stream.socket()) != 0) return unreachable(session);
        // What the instance has said already came with the same event: it is not told of again.
        connected(session);
    }
    if (session.state != SessionState::relaying) return;
    Leg& leg = session.leg(side);
    if (event.writable && leg.unsent) {
        conclude(session, other(side), relay_.flush(session, side));
        if (session.state != SessionState::relaying) return;
    }
    if (!event.readable) return;
    leg.readable = !leg.ended;
    leg.ending = leg.ending || event.ended;
    leg.careful = leg.careful || event.urgent;
    move(session, side);
}

void TcpPlane::late(Session& session, Side side) {
    conclude(session, other(side), relay_.late(session, side));
}

void TcpPlane::run_again() {
    for (const auto& [session, side] : std::exchange(again_, {})) {
        session->leg(side).again = false;
        if (session->state == SessionState::relaying) move(*session, side);
    }
}

void TcpPlane::move(Session& session, Side side) {
    conclude(session, side, relay_.move(session, side));
}

void TcpPlane::conclude(Session& session, Side moved, Relay::Outcome outcome) {
    switch (outcome) {
        case Relay::Outcome::over: return close(session, false);
        case Relay::Outcome::broken: return close(session, true);
        case Relay::Outcome::more:
            // What was moved last may have been the other way.
            for (const Side side : {moved, other(moved)}) {
                Leg& leg = session.leg(side);
                if (leg.readable && !std::exchange(leg.again, true)) again_.emplace_back(&session, side);
            }
            return;
        case Relay::Outcome::idle: return settle_deadline(session);
    }
}

// Where the instance is done, a client that does nothing would keep what is left for ever.
void TcpPlane::settle_deadline(Session& session) {
    if (session.upstream.ended || session.upstream.ending) {
        core_.deadlines.set(session, core_.now, leaving_ ? limits::half_closed_leaving : limits::half_closed);
    } else if (session.pool && session.pool->rules().timeouts.tunnel > 0) {
        core_.deadlines.renew(session, core_.now, session.pool->rules().timeouts.tunnel);
    }
}

void TcpPlane::on_deadline(Session& session) {
    if (session.state == SessionState::connecting) return unreachable(session);
    // Where the client has not got everything, it must not look as if it had.
    close(session, session.client.unsent != nullptr || !session.upstream.ended);
}

// One client of each pool tries whether an instance can be reached now; if so, the others follow.
void TcpPlane::on_time() {
    if (waiting_.empty() || core_.now < next_retry_) return;
    next_retry_ = core_.now + limits::upstream_retry;
    std::vector<const Pool*> in_vain;
    Waiting round;
    round.swap(waiting_);
    while (!round.empty()) {
        Session& session = round.front();
        round.pop_front();
        const Pool* pool = session.pool.get();
        if (std::find(in_vain.begin(), in_vain.end(), pool) != in_vain.end()) {
            wait_for_instance(session);
            continue;
        }
        session.tried.clear();
        connect(session);
        if (session.state == SessionState::waiting) in_vain.push_back(pool);
    }
}

// --- how it ends ---

void TcpPlane::uncount(Session& session) {
    if (session.pool && session.endpoint != 0) session.pool->finished(session.endpoint);
    if (session.counter != nullptr) --*session.counter;
    session.counter = nullptr;
    session.endpoint = 0;
}

// Out of every list; the record lives until the turn is over.
void TcpPlane::detach(Session& session) {
    session.unlink();
    session.waiting.unlink();
    session.state = SessionState::closed;
    if (session.client.again || session.upstream.again) std::erase_if(again_, [&](const auto& entry) { return entry.first == &session; });
    ended_.push_back(take_out(sessions_, session));
}

void TcpPlane::close(Session& session, bool broken) {
    for (Leg* leg : {&session.client, &session.upstream}) {
        static_cast<void>(leg->stream.settle());
        if (broken && leg->stream.socket().valid()) sys::break_on_close(leg->stream.socket());
    }
    uncount(session);
    detach(session);
    session.client.stream = Stream();
    session.upstream.stream = Stream();
    ++core_.totals.closed;
}

void TcpPlane::leave() {
    leaving_ = true;
    for (const auto& session : sessions_) {
        if (session->state == SessionState::relaying) settle_deadline(*session);
    }
}

// --- from worker to worker ---

bool TcpPlane::may_go(const Session& session) {
    const auto fits = [](const Leg& leg) { return !leg.unsent || leg.unsent->bytes.size() - leg.unsent->from <= limits::passed_bytes; };
    return !session.client.stream.secure() && !session.client.stream.posted() && !session.upstream.stream.posted() && !session.refused && fits(session.client) && fits(session.upstream);
}

bool TcpPlane::can_give() const {
    return std::any_of(sessions_.rbegin(), sessions_.rend(), [](const auto& session) { return may_go(*session); });
}

Passed TcpPlane::give() {
    Session& session = **std::find_if(sessions_.rbegin(), sessions_.rend(), [](const auto& one) { return may_go(*one); });
    if (session.state != SessionState::relaying) {
        // Nothing was sent to an instance yet: the other worker picks one.
        uncount(session);
        session.upstream = Leg{};
    }
    for (const Leg* leg : {&session.client, &session.upstream}) {
        if (leg->stream.socket().valid()) core_.epoll.remove(leg->stream.socket());
    }
    if (session.pool && session.endpoint != 0) session.pool->finished(session.endpoint);
    Passed passed;
    if (session.pool) passed.listener = session.pool->listener();
    passed.counter = std::exchange(session.counter, nullptr);
    passed.endpoint = session.endpoint;
    passed.client = std::move(session.client);
    passed.upstream = std::move(session.upstream);
    if (session.pick) passed.address = session.pick->client;
    detach(session);
    return passed;
}

void TcpPlane::offer_again() {
    for (const auto& session : sessions_) session->refused = false;
}

void TcpPlane::take(Passed passed, std::shared_ptr<Pool> pool) {
    Session& session = add();
    session.client = std::move(passed.client);
    session.upstream = std::move(passed.upstream);
    session.endpoint = passed.endpoint;
    session.counter = passed.counter;
    session.pool = std::move(pool);
    session.refused = passed.refused;
    if (session.endpoint == 0) {
        session.pick = std::make_unique<Pick>(Pick{passed.address, passed.address.text, {}});
        return connect(session);
    }
    session.state = SessionState::relaying;
    if (session.pool) session.pool->started(session.endpoint);
    for (Leg* leg : {&session.client, &session.upstream}) {
        // For room only where something waits for it, as Relay does; what there is to read is told anew.
        leg->writing = leg->unsent != nullptr;
        leg->readable = leg->again = false;
    }
    if (!watch(session, Side::client) || !watch(session, Side::upstream)) return close(session, true);
    conclude(session, Side::client, Relay::Outcome::idle);
}

}  // namespace baton::gateway
