#include "gateway/pool.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "base/gateway_limits.h"
#include "model/slow_start.h"
#include "sys/stream.h"

namespace baton::gateway {
namespace {

std::span<const std::uint8_t> bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::int64_t micros(Millis time) {
    return time * 1000;
}

}  // namespace

ClientAddress::ClientAddress(std::span<const std::uint8_t> raw, std::uint16_t from_port) : size(static_cast<std::uint8_t>(raw.size())), port(from_port) {
    if (raw.empty()) return;
    std::copy(raw.begin(), raw.end(), bytes.begin());
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    text = ::inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes.data(), buffer.data(), buffer.size());
}

ClientAddress::ClientAddress(const sys::SocketAddress& address) {
    const auto raw = [](const auto& in) { return std::span(reinterpret_cast<const std::uint8_t*>(&in), sizeof(in)); };
    if (address.family() == AF_INET) {
        const auto& in = reinterpret_cast<const sockaddr_in&>(address.storage);
        *this = ClientAddress(raw(in.sin_addr), ntohs(in.sin_port));
    } else if (address.family() == AF_INET6) {
        const auto& in = reinterpret_cast<const sockaddr_in6&>(address.storage);
        *this = ClientAddress(raw(in.sin6_addr), ntohs(in.sin6_port));
    }
}

ClientAddress local_address(const Stream& stream) {
    return ClientAddress(sys::local_address(stream.socket()));
}

Pool::Pool(std::string listener, model::BalancerSource& source, std::uint32_t worker, Log& log)
    : listener_(std::move(listener)), source_(source), worker_(worker), log_(log) {}

void Pool::choose_balancer(const model::BalanceSpec& spec) {
    const std::uint64_t origin = source_.origin_of(spec.strategy);
    if (balancer_ && spec == rules_.balance && origin == origin_) return;
    origin_ = origin;
    auto made = source_.create(spec.strategy, spec.options);
    if (!made) {
        // The master has asked for what it has checked; should it be gone nevertheless, traffic goes on.
        log_.error("service {}: {}; {} goes on", rules_.service, made.error().message(), balancer_ ? balancer_->origin() : "round_robin");
        if (balancer_) return;
        made = source_.create("round_robin", {});
        if (!made) return log_.error("service {}: {}", rules_.service, made.error().message());
    }
    take(std::move(*made), spec);
}

void Pool::take(std::unique_ptr<model::Balancer> balancer, const model::BalanceSpec& spec) {
    balancer_ = std::move(balancer);
    key_ = balancer_->uses_key() ? spec.key : std::string();
    faults_ = 0;
}

void Pool::leave() {
    gone_ = true;
    takers_ = 0;
    peers_.clear();
    index_.clear();
    draining_.clear();
    balancer_.reset();
}

// Where everything fails there would be a line for each request.
bool Pool::may_warn(Millis now) {
    if (warned_ != 0 && now - warned_ < limits::pool_warning) return false;
    warned_ = now;
    return true;
}

// A strategy that picks who may not be picked costs its users nothing but its purpose; they are told.
void Pool::count_faults() {
    const std::uint64_t faults = balancer_->faults();
    if (totals_ != nullptr) totals_->faults += faults - faults_;
    if (faults_ == 0) log_.warning("service {}: {} picks who may not be picked; others are taken, and it is counted", rules_.service, balancer_->origin());
    faults_ = faults;
}

void Pool::assign(const model::Route& route, Counters& counters, Millis now) {
    rules_.service = route.service;
    totals_ = &counters.totals();
    choose_balancer(route.balance);
    rules_ = route;
    rules_.endpoints.clear();

    std::vector<std::uint64_t> active;
    std::vector<Peer> fresh;
    std::vector<model::Member> members;
    std::vector<model::PassiveHealth::Peer> healths;
    takers_ = 0;
    draining_.clear();
    for (const model::Endpoint& endpoint : route.endpoints) {
        if (endpoint.draining && !endpoint.down) draining_.push_back(endpoint.id);
        const auto address = sys::to_socket_address(endpoint.address);
        if (!address) continue;  // the configuration was checked for it
        fresh.push_back({endpoint.id, *address, counters.slot(endpoint.id), endpoint.name, endpoint.down, endpoint.since, endpoint.handoff});
        model::Member member;
        member.id = endpoint.id;
        member.name = endpoint.name;
        member.address = endpoint.address;
        // One that drains keeps its share, or others' clients would move with it.
        member.weight = endpoint.weight;
        member.backup = endpoint.backup;
        member.down = endpoint.down || endpoint.draining;
        member.max_fails = endpoint.max_fails;
        members.push_back(std::move(member));
        healths.push_back({endpoint.id, {endpoint.max_fails, endpoint.fail_timeout}});
        if (!members.back().down && members.back().weight > 0) ++takers_;
        const auto old = index_.find(endpoint.id);
        active.push_back(old == index_.end() ? 0 : live_.active()[old->second]);
    }
    peers_ = std::move(fresh);
    index_.clear();
    // In place: the balancer of before looks at it until assign() is over.
    model::LiveTable live(peers_.size());
    for (std::uint32_t i = 0; i < peers_.size(); ++i) {
        index_.emplace(peers_[i].id, i);
        live.set_active(i, static_cast<std::uint32_t>(active[i]));
    }
    health_.assign(healths);
    auto before = std::exchange(live_, std::move(live));
    refresh(now);
    tried_bits_.assign((peers_.size() + 63) / 64, 0);
    if (!balancer_) return;
    const auto seed = static_cast<std::uint64_t>(std::random_device()()) << 32U ^ std::hash<std::string>()(listener_ + rules_.service);
    const auto assigned = balancer_->assign(members, live_, micros(now), seed, worker_);
    if (assigned) return;
    // Those it had have other places now. The strategy is tried again with the next table.
    log_.error("service {}: {}; round_robin goes on in its place", rules_.service, assigned.error().message());
    origin_ = 0;
    auto instead = source_.create("round_robin", {});
    if (!instead) return log_.error("service {}: {}", rules_.service, instead.error().message());
    take(std::move(*instead), rules_.balance);
    static_cast<void>(balancer_->assign(members, live_, micros(now), seed, worker_));
}

