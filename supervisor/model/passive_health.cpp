#include "model/passive_health.h"

#include <algorithm>
#include <unordered_map>

namespace baton::model {

void PassiveHealth::assign(const std::vector<Peer>& peers) {
    std::unordered_map<std::uint64_t, State> known;
    for (const State& state : peers_) known.emplace(state.id, state);
    peers_.clear();
    peers_.reserve(peers.size());
    for (const Peer& peer : peers) {
        State state{peer.id, peer.rule};
        if (const auto old = known.find(peer.id); old != known.end()) {
            state = old->second;
            state.rule = peer.rule;
        }
        peers_.push_back(state);
    }
}

bool PassiveHealth::out(const State& peer, Millis now) const {
    return peers_.size() > 1 && peer.rule.max_fails > 0 && peer.fails >= peer.rule.max_fails && now - peer.checked <= peer.rule.fail_timeout;
}

bool PassiveHealth::usable(std::size_t i, Millis now) const {
    return !out(peers_[i], now);
}

bool PassiveHealth::picked(std::size_t i, Millis now) {
    State& peer = peers_[i];
    if (now - peer.checked > peer.rule.fail_timeout) peer.checked = now;
    return !out(peer, now);
}

bool PassiveHealth::failed(std::size_t i, Millis now) {
    State& peer = peers_[i];
    if (peer.fails < UINT32_MAX) ++peer.fails;
    peer.accessed = now;
    peer.checked = now;
    return !out(peer, now);
}

void PassiveHealth::forgive() {
    for (State& peer : peers_) peer.fails = 0;
}

bool PassiveHealth::succeeded(std::size_t i) {
    State& peer = peers_[i];
    // Only a trial that was begun after the last failure says something.
    if (peer.fails == 0 || peer.accessed >= peer.checked) return false;
    peer.fails = 0;
    return true;
}

Millis PassiveHealth::next_trial() const {
    Millis next = never;
    if (peers_.size() <= 1) return next;
    for (const State& peer : peers_) {
        if (peer.rule.max_fails == 0 || peer.fails < peer.rule.max_fails) continue;
        next = std::min(next, peer.checked + peer.rule.fail_timeout + 1);
    }
    return next;
}

}  // namespace baton::model
