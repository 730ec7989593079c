#include "gateway/links.h"

#include <algorithm>
#include <cerrno>

#include "gateway/exchange.h"
#include "gateway/roll.h"

namespace baton::gateway {

using sys::Epoll;

Link* Links::take_idle(const Pool::Peer& peer) {
    const auto found = idle_.find(peer.id);
    if (found == idle_.end()) return nullptr;
    Link* link = found->second.back();
    leave_idle(*link);
    core_.deadlines.clear(*link);
    link->state = LinkState::busy;
    link->reused = true;
    link->counter = peer.counter;
    if (link->counter != nullptr) ++*link->counter;
    return link;
}

Link* Links::connect(const Pool::Peer& peer, int& error) {
    sys::Connected made = sys::connect_stream(peer.address);
    error = made.error;
    if (made.error != 0 && made.error != EINPROGRESS) return nullptr;
    auto link = std::make_unique<Link>(*this, Stream(std::move(made.socket)), peer.id, peer.counter);
    const bool connecting = made.error == EINPROGRESS;
    link->state = connecting ? LinkState::connecting : LinkState::busy;
    link->writing = connecting;
    if (!core_.epoll.add(link->stream.socket(), connecting ? Epoll::Watch::stream_writing : Epoll::Watch::stream, token_of(*link))) {
        error = ENOMEM;
        return nullptr;
    }
    if (link->counter != nullptr) ++*link->counter;
    link->index = static_cast<std::uint32_t>(all_.size());
    return all_.emplace_back(std::move(link)).get();
}

void Links::park(Link& link, Millis wait, std::size_t most) {
    link.exchange = nullptr;
    auto& idle = idle_[link.endpoint];
    if (idle.size() >= most || wait <= 0 || link.ending) {
        if (idle.empty()) idle_.erase(link.endpoint);
        return close(link);
    }
    uncount(link);
    link.state = LinkState::idle;
    idle.push_back(&link);
    core_.deadlines.set(link, core_.now, wait);
}

void Links::close(Link& link) {
    if (link.state == LinkState::idle) leave_idle(link);
    else uncount(link);
    end(link);
}

Links::Parted Links::part(Link& link) {
    core_.epoll.remove(link.stream.socket());
    // Whoever goes on with it finds it broken.
    if (!link.out.settle(link.stream)) link.stream.end_output();
    Parted parted{std::move(link.stream), link.out.take_unsent(), link.endpoint, link.counter, link.readable, link.ending};
    end(link);
    return parted;
}

void Links::forget(std::uint64_t endpoint) {
    const auto found = idle_.find(endpoint);
    if (found == idle_.end()) return;
    for (Link* link : std::vector<Link*>(found->second)) close(*link);
}

void Links::close_idle() {
    while (!idle_.empty()) forget(idle_.begin()->first);
}

void Links::leave_idle(Link& link) {
    const auto found = idle_.find(link.endpoint);
    std::erase(found->second, &link);
    if (found->second.empty()) idle_.erase(found);
}

void Links::uncount(Link& link) {
    if (link.counter != nullptr) --*link.counter;
    link.counter = nullptr;
}

// Out of the list; the record lives until the turn is over.
void Links::end(Link& link) {
    link.exchange = nullptr;
    link.stream = Stream();
    core_.end(take_out(all_, link));
}

void Link::on_ready(const sys::Readiness& event) {
    if (!stream.socket().valid()) return;  // it ended in this turn
    // Another turn of an exchange that is over says nothing of the socket.
    if (state == LinkState::idle && event.token == 0) return;
    readable = readable || event.readable;
    ending = ending || event.ended;
    // An instance that says something nobody asked for, or closes, is of no more use.
    if (state == LinkState::idle) {
        if (event.readable || event.ended) links.close(*this);
        return;
    }
    if (exchange != nullptr) exchange->on_link(event);
}

void Link::on_late() {
    if (exchange != nullptr) return exchange->on_link_late();
    links.close(*this);
}

void Link::on_deadline() {
    if (state == LinkState::idle) return links.close(*this);
    if (exchange != nullptr) exchange->on_link_deadline();
}

}  // namespace baton::gateway