// Who may be tried again, and how much of its weight one that has just come gets.
void Pool::refresh(Millis now) {
    refresh_at_ = health_.next_trial();
    const model::SlowStart slow{rules_.health.slow_start};
    for (std::size_t i = 0; i < peers_.size(); ++i) {
        live_.set_usable(i, health_.usable(i, now));
        const Millis elapsed = now - peers_[i].since;
        live_.set_share(i, model::slow_start_share(slow, elapsed));
        if (slow.window > elapsed) refresh_at_ = std::min(refresh_at_, now + limits::slow_start_step);
    }
}

std::uint32_t Pool::pick_index(const Pick& pick, std::span<const std::uint64_t> tried, Millis now) {
    model::PickRequest request;
    request.now_us = micros(now);
    if (balancer_->uses_key()) request.key = bytes_of(pick.key);
    if (balancer_->uses_client()) request.client = std::span(pick.client.bytes).first(pick.client.size);
    request.attempt = static_cast<std::uint32_t>(tried.size());
    if (!tried.empty()) {
        std::fill(tried_bits_.begin(), tried_bits_.end(), 0);
        for (const std::uint64_t id : tried) {
            const auto found = index_.find(id);
            if (found != index_.end()) tried_bits_[found->second / 64] |= 1ULL << (found->second % 64);
        }
        request.tried = tried_bits_.data();
    }
    return balancer_->pick(request);
}

const Pool::Peer* Pool::pick(const Pick& pick, std::span<const std::uint64_t> tried, Millis now) {
    if (!balancer_ || takers_ == 0) return nullptr;
    if (now >= refresh_at_) refresh(now);
    std::uint32_t index = pick_index(pick, tried, now);
    if (index == model::nobody && tried.empty()) {
        // All have failed of late. To refuse everybody would be worse than to try them, by the strategy's own order.
        health_.forgive();
        refresh(now);
        index = pick_index(pick, tried, now);
        if (index != model::nobody && may_warn(now)) log_.warning("service {}: no instance is healthy by its traffic; all are tried", rules_.service);
    }
    if (balancer_->faults() != faults_) count_faults();
    if (index == model::nobody) return nullptr;
    if (!health_.picked(index, now)) live_.set_usable(index, false);
    return &peers_[index];
}

bool Pool::may_retry(model::RetryOn reason) const {
    const auto& on = rules_.health.retry.on;
    return std::find(on.begin(), on.end(), reason) != on.end();
}

void Pool::started(std::uint64_t endpoint) {
    if (const auto found = index_.find(endpoint); found != index_.end()) live_.started(found->second);
}

void Pool::finished(std::uint64_t endpoint) {
    const auto found = index_.find(endpoint);
    if (found != index_.end() && live_.active()[found->second] > 0) live_.finished(found->second);
}

void Pool::succeeded(std::uint64_t endpoint, Millis now, std::uint32_t response_us) {
    const auto found = index_.find(endpoint);
    if (found == index_.end() || !balancer_) return;
    if (health_.succeeded(found->second)) refresh(now);
    balancer_->result({found->second, model::OutcomeKind::ok, model::unknown_us, response_us, micros(now)});
}

void Pool::not_reached(const Peer& peer, int error, Millis now) {
    // A full queue is of every day.
    if (error == EAGAIN || !may_warn(now)) return;
    log_.warning("service {}: {} cannot be connected to from this worker: {}", rules_.service, peer.name, std::strerror(error));
}

void Pool::failed(std::uint64_t endpoint, Millis now, bool connecting) {
    const auto found = index_.find(endpoint);
    if (found == index_.end() || !balancer_) return;
    if (!health_.failed(found->second, now)) {
        live_.set_usable(found->second, false);
        if (may_warn(now)) log_.warning("service {}: {} fails; it is passed over until its fail_timeout is over", rules_.service, peers_[found->second].name);
    }
    refresh_at_ = std::min(refresh_at_, health_.next_trial());
    balancer_->result({found->second, connecting ? model::OutcomeKind::connect_failed : model::OutcomeKind::failed, model::unknown_us,
                       model::unknown_us, micros(now)});
}

}  // namespace baton::gateway
