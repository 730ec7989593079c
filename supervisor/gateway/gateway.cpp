#include "gateway/gateway.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/gateway_limits.h"
#include "base/http_limits.h"
#include "base/udp_limits.h"
#include "gateway/token.h"
#include "sys/listen.h"
#include "sys/stream.h"

namespace baton::gateway {

using sys::Epoll;

Gateway::Gateway(Epoll epoll, std::optional<sys::SendBatch> batch, Counters counters, model::BalancerSource& strategies, Log& log, std::uint32_t worker)
    : core_(std::move(epoll), std::move(batch), std::move(counters), log),
      strategies_(strategies),
      worker_(worker),
      handoff_(core_, [this](std::shared_ptr<Pool> pool, Guest guest) { tcp_.take_back(std::move(pool), std::move(guest)); }, [this] { tcp_.retry_now(); }),
      tcp_(core_, handoff_),
      http_(core_, [this](Tunnel tunnel) { tcp_.add_tunnel(std::move(tunnel)); }),
      udp_(core_),
      porch_(core_, [this](const std::shared_ptr<Door>& door, Stream client, const ClientAddress& address) { enter(door, std::move(client), address); }) {}

Result<void> Gateway::watch(const sys::UniqueFd& fd, std::function<void()> handler) {
    const std::uint64_t index = watched_.size();
    watched_.emplace_back(&fd, std::move(handler));
    return core_.epoll.add(fd, Epoll::Watch::channel, index << 3U);
}

// --- one turn ---

void Gateway::turn() {
    const auto events = core_.epoll.wait(patience());
    core_.now = monotonic_now();
    core_.totals.beat = static_cast<std::uint64_t>(core_.now);
    dispatch_all(events);
    // Those that had their turn and have more: after everybody else.
    tcp_.run_again();
    core_.run_again();
    on_time();
    handoff_.flush();
    write_posted();
    if (giver_) give_some();
    write_posted();
    core_.totals.open = open_sessions() + handoff_.open();
    for (auto& [path, log] : access_logs_) log->flush();
    tcp_.forget_ended();
    core_.forget_ended();
    left_.clear();
}

// What is posted waits neither for many others, nor for those who move much, nor for an order.
void Gateway::dispatch_all(std::span<const sys::Readiness> events) {
    const auto moved = [this] { return core_.totals.to_instances + core_.totals.to_clients; };
    std::uint64_t moved_before = moved();
    std::size_t waited = 0;
    for (const sys::Readiness& event : events) {
        const bool is_order = static_cast<Kind>(event.token & kind_bits) == Kind::other;
        if (is_order || ++waited > limits::posted_writes || moved() - moved_before > limits::posted_wait_bytes) {
            write_posted();
            moved_before = moved();
            waited = 1;
        }
        dispatch(event);
    }
    write_posted();
}

void Gateway::dispatch(const sys::Readiness& event) {
    switch (static_cast<Kind>(event.token & kind_bits)) {
        case Kind::other: return watched_[event.token >> 3U].second();
        case Kind::client: return tcp_.on_ready(*object_of<Session>(event.token), Side::client, event);
        case Kind::upstream: return tcp_.on_ready(*object_of<Session>(event.token), Side::upstream, event);
        case Kind::door: return accept_from(*object_of<Door>(event.token));
        case Kind::handler: return object_of<Handler>(event.token)->on_ready(event);
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

void Gateway::write_posted() {
    core_.outbox.flush([this](std::uint64_t token) { tell_late(token); });
}

void Gateway::tell_late(std::uint64_t token) {
    switch (static_cast<Kind>(token & kind_bits)) {
        case Kind::client: return tcp_.late(*object_of<Session>(token), Side::client);
        case Kind::upstream: return tcp_.late(*object_of<Session>(token), Side::upstream);
        case Kind::handler: return object_of<Handler>(token)->on_late();
        case Kind::other:
        case Kind::door:
        case Kind::giver:
        case Kind::taker: return;  // they post nothing
    }
}

bool Gateway::finished() const {
    // A worker that gives to this one has not ended: what it gives is passed on.
    return core_.leaving && open_sessions() == 0 && takers_.empty() && (!giver_ || giver_->empty());
}

int Gateway::patience() const {
    if (tcp_.busy() || core_.busy()) return 0;
    Millis next = std::min({core_.now + limits::worker_beat, core_.deadlines.next(), tcp_.next(), http_.next(), next_giving()});
    for (const auto& [name, door] : doors_) {
        if (door->paused > 0) next = std::min(next, door->paused);
    }
    return static_cast<int>(std::max<Millis>(0, next - monotonic_now()));
}

void Gateway::on_time() {
    core_.deadlines.run(core_.now);
    if (own_tickets_) tickets_->turn(core_.now);
    tcp_.on_time();
    http_.on_time();
    if (offer_again_ <= core_.now) offer_again();
    for (auto& [name, door] : doors_) {
        if (door->paused > 0 && door->paused <= core_.now) door->paused = 0;
    }
    settle_accepting();
}

// --- the table ---

void Gateway::assign(const model::RouteTable& table) {
    const std::set<std::uint64_t> before = std::exchange(present_, {});
    auto old = std::exchange(pools_, {});
    for (auto& [name, door] : doors_) door->choices.clear();
    for (const model::Route& route : table.routes) {
        const std::pair key(route.listener, route.service);
        auto& pool = pools_[key];
        // One service may be behind several routes of a listener: its endpoints are the same.
        if (!pool) {
            const auto known = old.find(key);
            pool = known != old.end() ? known->second : std::make_shared<Pool>(route.listener, strategies_, worker_, core_.log);
            old.erase(key);
            pool->assign(route, core_.counters, core_.now);
            for (const Pool::Peer& peer : pool->peers()) present_.insert(peer.id);
            handoff_.follow(route, pool);
        }
        doors_[route.listener]->add(route.match, pool);
    }
    for (auto& [key, pool] : old) pool->leave();
    handoff_.end_table();
    for (const std::uint64_t id : before) {
        if (present_.contains(id)) continue;
        http_.exchanges().links().forget(id);
        core_.counters.forget(id);
    }
}

void Gateway::follow(const model::RouteTable& table, std::map<std::string, sys::UniqueFd> descriptors) {
    std::set<std::string> named;
    std::map<std::string, std::shared_ptr<AccessLog>> logs;
    take_tickets(table, descriptors);
    for (const model::Entrance& entrance : table.entrances) {
        named.insert(entrance.listener);
        auto& door = doors_[entrance.listener];
        if (!door) door = std::make_shared<Door>();
        if (entrance.closing && entrance.protocol != model::Protocol::udp) accept_last(*door);
        door->name = entrance.listener;
        door->is_unix = entrance.listener.find("unix:") != std::string::npos;
        door->entrance = entrance;
        take_credentials(*door, descriptors);
        if (const auto file = descriptors.find(entrance.access_log); file != descriptors.end()) {
            auto& log = access_logs_[entrance.access_log];
            if (!log) log = std::make_shared<AccessLog>(sys::UniqueFd(), core_.log);
            log->reopen(std::move(file->second));
            descriptors.erase(file);
        }
        if (entrance.protocol == model::Protocol::udp) udp_.follow(door, table.worker);
        const auto log = access_logs_.find(entrance.access_log);
        door->access_log = log == access_logs_.end() ? nullptr : log->second;
        if (door->access_log) logs.insert(*log);
        const auto fresh = descriptors.find(entrance.listener);
        if (fresh == descriptors.end() || core_.leaving) continue;
        stop_accepting(*door);
        door->listener = std::move(fresh->second);
        if (entrance.protocol == model::Protocol::udp) {
            sys::prepare_datagrams(door->listener, limits::datagram_queue_bytes);
        } else {
            sys::prepare_listener(door->listener);
        }
    }
    access_logs_ = std::move(logs);
    assign(table);
    for (auto entry = doors_.begin(); entry != doors_.end();) {
        if (named.contains(entry->first)) {
            ++entry;
            continue;
        }
        stop_accepting(*entry->second);
        udp_.close(entry->first);
        entry->second->gone = true;
        left_.push_back(std::move(entry->second));
        entry = doors_.erase(entry);
    }
    const std::size_t limit = sys::descriptor_limit();
    most_sessions_ = (limit - std::min(limit / 2, limits::worker_descriptors + doors_.size())) / 2;
    for (const auto& [name, door] : doors_) {
        if (door->entrance.closing && door->clients > 0) http_.leave(*door);
    }
    // Who waits for an instance may have one now.
    tcp_.retry_now();
    http_.exchanges().retry_now();
    settle_accepting();
}

std::vector<std::string> Gateway::closing() const {
    std::vector<std::string> names;
    for (const auto& [name, door] : doors_) {
        if (door->entrance.closing && door->clients > 0) names.push_back(name);
    }
    return names;
}

// Those of the table before it go on where they have not come or cannot be read; where there were none, this worker's own.
void Gateway::take_tickets(const model::RouteTable& table, const std::map<std::string, sys::UniqueFd>& descriptors) {
    if (const auto file = descriptors.find(model::tickets_of(table)); file != descriptors.end()) {
        auto keys = TicketKeys::load(file->second);
        if (keys) own_tickets_ = false;
        if (keys && tickets_) *tickets_ = *keys;
        else if (keys) tickets_ = std::make_shared<TicketKeys>(*keys);
        else core_.log.error("{}; sessions of TLS that other workers began are begun anew here", keys.error().message());
    }
    const bool tls = std::any_of(table.entrances.begin(), table.entrances.end(), [](const model::Entrance& entrance) { return entrance.tls.has_value(); });
    if (!tls || tickets_) return;
    tickets_ = std::make_shared<TicketKeys>(TicketKeys::make(core_.now));
    own_tickets_ = true;
}

// What cannot be used was refused before it came here; where it is not, the one before stays in force.
void Gateway::take_credentials(Door& door, std::map<std::string, sys::UniqueFd>& descriptors) {
    if (!door.entrance.tls) {
        door.credentials = nullptr;
        return;
    }
    const auto certificate = descriptors.find(model::certificate_of(door.entrance));
    const auto key = descriptors.find(model::key_of(door.entrance));
    if (certificate == descriptors.end() || key == descriptors.end()) return;
    const auto certificate_text = sys::read_all(certificate->second, limits::tls_file_bytes);
    const auto key_text = sys::read_all(key->second, limits::tls_file_bytes);
    if (!certificate_text || !key_text) return core_.log.error("listener {}: {}", door.entrance.name, (certificate_text ? key_text : certificate_text).error().message());
    const bool is_http = door.entrance.protocol == model::Protocol::http;
    auto made = make_credentials(*certificate_text, *key_text, door.entrance.tls->minimum, is_http, door.entrance.http.http2,
                                 {tickets_, model::certificate_of(door.entrance)});
    if (!made) return core_.log.error("listener {}: {}", door.entrance.name, made.error().message());
    door.credentials = std::move(*made);
}

// A listener is accepted from while there is an instance to send its clients to, and room for them.
void Gateway::settle_accepting() {
    const std::size_t open = open_sessions();
    const bool full = open >= most_sessions_;
    if (full && !std::exchange(full_said_, true)) {
        core_.log.warning("{} connections are open, as many as the limit of descriptors allows: new ones wait", open);
    }
    if (open < most_sessions_ / 2) full_said_ = false;
    for (Taker& taker : takers_) {
        if (taker.paused == full) continue;
        taker.paused = full;
        // Not watched at all: the end of one that gives would be told again and again, and cannot be heard now.
        if (full) {
            core_.epoll.remove(taker.channel());
        } else if (auto added = watch(taker); !added) {
            core_.log.error("take connections over: {}", added.error().message());
        }
    }
    udp_.settle(most_sessions_ / (limits::flows_share / 2));
    for (auto& [name, door] : doors_) {
        if (door->entrance.protocol == model::Protocol::udp) continue;
        const bool wanted = !full && !core_.leaving && door->listener.valid() && !door->entrance.closing && !door->empty() && door->paused == 0;
        if (wanted == door->watched) continue;
        if (wanted) {
            watch(*door);
        } else {
            core_.epoll.remove(door->listener);
            door->watched = false;
        }
    }
}

void Gateway::stop_accepting(Door& door) {
    if (door.watched) core_.epoll.remove(door.listener);
    door.watched = false;
    door.listener.reset();
}

// 0, or why nobody was.
int Gateway::accept_one(Door& door) {
    const std::shared_ptr<Door>& shared = doors_.at(door.name);
    sys::SocketAddress from;
    sys::Accepted accepted = sys::accept_stream(door.listener, &from);
    if (accepted.error != 0) return accepted.error;
    ++core_.totals.accepted;
    ++door.accepted;
    if (Porch::is_for(door)) porch_.add(shared, std::move(accepted.socket), ClientAddress(from));
    else enter(shared, Stream(std::move(accepted.socket)), ClientAddress(from));
    return 0;
}

void Gateway::accept_from(Door& door) {
    if (door.gone) return;
    for (std::size_t i = 0; i < limits::accept_turn && door.watched && open_sessions() < most_sessions_; ++i) {
        const int error = accept_one(door);
        if (error == EAGAIN) break;
        if (error != 0) {
            core_.log.warning("{}; tried again in {} ms", Error::system("accept from " + door.name, error).message(), limits::accept_backoff);
            door.paused = core_.now + limits::accept_backoff;
            return settle_accepting();
        }
    }
    if (open_sessions() >= most_sessions_) return settle_accepting();
    if (door.accepted < limits::accept_share || !door.watched) return;
    door.accepted = 0;
    core_.epoll.remove(door.listener);
    door.watched = false;
    watch(door);
}

// It is about to be closed: who waits there is served still, by the instances of the table before. Those who come
// meanwhile too, as long as they are not many more.
void Gateway::accept_last(Door& door) {
    if (door.watched) {
        const auto waiting = sys::queued(door.listener);
        for (std::size_t left = (waiting ? *waiting : 0) + limits::accept_turn; left > 0 && open_sessions() < most_sessions_; --left) {
            if (const int error = accept_one(door); error != 0 && error != ECONNABORTED) break;
        }
    }
    stop_accepting(door);
}

void Gateway::watch(Door& door) {
    if (auto added = core_.epoll.add(door.listener, Epoll::Watch::listener, make_token(&door, Kind::door)); !added) {
        core_.log.error("listener {}: {}", door.name, added.error().message());
        return door.listener.reset();
    }
    door.watched = true;
}

void Gateway::enter(const std::shared_ptr<Door>& door, Stream client, const ClientAddress& address) {
    if (door->entrance.protocol == model::Protocol::http) return http_.add(door, std::move(client), address);
    if (door->choices.empty()) {
        // The listener has left while the client's handshake went on.
        ++core_.totals.closed;
        return;
    }
    tcp_.accept(door->pool(), std::move(client), address, door->is_unix);
}

}  // namespace baton::gateway
