#include "gateway/gateway.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/check.h"
#include "base/gateway_limits.h"
#include "sys/stream.h"

namespace baton::gateway {

using sys::Epoll;

namespace {

// A token is an object's address and, in the bits that its alignment leaves free, what it is.
enum class Kind : std::uint64_t { other = 0, client = static_cast<std::uint64_t>(Side::client), upstream = static_cast<std::uint64_t>(Side::upstream), pool = 3, giver = 4, taker = 5 };
constexpr std::uint64_t kind_bits = 7;

template <class T>
std::uint64_t make_token(const T* object, Kind kind) {
    return reinterpret_cast<std::uint64_t>(object) | static_cast<std::uint64_t>(kind);
}

template <class T>
T* object_of(std::uint64_t token) {
    return reinterpret_cast<T*>(token & ~kind_bits);
}

}  // namespace

Gateway::Gateway(Epoll epoll, Counters counters, Log& log, std::size_t offset)
    : epoll_(std::move(epoll)),
      counters_(std::move(counters)),
      totals_(counters_.totals()),
      log_(log),
      relay_(epoll_, totals_),
      offset_(offset),
      now_(monotonic_now()) {}

Gateway::~Gateway() = default;

Result<void> Gateway::watch(const sys::UniqueFd& fd, std::function<void()> handler) {
    const std::uint64_t index = watched_.size();
    watched_.emplace_back(&fd, std::move(handler));
    return epoll_.add(fd, Epoll::Watch::channel, index << 3U);
}

// --- one turn ---

void Gateway::turn() {
    const auto events = epoll_.wait(patience());
    now_ = monotonic_now();
    totals_.beat = static_cast<std::uint64_t>(now_);
    for (const sys::Readiness& event : events) dispatch(event);
    // Those that had their turn and have more: after everybody else.
    auto again = std::exchange(again_, {});
    for (const auto& [session, side] : again) {
        session->leg(side).again = false;
        if (session->state == SessionState::relaying) move(*session, side);
    }
    on_time();
    if (giver_) give_some();
    ended_.clear();
    left_.clear();
}

void Gateway::dispatch(const sys::Readiness& event) {
    switch (static_cast<Kind>(event.token & kind_bits)) {
        case Kind::other: return watched_[event.token >> 3U].second();
        case Kind::client: return on_session(*object_of<Session>(event.token), Side::client, event);
        case Kind::upstream: return on_session(*object_of<Session>(event.token), Side::upstream, event);
        case Kind::pool: return accept_from(*object_of<Pool>(event.token));
        case Kind::giver:  // give_some is called each turn
            if (giver_ && (event.readable || event.ended)) hear_heir();
            return;
        case Kind::taker: {
            const auto* taker = object_of<Taker>(event.token);
            const auto found = std::find_if(takers_.begin(), takers_.end(), [&](const Taker& one) { return &one == taker; });
            if (found != takers_.end()) take_some(found);
            return;
        }
    }
}

bool Gateway::finished() const {
    // A worker that gives to this one has not ended: what it gives is passed on.
    return leaving_ && sessions_.empty() && takers_.empty() && on_their_way_.empty() && (!giver_ || giver_->empty());
}

int Gateway::patience() const {
    if (!again_.empty()) return 0;
    Millis next = now_ + limits::worker_beat;
    for (const auto* queue : {&connecting_, &waiting_, &half_closed_}) {
        if (!queue->empty()) next = std::min(next, queue->front()->due);
    }
    if (!waiting_.empty()) next = std::min(next, next_retry_);
    for (const auto& [name, pool] : pools_) {
        if (pool->paused > 0) next = std::min(next, pool->paused);
    }
    return static_cast<int>(std::max<Millis>(0, next - monotonic_now()));
}

void Gateway::on_time() {
    const auto due = [this](std::list<Session*>& queue) {
        Session* first = queue.empty() ? nullptr : queue.front();
        return first != nullptr && first->due <= now_ ? first : nullptr;
    };
    while (Session* session = due(connecting_)) unreachable(*session);
    while (Session* session = due(waiting_)) {
        ++totals_.failed;
        close(*session, true);
    }
    while (Session* session = due(half_closed_)) {
        // Where the client has not got everything, it must not look as if it had.
        const Leg& upstream = session->upstream;
        close(*session, session->client.unsent != nullptr || !upstream.ended);
    }
    if (!waiting_.empty() && now_ >= next_retry_) retry_waiting();
    for (auto& [name, pool] : pools_) {
        if (pool->paused > 0 && pool->paused <= now_) pool->paused = 0;
    }
    settle_accepting();
}

// One client of each pool tries whether an instance can be reached now; if so, the others follow.
void Gateway::retry_waiting() {
    std::set<const Pool*> in_vain;
    for (Session* session : std::vector<Session*>(waiting_.begin(), waiting_.end())) {
        const Pool* pool = session->pool;
        if (in_vain.contains(pool)) continue;
        session->tried = 0;
        connect(*session);
        if (session->state == SessionState::waiting) in_vain.insert(pool);
    }
    next_retry_ = now_ + limits::upstream_retry;
}

void Gateway::queue(Session& session, std::list<Session*>& queue, Millis wait) {
    unqueue(session);
    session.due = now_ + wait;
    session.queue = &queue;
    session.place = queue.insert(queue.end(), &session);
}

void Gateway::unqueue(Session& session) {
    if (session.queue != nullptr) session.queue->erase(session.place);
    session.queue = nullptr;
    session.due = never;
}

// --- the table ---

void Gateway::follow(const model::RouteTable& table, std::map<std::string, sys::UniqueFd> listeners) {
    const std::set<std::uint64_t> before = std::exchange(present_, {});
    std::set<std::string> named;
    for (const model::Route& route : table.routes) {
        auto& pool = pools_[route.listener];
        if (!pool) pool = std::make_unique<Pool>();
        pool->name = route.listener;
        pool->is_unix = route.listener.find("unix:") != std::string::npos;
        pool->assign(route, counters_, offset_);
        for (const Pool::Peer& peer : pool->peers) present_.insert(peer.id);
        named.insert(route.listener);
        const auto fresh = listeners.find(route.listener);
        if (fresh == listeners.end() || leaving_) continue;
        stop_accepting(*pool);
        pool->listener = std::move(fresh->second);
        sys::prepare_listener(pool->listener);
    }
    for (auto entry = pools_.begin(); entry != pools_.end();) {
        if (named.contains(entry->first)) {
            ++entry;
            continue;
        }
        stop_accepting(*entry->second);
        // Those that are still on their way to an instance have nobody else to be sent to.
        for (const auto& session : sessions_) {
            if (session->pool == entry->second.get()) session->pool = nullptr;
        }
        left_.push_back(std::move(entry->second));
        entry = pools_.erase(entry);
    }
    for (const std::uint64_t id : before) {
        if (!present_.contains(id)) counters_.forget(id);
    }
    const std::size_t limit = sys::descriptor_limit();
    most_sessions_ = (limit - std::min(limit / 2, limits::worker_descriptors + pools_.size())) / 2;
    next_retry_ = now_;  // who waits for an instance may have one now
    settle_accepting();
}

// A listener is accepted from while there is an instance to send its clients to, and room for them.
void Gateway::settle_accepting() {
    const bool full = sessions_.size() >= most_sessions_;
    if (full && !std::exchange(full_said_, true)) {
        log_.warning("{} connections are open, as many as the limit of descriptors allows: new ones wait", sessions_.size());
    }
    if (sessions_.size() < most_sessions_ / 2) full_said_ = false;
    for (Taker& taker : takers_) {
        if (taker.paused == full) continue;
        taker.paused = full;
        static_cast<void>(epoll_.change(taker.channel(), full ? Epoll::Watch::nothing : Epoll::Watch::channel, make_token(&taker, Kind::taker)));
    }
    for (auto& [name, pool] : pools_) {
        const bool wanted = !full && !leaving_ && pool->listener.valid() && !pool->empty() && pool->paused == 0;
        if (wanted == pool->watched) continue;
        if (!wanted) {
            epoll_.remove(pool->listener);
        } else if (auto added = epoll_.add(pool->listener, Epoll::Watch::listener, make_token(pool.get(), Kind::pool)); !added) {
            log_.error("listener {}: {}", name, added.error().message());
            pool->listener.reset();
            continue;
        }
        pool->watched = wanted;
    }
}

void Gateway::stop_accepting(Pool& pool) {
    if (pool.watched) epoll_.remove(pool.listener);
    pool.watched = false;
    pool.listener.reset();
}

// --- sessions ---

void Gateway::accept_from(Pool& pool) {
    for (std::size_t i = 0; i < limits::accept_turn && pool.watched && sessions_.size() < most_sessions_; ++i) {
        sys::Accepted accepted = sys::accept_stream(pool.listener);
        if (accepted.error == EAGAIN) return;
        if (accepted.error != 0) {
            log_.warning("{}; tried again in {} ms", Error::system("accept from " + pool.name, accepted.error).message(), limits::accept_backoff);
            pool.paused = now_ + limits::accept_backoff;
            return settle_accepting();
        }
        ++totals_.accepted;
        Session session;
        session.client.socket = std::move(accepted.socket);
        session.client.careful = pool.is_unix;
        session.pool = &pool;
        session.since = now_;
        connect(add(std::move(session)));
    }
    if (sessions_.size() >= most_sessions_) settle_accepting();
}

Session& Gateway::add(Session session) {
    auto& added = sessions_.emplace_back(std::make_unique<Session>(std::move(session)));
    added->index = static_cast<std::uint32_t>(sessions_.size() - 1);
    totals_.open = sessions_.size();
    return *added;
}

void Gateway::connect(Session& session) {
    while (session.pool != nullptr && !session.pool->empty() && session.tried < session.pool->peers.size()) {
        Pool::Peer& peer = session.pool->peers[session.pool->turns.pick()];
        sys::Connected made = sys::connect_stream(peer.address);
        if (made.error != 0 && made.error != EINPROGRESS) {
            ++session.tried;
            continue;
        }
        session.upstream = Leg{};
        session.upstream.socket = std::move(made.socket);
        session.endpoint = peer.id;
        session.counter = peer.counter;
        if (session.counter != nullptr) ++*session.counter;
        if (made.error == 0) return connected(session);
        session.state = SessionState::connecting;
        session.upstream.writing = session.upstream_watched = true;
        queue(session, connecting_, limits::upstream_connect);
        if (!epoll_.add(session.upstream.socket, Epoll::Watch::stream_writing, token_of(session, Side::upstream))) close(session, true);
        return;
    }
    wait_for_instance(session);
}

void Gateway::unreachable(Session& session) {
    uncount(session);
    session.upstream = Leg{};
    ++session.tried;
    connect(session);
}

// All were tried, or there is none. Its deadline counts from when it was accepted.
void Gateway::wait_for_instance(Session& session) {
    session.state = SessionState::waiting;
    const Millis left = session.since + limits::upstream_wait - now_;
    if (session.pool == nullptr || left <= 0) {
        ++totals_.failed;
        return close(session, true);
    }
    if (session.queue == &waiting_) return;
    if (waiting_.empty()) next_retry_ = now_ + limits::upstream_retry;
    queue(session, waiting_, left);
}

void Gateway::connected(Session& session) {
    unqueue(session);
    session.state = SessionState::relaying;
    session.tried = 0;
    // What the client has sent already goes first: then its descriptor is told of only for what is new.
    session.client.readable = true;
    const Relay::Outcome outcome = relay_.move(session, Side::client);
    if (!watch(session, Side::client) || (!session.upstream_watched && !watch(session, Side::upstream))) return close(session, true);
    conclude(session, Side::client, outcome);
}

bool Gateway::watch(const Session& session, Side side) {
    const Leg& leg = side == Side::client ? session.client : session.upstream;
    return epoll_.add(leg.socket, leg.writing ? Epoll::Watch::stream_writing : Epoll::Watch::stream, token_of(session, side)).has_value();
}

void Gateway::on_session(Session& session, Side side, const sys::Readiness& event) {
    if (session.state == SessionState::connecting) {
        if (!event.writable && !event.ended) return;
        if (event.ended && sys::connect_error(session.upstream.socket) != 0) return unreachable(session);
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

void Gateway::move(Session& session, Side side) {
    conclude(session, side, relay_.move(session, side));
}

void Gateway::conclude(Session& session, Side moved, Relay::Outcome outcome) {
    switch (outcome) {
        case Relay::Outcome::over: return close(session, false);
        case Relay::Outcome::broken: return close(session, true);
        case Relay::Outcome::more:
            if (!std::exchange(session.leg(moved).again, true)) again_.emplace_back(&session, moved);
            return;
        case Relay::Outcome::idle:
            // The instance is done. A client that does nothing would keep what is left for ever.
            if (session.upstream.ended || session.upstream.ending) queue(session, half_closed_, half_closed_wait());
            return;
    }
}

void Gateway::uncount(Session& session) {
    if (session.counter != nullptr) --*session.counter;
    session.counter = nullptr;
    session.endpoint = 0;
}

// Out of every list; the record lives until the turn is over.
void Gateway::detach(Session& session) {
    unqueue(session);
    session.state = SessionState::closed;
    if (session.client.again || session.upstream.again) std::erase_if(again_, [&](const auto& entry) { return entry.first == &session; });
    const std::uint32_t index = session.index;
    ended_.push_back(std::move(sessions_[index]));
    if (index + 1U < sessions_.size()) {
        sessions_[index] = std::move(sessions_.back());
        sessions_[index]->index = index;
    }
    sessions_.pop_back();
    totals_.open = sessions_.size();
}

void Gateway::close(Session& session, bool broken) {
    if (broken && session.client.socket.valid()) sys::break_on_close(session.client.socket);
    if (broken && session.upstream.socket.valid()) sys::break_on_close(session.upstream.socket);
    uncount(session);
    detach(session);
    session.client.socket.reset();
    session.upstream.socket.reset();
    ++totals_.closed;
}

// --- leaving, and what one worker passes to another ---

void Gateway::leave() {
    leaving_ = true;
    for (auto& [name, pool] : pools_) stop_accepting(*pool);
    for (Session* session : half_closed_) session->due = std::min(session->due, now_ + half_closed_wait());
}

// One that leaves waits for nobody whose instance is done.
Millis Gateway::half_closed_wait() const {
    return leaving_ && !giver_ ? limits::half_closed_leaving : limits::half_closed;
}

void Gateway::give(sys::UniqueFd channel) {
    // A new master tells again, as it cannot know: what is under way goes on, and this is for when it fails.
    if (giver_) {
        next_heir_ = std::move(channel);
        return leave();
    }
    giver_.emplace(std::move(channel));
    leave();
    if (auto added = epoll_.add(giver_->channel(), Epoll::Watch::channel_writing, make_token(&*giver_, Kind::giver)); !added) {
        log_.error("pass connections on: {}; they end here", added.error().message());
        giver_.reset();
    }
}

void Gateway::lose_heir(const std::string& why) {
    if (!giver_) return;
    const std::size_t lost = on_their_way_.size();
    if (lost > 0 || !sessions_.empty()) log_.warning("pass connections on: {}; {} were on their way, {} are here", why, lost, sessions_.size());
    while (!on_their_way_.empty()) arrived();
    epoll_.remove(giver_->channel());
    giver_.reset();
    if (next_heir_.valid()) give(std::exchange(next_heir_, sys::UniqueFd()));
}

// The other worker counts it from now on.
void Gateway::arrived() {
    if (std::uint64_t* counter = on_their_way_.front(); counter != nullptr) --*counter;
    on_their_way_.pop_front();
}

void Gateway::hear_heir() {
    for (;;) {
        const auto taken = giver_->taken();
        if (!taken && taken.error().code() == EAGAIN) return;
        if (!taken) return lose_heir(taken.error().message());
        for (std::size_t i = 0; i < *taken && !on_their_way_.empty(); ++i) arrived();
    }
}

void Gateway::give_some() {
    for (;;) {
        if (auto flushed = giver_->flush(); !flushed) {
            if (flushed.error().code() != EAGAIN) return lose_heir(flushed.error().message());
            static_cast<void>(epoll_.change(giver_->channel(), Epoll::Watch::channel_writing, make_token(&*giver_, Kind::giver)));
            return;
        }
        // While there is nothing to give, that there is room for it is no news.
        if (sessions_.empty()) {
            static_cast<void>(epoll_.change(giver_->channel(), Epoll::Watch::channel, make_token(&*giver_, Kind::giver)));
            return;
        }
        Session& session = *sessions_.back();
        const std::string pool = session.pool == nullptr ? std::string() : session.pool->name;
        if (session.state != SessionState::relaying) {
            // Nothing was sent to an instance yet: the other worker picks one.
            uncount(session);
            session.upstream = Leg{};
        }
        Session passed;
        if (session.client.socket.valid()) epoll_.remove(session.client.socket);
        if (session.upstream.socket.valid()) epoll_.remove(session.upstream.socket);
        passed.client = std::move(session.client);
        passed.upstream = std::move(session.upstream);
        passed.endpoint = session.endpoint;
        on_their_way_.push_back(std::exchange(session.counter, nullptr));
        detach(session);
        giver_->add(std::move(passed), pool);
        ++totals_.given;
    }
}

void Gateway::take(sys::UniqueFd channel) {
    Taker& taker = takers_.emplace_back(std::move(channel));
    if (auto added = epoll_.add(taker.channel(), Epoll::Watch::channel, make_token(&taker, Kind::taker)); !added) {
        log_.error("take connections over: {}", added.error().message());
        takers_.pop_back();
    }
}

void Gateway::take_some(std::list<Taker>::iterator taker) {
    std::size_t count = 0;
    for (; count < limits::accept_turn && sessions_.size() < most_sessions_; ++count) {
        auto taken = taker->take();
        if (!taken) {
            if (!taker->ended()) log_.error("take connections over: {}", taken.error().message());
            if (count > 0) static_cast<void>(taker->confirm(count));
            takers_.erase(taker);
            return;
        }
        if (!*taken) break;
        Taker::Taken& one = **taken;
        const auto pool = pools_.find(one.pool);
        const bool relaying = one.session.state == SessionState::relaying;
        one.session.pool = pool == pools_.end() ? nullptr : pool->second.get();
        one.session.since = now_;
        one.session.client.careful = one.session.pool != nullptr && one.session.pool->is_unix;
        Session& session = add(std::move(one.session));
        ++totals_.taken;
        if (!relaying) {
            connect(session);
            continue;
        }
        session.counter = counters_.slot(session.endpoint);
        if (session.counter != nullptr) ++*session.counter;
        if (!present_.contains(session.endpoint)) counters_.forget(session.endpoint);
        // For room only where something waits for it, as Relay does.
        session.client.writing = session.client.unsent != nullptr;
        session.upstream.writing = session.upstream.unsent != nullptr;
        if (!watch(session, Side::client) || !watch(session, Side::upstream)) {
            close(session, true);
            continue;
        }
        conclude(session, Side::client, Relay::Outcome::idle);
    }
    if (count > 0) static_cast<void>(taker->confirm(count));
    if (sessions_.size() >= most_sessions_) settle_accepting();
}

}  // namespace baton::gateway
