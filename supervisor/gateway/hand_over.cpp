// A worker that leaves, and the one that goes on with its connections: who gives what when, and what becomes of it
// where either of them ends. The Gateway's part of what gateway/passing.h describes.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/gateway_limits.h"
#include "gateway/gateway.h"
#include "gateway/token.h"

namespace baton::gateway {

using sys::Epoll;

void Gateway::leave() {
    core_.leaving = true;
    for (auto& [name, door] : doors_) {
        // What comes back from instances goes out by the socket that datagrams came by.
        if (door->entrance.protocol != model::Protocol::udp) stop_accepting(*door);
    }
    settle_accepting();
    handoff_.leave();
    if (giver_) return http_.leave(true);
    tcp_.leave();
    udp_.leave();
    http_.leave();
}

// --- giving ---

void Gateway::give(sys::UniqueFd channel, std::uint64_t heir) {
    // A new master tells again, as it cannot know: what is under way goes on, and this is for when it fails.
    if (giver_) {
        next_giver_.emplace(std::move(channel), heir);
        return leave();
    }
    giver_.emplace(std::move(channel), heir);
    lost_heir_ = 0;
    give_at_ = 0;
    leave();
    if (auto added = core_.epoll.add(giver_->channel(), Epoll::Watch::channel, make_token(&*giver_, Kind::giver)); !added) lose_heir(added.error().message());
}

std::uint64_t Gateway::lost_heir() const {
    return giver_ || open_sessions() == 0 || core_.now < lost_heir_due_ ? 0 : lost_heir_;
}

// What nobody has confirmed goes on here, or to the next one.
void Gateway::lose_heir(const std::string& why) {
    if (!giver_) return;
    std::deque<Passed> back = giver_->take_back();
    if (!back.empty() || open_sessions() > 0) {
        core_.log.warning("pass connections on: {}; {} that were on their way are taken back, {} are here", why, back.size(), open_sessions());
    }
    core_.epoll.remove(giver_->channel());
    const std::uint64_t heir = giver_->heir();
    giver_.reset();
    for (Passed& passed : back) {
        if (passed.kind != PassedKind::flows_end) take_one(std::move(passed));
    }
    // Somebody else may have room for what this one refused, and has none of the flows.
    offer_again();
    udp_.give_anew();
    if (next_giver_) {
        Giver next = *std::exchange(next_giver_, std::nullopt);
        return give(next.take_channel(), next.heir());
    }
    lost_heir_ = heir;
    lost_heir_due_ = std::max(core_.now, lost_heir_due_ + limits::lost_heir_told);
    leave();
}

// The other worker counts it from now on.
void Gateway::arrived(const Passed& passed) {
    if (passed.counter != nullptr) --*passed.counter;
    if (passed.kind != PassedKind::flows_end) ++core_.totals.given;
}

void Gateway::hear_heir() {
    give_at_ = 0;
    while (giver_) {
        auto answered = giver_->answered();
        if (!answered && answered.error().code() == EAGAIN) return;
        if (!answered) return lose_heir(answered.error().message());
        for (const Passed& passed : answered->taken) arrived(passed);
        if (answered->refused) keep(std::move(*answered->refused));
    }
}

void Gateway::keep(Passed refused) {
    if (offer_again_ == never) {
        core_.log.warning("pass connections on: the other worker cannot take some of them now; they are offered again each {}", format_duration(limits::passed_again));
        offer_again_ = core_.now + limits::passed_again;
    }
    // A flow ends: the next datagram of its client makes another, where they are read now.
    if (refused.kind != PassedKind::connection) return drop(refused);
    take_one(std::move(refused));
}

void Gateway::offer_again() {
    offer_again_ = never;
    tcp_.offer_again();
    http_.offer_again();
}

void Gateway::give_some() {
    if (core_.now < give_at_) return;
    do {
        switch (giver_->flush()) {
            case Giver::Flushed::all: break;
            case Giver::Flushed::full: return watch_heir(true);
            case Giver::Flushed::later:
                give_at_ = core_.now + limits::accept_backoff;
                return watch_heir(false);
            case Giver::Flushed::gone:
                hear_heir();
                return lose_heir("the other worker has ended");
        }
    } while (!giver_->full() && give_one());
    // While there is nothing to give, that there is room for it is no news.
    watch_heir(false);
}

void Gateway::watch_heir(bool for_room) {
    if (std::exchange(giver_->waits_for_room, for_room) == for_room) return;
    static_cast<void>(core_.epoll.change(giver_->channel(), for_room ? Epoll::Watch::channel_writing : Epoll::Watch::channel, make_token(&*giver_, Kind::giver)));
}

// When there is something to do for those who leave that no event tells.
Millis Gateway::next_giving() const {
    Millis next = offer_again_;
    if (giver_ && give_at_ > core_.now) next = std::min(next, give_at_);
    if (!giver_ && lost_heir_ != 0 && lost_heir_due_ > core_.now) next = std::min(next, lost_heir_due_);
    return next;
}

// False: there is nobody who can be passed on now. An HTTP client can once its request was answered.
bool Gateway::give_one() {
    Passed passed;
    // Flows first: the other worker waits for the last of them.
    if (auto flow = udp_.give()) {
        passed = std::move(*flow);
    } else if (tcp_.can_give()) {
        passed = tcp_.give();
    } else if (Client* client = http_.idle_client()) {
        passed = client->part();
    } else {
        return false;
    }
    giver_->add(std::move(passed));
    return true;
}

// --- taking ---

void Gateway::take(sys::UniqueFd channel) {
    const Taker& taker = takers_.emplace_back(std::move(channel));
    if (auto added = watch(taker); !added) {
        core_.log.error("take connections over: {}", added.error().message());
        takers_.pop_back();
    }
}

Result<void> Gateway::watch(const Taker& taker) {
    const Epoll::Watch what = taker.waits_for_room ? Epoll::Watch::channel_writing : Epoll::Watch::channel;
    return core_.epoll.add(taker.channel(), what, make_token(&taker, Kind::taker));
}

void Gateway::take_some(std::list<Taker>::iterator taker) {
    while (taker->taken.size() < limits::take_turn && open_sessions() + taker->taken.size() < most_sessions_) {
        auto taken = taker->take();
        if (!taken) return end_taking(taker, taken.error());
        if (!*taken) break;
        Passed& passed = taker->taken.emplace_back(std::move(**taken));
        // Before the giver counts it no more, or it would look as if its connection had ended.
        if (passed.kind != PassedKind::flows_end && passed.endpoint != 0) passed.counter = core_.counters.slot(passed.endpoint);
        if (passed.counter != nullptr) ++*passed.counter;
    }
    confirm(*taker);
    if (open_sessions() >= most_sessions_) settle_accepting();
}

void Gateway::confirm(Taker& taker) {
    // Where the giver has ended, all that has come is this worker's.
    const auto mine = taker.confirm();
    serve(taker, mine ? *mine : taker.taken.size());
    const bool waits = !taker.taken.empty();
    if (std::exchange(taker.waits_for_room, waits) == waits || taker.paused) return;
    core_.epoll.remove(taker.channel());
    static_cast<void>(watch(taker));
}

// Its giver has ended. Or one of the two does not speak properly: then what cannot be confirmed is still the giver's.
void Gateway::end_taking(std::list<Taker>::iterator taker, const Error& why) {
    if (!taker->ended()) core_.log.error("take connections over: {}", why.message());
    confirm(*taker);
    for (const Passed& passed : taker->taken) drop(passed);
    takers_.erase(taker);
}

void Gateway::serve(Taker& taker, std::size_t count) {
    for (; count > 0; --count) {
        Passed passed = std::move(taker.taken.front());
        taker.taken.pop_front();
        if (passed.kind != PassedKind::flows_end) ++core_.totals.taken;
        take_one(std::move(passed));
    }
}

// It ends here, whoever has it else.
void Gateway::drop(const Passed& passed) {
    if (passed.counter == nullptr) return;
    --*passed.counter;
    if (!present_.contains(passed.endpoint)) core_.counters.forget(passed.endpoint);
}

void Gateway::take_one(Passed passed) {
    const std::uint64_t endpoint = passed.counter == nullptr ? 0 : passed.endpoint;
    const auto door = doors_.find(passed.listener);
    if (passed.kind != PassedKind::connection) {
        udp_.take(std::move(passed));
    } else if (door == doors_.end()) {
        // Its listener has left the configuration: what has an instance goes on.
        if (passed.endpoint != 0) tcp_.take(std::move(passed), nullptr);
    } else if (passed.endpoint == 0 && door->second->entrance.protocol == model::Protocol::http) {
        http_.take(door->second, std::move(passed));
    } else {
        passed.client.careful = door->second->is_unix;
        std::shared_ptr<Pool> pool = door->second->choices.empty() ? nullptr : door->second->pool();
        for (const Door::Choice& choice : door->second->choices) {
            if (choice.pool->has(passed.endpoint)) pool = choice.pool;
        }
        tcp_.take(std::move(passed), std::move(pool));
    }
    if (endpoint != 0 && !present_.contains(endpoint)) core_.counters.forget(endpoint);
}

}  // namespace baton::gateway
