#include "keeper.h"

#include <algorithm>

#include "base/limits.h"

namespace baton::sim {
namespace {

// As keeper.cpp has it.
Millis backoff(std::uint32_t failures) {
    if (failures <= 1) return 0;
    return std::min(limits::master_backoff_max, limits::master_backoff_first << std::min(failures - 2, 10U));
}

}  // namespace

// --- masters ---

void Keeper::start_first(Millis now) {
    MasterRecord& master = masters_[next_generation_];
    master.generation = next_generation_++;
    owner_ = master.generation;
    run(master, now);
}

void Keeper::run(MasterRecord& master, Millis now) {
    master.runs = true;
    master.ready = false;
    master.lagging = false;
    master.restart_at = never;
    master.started = now;
    master.inbox.clear();
    hands_.run_master(master.generation);
    ++master.incarnation;
}

void Keeper::master_ended(std::uint32_t generation, Millis now) {
    MasterRecord& master = masters_.at(generation);
    master.runs = false;
    master.inbox.clear();
    if (master.leaving || generation != incumbent() || !ever_ready_) return forget_master(generation);
    if (now - master.started > limits::master_sound_after) master.failures = 0;
    master.restart_at = now + backoff(++master.failures);
}

void Keeper::forget_master(std::uint32_t generation) {
    const bool left = masters_.at(generation).leaving;
    masters_.erase(generation);
    if (masters_.empty()) return;
    push_all(MasterGone{generation, left});
    // Who was about to leave for this one's sake does not.
    if (!left) masters_.begin()->second.leaving = false;
    if (owner_ == generation) give(incumbent());
}

void Keeper::give(std::uint32_t generation) {
    owner_ = generation;
    ++fence_;
    push_all(OwnerIs{owner_, fence_});
}

void Keeper::pass_time(Millis now) {
    std::vector<std::uint32_t> due;
    for (const auto& [generation, master] : masters_) {
        if (!master.runs && master.restart_at <= now) due.push_back(generation);
    }
    for (const std::uint32_t generation : due) run(masters_.at(generation), now);
}

Millis Keeper::next_deadline() const {
    Millis next = never;
    for (const auto& [generation, master] : masters_) {
        if (!master.runs) next = std::min(next, master.restart_at);
    }
    return next;
}

void Keeper::child_ended(std::uint64_t id, int status) {
    Child& child = children_.at(id);
    child.exited = true;
    child.status = status;
    push(owner_, Exited{id, status});
}

// --- the channel ---

Resync Keeper::situation(std::uint32_t seen_by) const {
    Resync resync{owner_, fence_, {}, {}};
    for (const auto& [generation, master] : masters_) {
        if (generation == seen_by) continue;
        resync.others.push_back(generation);
        if (master.ready) resync.ready.push_back(generation);
    }
    return resync;
}

std::optional<Message> Keeper::read(std::uint32_t generation) {
    MasterRecord& master = masters_.at(generation);
    if (master.inbox.empty() && master.lagging) {
        master.lagging = false;
        return situation(generation);
    }
    if (master.inbox.empty()) return std::nullopt;
    Message message = std::move(master.inbox.front());
    master.inbox.pop_front();
    return message;
}

void Keeper::overflow(std::uint32_t generation) {
    MasterRecord& master = masters_.at(generation);
    if (master.inbox.empty()) return;
    master.inbox.clear();
    master.lagging = true;
}

void Keeper::push(std::uint32_t to, Message message) {
    const auto found = masters_.find(to);
    if (found != masters_.end() && found->second.runs && !found->second.lagging) found->second.inbox.push_back(std::move(message));
}

void Keeper::push_all(const Message& message) {
    for (auto& [generation, master] : masters_) push(generation, message);
}

// --- requests ---

bool Keeper::is_owner(std::uint32_t from, std::uint32_t fence) {
    if (from == owner_ && fence == fence_) return true;
    ++refused_;
    return false;
}

bool Keeper::hold_counters(std::uint32_t from, std::uint32_t fence, const model::Counters& value) {
    if (!is_owner(from, fence)) return false;
    held_.counters = value;
    return true;
}

bool Keeper::hold_gateway(std::uint32_t from, std::uint32_t fence, const model::Gateway& value) {
    if (!is_owner(from, fence)) return false;
    held_.gateway = value;
    return true;
}

bool Keeper::hold_configuration(std::uint32_t from, std::uint32_t fence, const model::Configuration& value) {
    if (!is_owner(from, fence)) return false;
    held_.configuration = value;
    return true;
}

bool Keeper::hold_old_configuration(std::uint32_t from, std::uint32_t fence, const model::Configuration& value) {
    if (!is_owner(from, fence)) return false;
    held_.old_configuration = value;
    return true;
}

bool Keeper::hold_service(std::uint32_t from, std::uint32_t fence, const model::Service& value) {
    if (!is_owner(from, fence)) return false;
    held_.services[value.name] = value;
    return true;
}

bool Keeper::release_service(std::uint32_t from, std::uint32_t fence, const std::string& name) {
    if (!is_owner(from, fence)) return false;
    held_.services.erase(name);
    return true;
}

bool Keeper::spawn(std::uint32_t from, std::uint32_t fence, std::uint64_t id) {
    if (!is_owner(from, fence)) return false;
    if (children_.contains(id)) {
        push(from, SpawnDone{id, 0, "this number is taken"});
    } else if (!hands_.run_process(id)) {
        push(from, SpawnDone{id, 0, "resource temporarily unavailable"});
    } else {
        children_[id] = Child{next_pid_++, false, 0};
        push(from, SpawnDone{id, children_[id].pid, ""});
    }
    return true;
}

bool Keeper::signal(std::uint32_t from, std::uint32_t fence, std::uint64_t id, int signal) {
    if (!is_owner(from, fence)) return false;
    const auto child = children_.find(id);
    if (child != children_.end() && !child->second.exited) hands_.signal_process(id, signal);
    return true;
}

bool Keeper::forget(std::uint32_t from, std::uint32_t fence, std::uint64_t id) {
    if (!is_owner(from, fence)) return false;
    const auto child = children_.find(id);
    if (child != children_.end() && child->second.exited) children_.erase(child);
    return true;
}

bool Keeper::start_master(std::uint32_t from, std::uint32_t fence, const std::string& binary, Millis now) {
    if (!is_owner(from, fence)) return false;
    if (masters_.size() != 1 || !hands_.executable(binary)) {
        push(from, MasterStarted{0, masters_.size() != 1 ? "an upgrade is on" : "exec format error"});
        return false;
    }
    MasterRecord& fresh = masters_[next_generation_];
    fresh.generation = next_generation_++;
    run(fresh, now);
    push(from, MasterStarted{fresh.generation, ""});
    return true;
}

bool Keeper::end_master(std::uint32_t from, std::uint32_t generation) {
    const auto found = masters_.find(generation);
    if (from != incumbent() || found == masters_.end() || !found->second.runs) return false;
    hands_.kill_master(generation);
    return true;
}

bool Keeper::transfer(std::uint32_t from, std::uint32_t to) {
    const bool allowed = from == owner_ || (from == incumbent() && to == from);
    if (!allowed || !masters_.contains(to)) ++refused_;
    const bool moves = allowed && masters_.contains(to) && to != owner_;
    if (moves) give(to);
    // Who had let go of them already takes them up again.
    else push(from, OwnerIs{owner_, fence_});
    return moves;
}

void Keeper::note(std::uint32_t from, const model::Upgrade& upgrade) {
    masters_.at(from).note = upgrade;
}

void Keeper::ready(std::uint32_t from) {
    masters_.at(from).ready = true;
    ever_ready_ = true;
    for (auto& [generation, other] : masters_) {
        if (generation != from) push(generation, MasterReady{from});
    }
}

// Refused when the one it would leave everything to is gone, and it has not heard yet.
void Keeper::leave(std::uint32_t from, std::uint32_t successor) {
    if (!masters_.contains(successor)) {
        ++refused_;
        return;
    }
    masters_.at(from).leaving = true;
}

std::vector<model::KnownChild> Keeper::list_children() const {
    std::vector<model::KnownChild> list;
    for (const auto& [id, child] : children_) list.push_back({id, child.pid, child.exited, child.status});
    return list;
}

}  // namespace baton::sim
