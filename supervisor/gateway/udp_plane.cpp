#include "gateway/udp_plane.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "base/udp_limits.h"

namespace baton::gateway {

using sys::Epoll;

void Flow::on_ready(const sys::Readiness&) { plane.on_answers(*this); }
void Flow::on_deadline() { plane.finish(*this); }
void UdpDoor::on_ready(const sys::Readiness&) { plane.on_datagrams(*this); }
void UdpDoor::on_deadline() { plane.give_up_waiting(*this); }

std::array<std::uint64_t, 2> UdpDoor::random_key() {
    std::random_device device;
    const auto word = [&] { return static_cast<std::uint64_t>(device()) << 32U | device(); };
    return {word(), word()};
}

std::size_t UdpDoor::Hash::operator()(const sys::DatagramEnds& ends) const {
    std::array<std::uint64_t, sizeof(ends) / sizeof(std::uint64_t)> words{};
    std::memcpy(words.data(), &ends, sizeof(ends));
    std::uint64_t hash = key[0];
    for (const std::uint64_t word : words) {
        hash = (hash ^ word) * 0x9e37'79b9'7f4a'7c15ULL;
        hash ^= std::rotr(hash, 29) + key[1];
    }
    return hash;
}

UdpPlane::UdpPlane(Core& core) : core_(core) {}
UdpPlane::~UdpPlane() = default;

// --- which listeners are read ---

void UdpPlane::follow(const std::shared_ptr<Door>& door, std::uint64_t self) {
    self_ = self;
    auto& known = doors_[door->name];
    if (!known) known = std::make_unique<UdpDoor>(*this, door);
    const model::Entrance& entrance = door->entrance;
    const bool had = std::exchange(known->named, entrance.reader == 0 || entrance.reader == self);
    if (had && !known->named) end_soon(*known);
    const std::uint64_t before = known->named && entrance.reader_before != known->had_from ? entrance.reader_before : 0;
    if (before == known->waits_for) return;
    known->waits_for = before;
    core_.deadlines.clear(*known);
    if (before != 0) core_.deadlines.set(*known, core_.now, limits::flows_hand_over);
}

void UdpPlane::give_up_waiting(UdpDoor& door) {
    core_.log.warning("listener {}: the flows of the worker before did not arrive within {}; clients are given instances anew", door.door->entrance.name,
                      format_duration(limits::flows_hand_over));
    door.had_from = std::exchange(door.waits_for, 0);
}

void UdpPlane::stop_reading(UdpDoor& door) {
    if (std::exchange(door.door->watched, false)) core_.epoll.remove(door.door->listener);
}

void UdpPlane::close(const std::string& listener) {
    const auto found = doors_.find(listener);
    if (found == doors_.end()) return;
    UdpDoor& door = *found->second;
    stop_reading(door);
    while (!door.flows.empty()) finish(*door.flows.begin()->second);
    while (!door.outlived.empty()) finish(*door.outlived.begin()->second);
    core_.end(std::move(found->second));
    doors_.erase(found);
}

void UdpPlane::settle(std::size_t most) {
    most_ = most;
    for (auto& [name, entry] : doors_) {
        UdpDoor& door = *entry;
        Door& with = *door.door;
        // Without an instance for anybody new, what arrives waits in the socket, as connections do; unless
        // there are clients that may stay with one.
        const bool keeps = !with.choices.empty() && with.pool()->keeps_anybody() && !door.flows.empty();
        const bool useful = !with.empty() || keeps;
        const bool wanted = door.named && door.waits_for == 0 && !door.given && !core_.leaving && with.listener.valid() && useful;
        if (wanted == with.watched) continue;
        if (!wanted) {
            stop_reading(door);
        } else if (auto added = core_.epoll.add(with.listener, Epoll::Watch::channel, token_of(door)); !added) {
            core_.log.error("listener {}: {}", name, added.error().message());
            door.named = false;
        } else {
            with.watched = true;
        }
    }
}

void UdpPlane::leave() {
    for (auto& [name, door] : doors_) end_soon(*door);
}

void UdpPlane::end_soon(UdpDoor& door) {
    for (auto& [ends, flow] : door.flows) core_.deadlines.set(*flow, core_.now, limits::flow_leaving);
}

// --- from clients ---

sys::DatagramBatch& UdpPlane::batch() {
    if (!batch_) batch_ = std::make_unique<sys::DatagramBatch>(limits::datagram_turn, limits::datagram_bytes);
    return *batch_;
}

void UdpPlane::on_datagrams(UdpDoor& door) {
    if (!door.door->watched) return;  // within this turn it was decided otherwise
    const auto got = batch().receive(door.door->listener);
    if (got.error != 0 && got.error != EAGAIN) return drop(door, 1, std::strerror(got.error));
    for (std::size_t first = 0; first < got.count;) {
        const sys::DatagramEnds ends = batch_->ends(first);
        std::size_t end = first + 1;
        while (end < got.count && batch_->ends(end) == ends) ++end;
        forward(find_or_add(door, ends), first, end - first);
        first = end;
    }
}

Flow& UdpPlane::find_or_add(UdpDoor& door, const sys::DatagramEnds& ends) {
    const auto found = door.flows.find(ends);
    if (found != door.flows.end()) return *found->second;
    if (door.flows.size() >= limits::listener_flows || count_ >= most_) make_room(door);
    return add(door, ends);
}

// The flow that was silent for longest is the likeliest to be over; of the listener that has most of them, so that
// none can take them all.
void UdpPlane::make_room(UdpDoor& door) {
    if (!std::exchange(full_said_, true)) {
        core_.log.warning("listener {}: {} clients have a flow here, {} in this worker, as many as the limits allow: each new one ends the one that was "
                          "silent for longest", door.door->entrance.name, door.flows.size(), count_);
    }
    UdpDoor* from = &door;
    for (const auto& [name, other] : doors_) {
        if (door.flows.size() < limits::listener_flows && other->flows.size() > from->flows.size()) from = other.get();
    }
    if (!from->by_age.empty()) finish(from->by_age.front());
}

Flow& UdpPlane::add(UdpDoor& door, const sys::DatagramEnds& ends) {
    auto made = std::make_unique<Flow>(*this, door, ends);
    Flow& flow = *made;
    door.flows.emplace(ends, std::move(made));
    enter(door, flow);
    return flow;
}

// Its client has another one: the reader before was waited for too long, or this worker read here earlier. What
// that one asked may not be answered yet.
Flow& UdpPlane::add_outlived(UdpDoor& door, const sys::DatagramEnds& ends) {
    auto made = std::make_unique<Flow>(*this, door, ends);
    Flow& flow = *made;
    flow.outlived = true;
    door.outlived.emplace(&flow, std::move(made));
    enter(door, flow);
    core_.deadlines.set(flow, core_.now, limits::flow_leaving);
    return flow;
}

void UdpPlane::enter(UdpDoor& door, Flow& flow) {
    door.by_age.push_back(flow);
    ++count_;
}

// Until somebody has taken all of them, or there is nobody left to try.
void UdpPlane::forward(Flow& flow, std::size_t first, std::size_t count) {
    if (flow.socket.valid() && !flow.pool->serves(flow.endpoint)) {
        unbind(flow);
        flow.kept.clear();  // the one that has left may have taken it
    }
    flow.attempts = 0;
    const std::size_t end = first + count;
    std::vector<std::uint64_t> tried;
    if (flow.refused_by != 0) tried.push_back(flow.refused_by);
    bool may_return = flow.refused_by != 0;
    while (first < end) {
        if (!flow.socket.valid()) {
            if (!bind(flow, tried, may_return)) {
                drop(flow.door, end - first, "there is no instance to send it to");
                return finish(flow);
            }
            if (!flow.kept.empty()) sys::write_stream(flow.socket, flow.kept);
        }
        const int error = send(flow, first, end);
        if (error == 0) continue;
        if (!sys::blames_peer(error) || error == EMSGSIZE) {
            drop(flow.door, 1, std::strerror(error));
            ++first;
            continue;
        }
        tried.push_back(flow.endpoint);
        refused(flow);
    }
    touch(flow);
}

// 0, or why not even one was sent. That nobody is there, the kernel tells with the next call, of the datagram before.
// So while nobody has proved to be there, one is sent at a time and kept: it goes to another instance then.
int UdpPlane::send(Flow& flow, std::size_t& first, std::size_t end) {
    const bool doubtful = !flow.answered || flow.pool->keeps(flow.endpoint);
    const auto sent = batch_->send(flow.socket, first, doubtful ? 1 : end - first);
    if (sent.error != 0) return sent.error;
    const std::string_view bytes = batch_->bytes(first);
    flow.kept.assign(doubtful && bytes.size() <= limits::datagram_kept_bytes ? bytes : std::string_view());
    for (std::size_t i = first; i < first + sent.count; ++i) core_.totals.to_instances += batch_->bytes(i).size();
    first += sent.count;
    return 0;
}

// Once for each instance there is.
void UdpPlane::send_again(Flow& flow) {
    std::vector<std::uint64_t> tried{flow.refused_by};
    bool may_return = false;
    const bool sent = !flow.kept.empty() && ++flow.attempts < std::max<std::size_t>(2, flow.pool->size()) && bind(flow, tried, may_return) &&
                      sys::write_stream(flow.socket, flow.kept).error == 0;
    if (sent) return;
    flow.kept.clear();
    drop(flow.door, 1, "nobody was there to take it");
}

// `may_return`: where there is nobody but the one that was left long ago, it may have come back.
bool UdpPlane::bind(Flow& flow, std::vector<std::uint64_t>& tried, bool& may_return) {
    if (flow.door.door->choices.empty()) return false;
    flow.pool = flow.door.door->pool();
    const ClientAddress client(flow.ends.peer_address());
    const Pick pick{client, client.text, {}};
    for (;;) {
        const Pool::Peer* peer = flow.pool->pick(pick, tried, core_.now);
        if (peer == nullptr && std::exchange(may_return, false)) {
            std::erase(tried, flow.refused_by);
            continue;
        }
        if (peer == nullptr) return false;
        sys::Connected made = sys::connect_datagrams(peer->address);
        if (made.error != 0 && !sys::blames_peer(made.error)) return false;
        const bool reached = made.error == 0;
        if (!reached || !core_.epoll.add(made.socket, Epoll::Watch::channel, token_of(flow))) {
            tried.push_back(peer->id);
            flow.pool->failed(peer->id, core_.now, true);
            continue;
        }
        flow.socket = std::move(made.socket);
        flow.endpoint = peer->id;
        flow.counter = peer->counter;
        flow.answered = false;
        flow.pool->started(peer->id);
        if (flow.counter != nullptr) ++*flow.counter;
        ++core_.totals.accepted;
        return true;
    }
}

// Either way it was used.
void UdpPlane::touch(Flow& flow) {
    flow.by_age.unlink();
    flow.door.by_age.push_back(flow);
    const bool may_stay = !core_.leaving && flow.door.named && !flow.outlived;
    if (may_stay && flow.pool) core_.deadlines.renew(flow, core_.now, flow.pool->rules().timeouts.idle);
}

void UdpPlane::drop(UdpDoor& door, std::size_t count, std::string_view why) {
    core_.totals.dropped += count;
    door.dropped += count;
    if (door.drops_said != 0 && core_.now < door.drops_said + limits::datagram_drop_note) return;
    core_.log.warning("listener {}: {} datagrams were dropped; the last one: {}", door.door->entrance.name, std::exchange(door.dropped, 0), why);
    door.drops_said = core_.now;
}

// --- from instances ---

void UdpPlane::on_answers(Flow& flow) {
    if (!flow.socket.valid()) return;
    const auto got = batch().receive(flow.socket);
    if (got.error == EAGAIN) return;
    if (got.error != 0) {
        refused(flow);
        return send_again(flow);
    }
    if (!flow.kept.empty()) std::string().swap(flow.kept);
    if (!std::exchange(flow.answered, true)) flow.pool->succeeded(flow.endpoint, core_.now);
    flow.refused_by = 0;
    for (std::size_t first = 0; first < got.count;) {
        const auto sent = batch_->send_to(flow.door.door->listener, first, got.count - first, flow.ends);
        if (sent.error != 0) drop(flow.door, 1, std::strerror(sent.error));
        const std::size_t count = sent.error != 0 ? 1 : sent.count;
        for (std::size_t i = first; sent.error == 0 && i < first + count; ++i) core_.totals.to_clients += batch_->bytes(i).size();
        first += count;
    }
    touch(flow);
}

// --- how one ends ---

void UdpPlane::unbind(Flow& flow) {
    if (!flow.socket.valid()) return;
    core_.epoll.remove(flow.socket);
    flow.socket.reset();
    if (flow.pool) flow.pool->finished(flow.endpoint);
    if (flow.counter != nullptr) --*flow.counter;
    flow.counter = nullptr;
    flow.endpoint = 0;
    ++core_.totals.closed;
}

// Nobody is there: it goes to another one with its next datagram.
void UdpPlane::refused(Flow& flow) {
    flow.refused_by = flow.endpoint;
    flow.pool->failed(flow.endpoint, core_.now, true);
    unbind(flow);
}

void UdpPlane::finish(Flow& flow) {
    unbind(flow);
    flow.by_age.unlink();
    --count_;
    if (count_ < most_ / 2) full_said_ = false;
    core_.end(flow.outlived ? std::move(flow.door.outlived.extract(&flow).mapped()) : std::move(flow.door.flows.extract(flow.ends).mapped()));
}

// --- from worker to worker ---

std::optional<Passed> UdpPlane::give() {
    for (auto& [name, door] : doors_) {
        if (door->given) continue;
        Passed given;
        given.listener = name;
        while (!door->flows.empty() && !door->flows.begin()->second->socket.valid()) finish(*door->flows.begin()->second);
        if (door->flows.empty()) {
            door->given = true;
            given.kind = PassedKind::flows_end;
            given.endpoint = self_;
            return given;
        }
        Flow& flow = *door->flows.begin()->second;
        given.kind = PassedKind::flow;
        given.endpoint = flow.endpoint;
        given.ends = flow.ends;
        core_.epoll.remove(flow.socket);
        given.upstream.stream = Stream(std::move(flow.socket));
        flow.pool->finished(flow.endpoint);
        given.counter = std::exchange(flow.counter, nullptr);
        finish(flow);
        return given;
    }
    return std::nullopt;
}

void UdpPlane::give_anew() {
    for (auto& [name, door] : doors_) door->given = false;
}

void UdpPlane::take(Passed passed) {
    const auto found = doors_.find(passed.listener);
    const bool is_flow = passed.kind == PassedKind::flow;
    if (found == doors_.end() || (is_flow && (count_ >= most_ || found->second->door->choices.empty()))) {
        if (passed.counter != nullptr) --*passed.counter;
        return;
    }
    UdpDoor& door = *found->second;
    if (!is_flow) {
        door.had_from = passed.endpoint;
        if (door.waits_for != passed.endpoint) return;
        door.waits_for = 0;
        core_.deadlines.clear(door);
        return;
    }
    Flow& flow = door.flows.contains(passed.ends) ? add_outlived(door, passed.ends) : add(door, passed.ends);
    flow.socket = passed.upstream.stream.take_socket();
    flow.pool = door.door->pool();
    flow.endpoint = passed.endpoint;
    flow.answered = true;
    flow.pool->started(flow.endpoint);
    flow.counter = passed.counter;
    if (!core_.epoll.add(flow.socket, Epoll::Watch::channel, token_of(flow))) return finish(flow);
    touch(flow);
}

}  // namespace baton::gateway
