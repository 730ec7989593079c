#include "gateway/handoff.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "baton/handoff.h"
#include "base/handoff_limits.h"
#include "sys/stream.h"

namespace baton::gateway {

using sys::Epoll;

static_assert(sizeof(baton_handoff_order) == 16 && sizeof(baton_handoff_report) == 16);

void Line::on_ready(const sys::Readiness& event) { handoff.on_reports(*this, event); }
void Line::on_deadline() { handoff.on_deadline(*this); }

Handoff::Handoff(Core& core, std::function<void(std::shared_ptr<Pool>, Guest)> again, std::function<void()> room)
    : core_(core), again_(std::move(again)), room_(std::move(room)) {}

// --- which lines there are ---

// Each worker has a line to each instance from its first table on: the instance is told by it to drain, and has the
// connections of other lines counted there.
void Handoff::follow(const model::Route& route, const std::shared_ptr<Pool>& pool) {
    for (const model::Endpoint& endpoint : route.endpoints) {
        const auto address = sys::to_socket_address(endpoint.address);
        if (!endpoint.handoff || !address) continue;
        auto& line = lines_[{route.listener, endpoint.id}];
        if (!line) line = std::make_unique<Line>(*this, endpoint, *address);
        line->pool = pool;
        line->counter = core_.counters.slot(endpoint.id);
        line->table = table_;
        line->drains = endpoint.draining || endpoint.down;
        if (!line->socket.valid() && !leaving_) static_cast<void>(connect(*line));
        tell_drain(*line);
    }
}

void Handoff::end_table() {
    std::vector<Line*> left;
    for (auto& [key, line] : lines_) {
        line->listed = line->table == table_;
        if (!line->listed) left.push_back(line.get());
    }
    ++table_;
    for (Line* line : left) settle(*line);
}

// 0, or why not.
int Handoff::connect(Line& line) {
    sys::Connected made = sys::connect_stream(line.address);
    if (made.error != 0) return made.error;
    if (!core_.epoll.add(made.socket, Epoll::Watch::channel, token_of(line))) return ENOMEM;
    line.socket = std::move(made.socket);
    // What an earlier line said may not be so any more: it is told either way.
    line.told = !line.drains;
    tell_drain(line);
    if (leaving_) tell(line, BATON_HANDOFF_LEAVE);
    return 0;
}

// What finds no room is not told: the next report or table is the next occasion.
void Handoff::tell_drain(Line& line) {
    if (line.drains == line.told || !line.socket.valid()) return;
    if (tell(line, line.drains ? BATON_HANDOFF_DRAIN : BATON_HANDOFF_RESUME)) line.told = line.drains;
}

bool Handoff::tell(const Line& line, std::uint32_t kind) {
    const baton_handoff_order order{sizeof(order), kind, 0, 0};
    return sys::write_stream(line.socket, {reinterpret_cast<const char*>(&order), sizeof(order)}).bytes == sizeof(order);
}

void Handoff::leave() {
    if (std::exchange(leaving_, true)) return;
    std::vector<Line*> all;
    for (auto& [key, line] : lines_) all.push_back(line.get());
    for (Line* line : all) {
        if (line->socket.valid()) tell(*line, BATON_HANDOFF_LEAVE);
        core_.deadlines.set(*line, core_.now, limits::line_leaving);
        settle(*line);
    }
}

// --- guests ---

Handoff::Answer Handoff::give(const Pool::Peer& peer, const std::shared_ptr<Pool>& pool, Guest& guest) {
    const auto found = lines_.find({pool->listener(), peer.id});
    if (found == lines_.end()) return Answer::unreachable;
    Line& line = *found->second;
    if (line.guests.size() >= BATON_HANDOFF_UNTAKEN) return Answer::busy;
    if (!line.socket.valid()) {
        const int error = connect(line);
        if (error != 0 && !sys::blames_peer(error)) pool->not_reached(peer, error, core_.now);
        if (error != 0) return sys::blames_peer(error) ? Answer::unreachable : Answer::busy;
    }
    if (line.guests.empty() && !leaving_) core_.deadlines.set(line, core_.now, pool->rules().timeouts.connect);
    if (line.guests.size() == line.sent) unsent_.push_back(&line);
    line.guests.push_back(std::move(guest));
    ++untaken_;
    count(line, 1);
    return Answer::given;
}

void Handoff::flush() {
    unsent_.insert(unsent_.end(), stuck_.begin(), stuck_.end());
    stuck_.clear();
    // Guests of one that breaks meanwhile go to others, which are not to wait for another turn.
    while (!unsent_.empty()) {
        Line* const line = unsent_.back();
        unsent_.pop_back();
        send(*line);
    }
}

void Handoff::send(Line& line) {
    while (line.sent < line.guests.size()) {
        std::array<int, BATON_HANDOFF_BATCH> descriptors{};
        const std::size_t count = std::min(descriptors.size(), line.guests.size() - line.sent);
        for (std::size_t i = 0; i < count; ++i) descriptors.at(i) = line.guests[line.sent + i].stream.socket().get();
        const baton_handoff_order order{sizeof(order), BATON_HANDOFF_CONNECTIONS, static_cast<std::uint32_t>(count), 0};
        const auto put = sys::write_descriptors(line.socket, {reinterpret_cast<const char*>(&order), sizeof(order)}, std::span(descriptors).first(count));
        if (put.error == EAGAIN || put.error == ETOOMANYREFS || put.error == ENOBUFS || put.error == ENOMEM) return stuck_.push_back(&line);
        if (put.bytes != sizeof(order)) return lose(line);
        line.sent += count;
    }
}

// --- what instances say ---

void Handoff::on_reports(Line& line, const sys::Readiness&) {
    if (!line.socket.valid()) return;
    std::array<char, limits::line_read_bytes> buffer{};
    const auto got = sys::read_stream(line.socket, buffer);
    if (got.error == EAGAIN) return;
    if (got.error != 0 || got.bytes == 0) return lose(line);
    line.heard.append(buffer.data(), got.bytes);
    if (!take_reports(line)) {
        core_.log.error("service {}: {} does not speak as baton/handoff.h says; its line is closed", line.pool->rules().service, line.name);
        return lose(line);
    }
    tell_drain(line);
    settle(line);
}

// False: it makes no sense.
bool Handoff::take_reports(Line& line) {
    std::string_view left = line.heard;
    while (left.size() >= sizeof(std::uint32_t)) {
        baton_handoff_report report{};
        std::memcpy(&report.size, left.data(), sizeof(report.size));
        if (report.size < sizeof(report) || report.size > limits::line_report_bytes) return false;
        if (left.size() < report.size) break;
        std::memcpy(&report, left.data(), sizeof(report));
        left.remove_prefix(report.size);
        if (!take_report(line, report.taken, report.ended, report.owned)) return false;
    }
    line.heard.erase(0, line.heard.size() - left.size());
    return true;
}

bool Handoff::take_report(Line& line, std::uint32_t taken, std::uint32_t ended, std::uint32_t owned) {
    if (taken > line.sent || line.open + owned > limits::line_connections || ended > line.open + taken + owned) return false;
    const bool was_full = line.guests.size() >= BATON_HANDOFF_UNTAKEN;
    line.guests.erase(line.guests.begin(), line.guests.begin() + taken);
    line.sent -= taken;
    untaken_ -= taken;
    count(line, owned);
    line.open += taken + owned;
    open_ += taken + owned;
    core_.totals.taken += owned;
    line.open -= ended;
    open_ -= ended;
    uncount(line, ended);
    // In a worker that leaves they go on, counted by another one.
    (leaving_ ? core_.totals.given : core_.totals.closed) += ended;
    if (was_full && taken > 0) room_();
    if (taken > 0) {
        line.pool->succeeded(line.endpoint, core_.now);
        if (leaving_) return true;
        if (line.guests.empty()) core_.deadlines.clear(line);
        else core_.deadlines.set(line, core_.now, line.pool->rules().timeouts.connect);
    }
    return true;
}

void Handoff::count(Line& line, std::uint64_t more) {
    for (std::uint64_t i = 0; i < more; ++i) line.pool->started(line.endpoint);
    if (line.counter != nullptr) *line.counter += more;
}

void Handoff::uncount(Line& line, std::uint64_t less) {
    for (std::uint64_t i = 0; i < less; ++i) line.pool->finished(line.endpoint);
    if (line.counter != nullptr) *line.counter -= less;
}

// An instance that takes nobody is passed over; those it was given may still be taken. They are nobody else's while
// it lives, as it might take them then.
void Handoff::on_deadline(Line& line) {
    if (leaving_) return end(line);
    if (line.guests.empty()) return;
    line.pool->failed(line.endpoint, core_.now, true);
    core_.deadlines.set(line, core_.now, line.pool->rules().timeouts.connect);
}

// --- how one ends ---

void Handoff::settle(Line& line) {
    if ((leaving_ || !line.listed) && line.guests.empty() && line.open == 0) end(line);
}

void Handoff::lose(Line& line) {
    const std::shared_ptr<Pool> pool = line.pool;
    const std::uint64_t endpoint = line.endpoint;
    auto guests = std::exchange(line.guests, {});
    untaken_ -= guests.size();
    uncount(line, guests.size());
    if (!guests.empty()) pool->failed(line.endpoint, core_.now, true);
    disconnect(line);
    settle(line);
    for (Guest& guest : guests) {
        ++guest.offers;
        guest.last = endpoint;
        again_(pool, std::move(guest));
    }
}

void Handoff::disconnect(Line& line) {
    if (line.socket.valid()) core_.epoll.remove(line.socket);
    line.socket.reset();
    core_.deadlines.clear(line);
    std::erase(unsent_, &line);
    std::erase(stuck_, &line);
    uncount(line, line.open);
    open_ -= line.open;
    core_.totals.closed += std::exchange(line.open, 0);
    line.sent = 0;
    line.heard.clear();
}

void Handoff::end(Line& line) {
    const std::size_t untaken = line.guests.size();
    untaken_ -= untaken;
    uncount(line, untaken);
    core_.totals.closed += untaken;
    line.guests.clear();
    disconnect(line);
    const auto found = std::find_if(lines_.begin(), lines_.end(), [&](const auto& entry) { return entry.second.get() == &line; });
    core_.end(std::move(found->second));
    lines_.erase(found);
}

}  // namespace baton::gateway
