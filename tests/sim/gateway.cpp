#include "gateway.h"

#include <algorithm>

#include "world.h"

namespace baton::sim {

// --- of processes ---

void SimGateway::started(std::uint64_t id, std::uint32_t generation, bool slow) {
    SimWorker& worker = workers_[id];
    worker.id = id;
    worker.generation = generation;
    worker.slow = slow;
}

void SimGateway::ended(std::uint64_t id, bool killed) {
    std::erase_if(connections_, [&](const Connection& one) {
        // What is on its way can be read still, when the one that sent it is gone; not when the other one is.
        const bool lost = one.to == 0 ? one.worker == id : one.to == id;
        world_.require(!lost || killed, fmt::format("worker #{} ended with a connection to #{}", id, one.instance));
        return lost;
    });
    workers_.erase(id);
    for (auto& [other_id, other] : workers_) {
        other.from.erase(id);
        if (other.to == id) other.to = 0;
    }
}

void SimGateway::instance_ended(std::uint64_t id) {
    std::erase_if(connections_, [&](const Connection& one) { return one.instance == id; });
}

void SimGateway::hang(std::uint64_t id) {
    const auto found = workers_.find(id);
    if (found != workers_.end() && found->second.hung_since == never) found->second.hung_since = world_.now();
}

// --- of masters ---

void SimGateway::send(std::uint64_t id, const model::RouteTable& table) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    SimWorker& worker = found->second;
    worker.sent.push_back(table);
    if (worker.reads_at == never && !worker.slow) worker.reads_at = world_.now() + world_.random().between(1, 100);
}

void SimGateway::release(std::uint64_t id, std::uint64_t to) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    SimWorker& worker = found->second;
    worker.leaving = true;
    // Told again by another master, it goes on as it was told first.
    const auto heir = workers_.find(to);
    if (worker.to != 0 || heir == workers_.end()) return;
    worker.to = to;
    heir->second.from.insert(id);
}

std::uint64_t SimGateway::confirmed(std::uint64_t id) const {
    const auto found = workers_.find(id);
    return found == workers_.end() ? 0 : found->second.table.revision;
}

bool SimGateway::hung(std::uint64_t id) const {
    const auto found = workers_.find(id);
    return found != workers_.end() && found->second.hung_since != never;
}

bool SimGateway::connected(std::uint64_t instance) const {
    return std::any_of(connections_.begin(), connections_.end(), [&](const Connection& one) { return one.instance == instance; });
}

bool SimGateway::named(std::uint64_t instance) const {
    return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
        if (entry.second.leaving) return false;
        for (const model::Route& route : entry.second.table.routes) {
            for (const model::Endpoint& endpoint : route.endpoints) {
                if (endpoint.id == instance && !endpoint.down) return true;
            }
        }
        return false;
    });
}

// --- the course of things ---

void SimGateway::read(SimWorker& worker, Millis now) {
    if (worker.reads_at > now) return;
    worker.reads_at = never;
    worker.table = worker.sent.back();
    worker.sent.clear();
}

// Some of them at once, the others later.
void SimGateway::give(SimWorker& worker, Millis now) {
    for (Connection& one : connections_) {
        if (one.worker != worker.id || one.to != 0 || !world_.random().chance(600)) continue;
        one.to = worker.to;
        one.arrives_at = now + world_.random().between(1, 50);
        ++passed_;
    }
}

bool SimGateway::finished(const SimWorker& worker) const {
    if (!worker.leaving || !worker.from.empty()) return false;
    return std::none_of(connections_.begin(), connections_.end(),
                        [&](const Connection& one) { return one.to == 0 ? one.worker == worker.id : one.to == worker.id; });
}

void SimGateway::pass(Millis now) {
    std::erase_if(connections_, [&](const Connection& one) { return one.ends_at <= now; });
    for (Connection& one : connections_) {
        if (one.to == 0 || one.arrives_at > now || hung(one.to)) continue;
        one.worker = std::exchange(one.to, 0);
        one.arrives_at = never;
    }
    std::vector<std::uint64_t> done;
    for (auto& [id, worker] : workers_) {
        if (worker.hung_since != never) continue;
        read(worker, now);
        if (worker.to != 0) give(worker, now);
        if (finished(worker)) done.push_back(id);
    }
    for (const std::uint64_t id : done) world_.worker_finished(id);
}

Millis SimGateway::next_due(Millis now) const {
    Millis next = never;
    const auto consider = [&](Millis at) { next = std::min(next, std::max(at, now + 1)); };
    for (const Connection& one : connections_) {
        consider(one.ends_at);
        if (one.to != 0) consider(one.arrives_at);
    }
    for (const auto& [id, worker] : workers_) {
        if (worker.hung_since != never) continue;
        if (worker.reads_at != never) consider(worker.reads_at);
        if (worker.to != 0 || finished(worker)) consider(now + 1);
    }
    return next;
}

void SimGateway::arrive() {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ways;
    for (const auto& [id, worker] : workers_) {
        if (worker.leaving || worker.hung_since != never) continue;
        for (const model::Route& route : worker.table.routes) {
            for (const model::Endpoint& endpoint : route.endpoints) {
                if (!endpoint.down && !endpoint.draining && world_.runs(endpoint.id)) ways.emplace_back(id, endpoint.id);
            }
        }
    }
    if (ways.empty()) return;
    const auto& [worker, instance] = world_.random().pick(ways);
    const Millis stays = world_.random().chance(200) ? world_.random().between(5'000, 120'000) : world_.random().between(1, 2'000);
    connections_.push_back({worker, 0, instance, never, world_.now() + stays});
    ++accepted_;
}

void SimGateway::calm() {
    for (Connection& one : connections_) one.ends_at = std::min(one.ends_at, world_.now() + world_.random().between(1, 30'000));
}

}  // namespace baton::sim
