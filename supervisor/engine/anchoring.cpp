// What Sockets does with the sockets that the service manager holds too; see engine/anchors.h.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fmt/core.h>

#include "base/limits.h"
#include "engine/service_manager.h"
#include "engine/sockets.h"
#include "plan/step.h"
#include "sys/listen.h"

namespace baton::engine {

using model::ListenerSpec;

void Sockets::adopt_anchors(std::map<std::string, sys::UniqueFd>& held) {
    anchors_ = take_anchors(held);
}

bool Sockets::opens_address(const std::string& identity) const {
    const auto anchor = anchors_.find(identity);
    if (anchor == anchors_.end()) return !known(identity);
    if (auto allowed = sys::allow_others(anchor->second.socket); !allowed) log_.error("{}", allowed.error().message());
    return false;
}

// The service manager gets a socket for each address that clients may come to and that it does not hold yet.
void Sockets::store_anchors(const model::State& state, const model::Service& service) {
    if (manager_ == nullptr || !manager_->keeps() || !holding_ || !plan::wanted(state, service)) return;
    // One that does not read now would hold this process up at each address.
    if (monotonic_now() < manager_busy_until_) return;
    const model::Revision* current = find_revision(service, service.current);
    for (const ListenerSpec& listener : current->listeners) {
        const std::string identity = model::identity(listener);
        if (anchors_.contains(identity) || !known(identity)) continue;
        const bool group = grouped(current->spec.delivery, listener);
        const auto shared = sockets_.find("shared/" + identity);
        if (!group && shared == sockets_.end()) continue;
        auto opened = group ? sys::open_listener(listener, sys::Sharing::group, false) : sys::duplicate(shared->second);
        if (opened && group) {
            if (auto attached = steering_->attach(*opened); !attached) opened = attached.error();
        }
        if (!opened) {
            log_.warning("no copy for the service manager: {}", opened.error().message());
            continue;
        }
        Anchor anchor{free_place(anchors_, taken_places()), false, std::move(*opened)};
        // The keeper first: what it holds is found again by whoever has to take it back.
        link_.hold(held_name(identity, anchor), anchor.socket);
        if (!manager_->keep(store_name(identity), anchor.socket)) {
            link_.release(held_name(identity, anchor));
            log_.warning("the service manager did not take a copy of {}", identity);
            manager_busy_until_ = monotonic_now() + limits::service_manager_pause;
            return;
        }
        anchors_.emplace(identity, std::move(anchor));
    }
}

std::set<std::uint32_t> Sockets::taken_places() const {
    std::set<std::uint32_t> taken;
    for (const auto& [name, fd] : sockets_) {
        if (!name.starts_with("socket/")) continue;
        const auto place = static_cast<std::uint32_t>(std::strtoul(name.c_str() + std::strlen("socket/"), nullptr, 10));
        if (place >= limits::instance_places) taken.insert(place);  // by a version that gave instances all of them
    }
    return taken;
}

// A group that would be closed because everything is being stopped: its clients wait for the next start.
plan::Table Sockets::with_anchor(const std::string& identity, plan::Table table) const {
    const auto anchor = anchors_.find(identity);
    if (anchor == anchors_.end() || !stopping_ || !table.closed) return table;
    return plan::Table{false, {{anchor->second.place, 1}}};
}

void Sockets::place_anchor(const std::string& identity) {
    const auto anchor = anchors_.find(identity);
    if (anchor == anchors_.end() || !known(identity)) return;  // without another socket it is in no group yet
    if (auto set = steering_->set_socket(anchor->second.place, anchor->second.socket); !set) log_.error("{}", set.error().message());
}

void Sockets::pass_on(const std::string& identity) {
    const auto anchor = anchors_.find(identity);
    const auto published = published_.find(identity);
    if (anchor == anchors_.end() || published == published_.end() || stopping_ || !holding_) return;
    const ListenerSpec& listener = specs_.at(identity);
    const bool served = !published->second.table.closed && !published->second.table.shares.empty();
    // The kernel resets whoever finds no other socket to go to.
    if (!served || !missing({listener}).empty() || listener.protocol == model::Protocol::udp) return;
    const auto waiting = sys::queued(anchor->second.socket);
    if (!waiting || *waiting == 0) return;
    if (auto passed = sys::pass_queue_on(anchor->second.socket, listener.backlog); !passed) log_.error("{}", passed.error().message());
    place_anchor(identity);
    log_.info("{} clients who waited at {} go to its instances", *waiting, identity);
}

void Sockets::tend_anchors() {
    for (const auto& [identity, anchor] : anchors_) pass_on(identity);
}

// A socket unit's that leads nowhere: its clients wait for nobody.
void Sockets::tell_unused(const model::Configuration& configuration) const {
    for (const auto& [identity, anchor] : anchors_) {
        const bool used = std::any_of(configuration.listeners.begin(), configuration.listeners.end(),
                                      [&](const ListenerSpec& listener) { return model::identity(listener) == identity; });
        if (anchor.given && !used) log_.warning("the service manager listens at {}, and no listener names that address", identity);
    }
}

bool Sockets::keeps_file(std::string_view identity) const {
    const auto anchor = anchors_.find(identity);
    return anchor != anchors_.end() && (anchor->second.given || stopping_);
}

bool Sockets::drop_anchors(const std::set<std::string>& configured) {
    if (!holding_ || stopping_) return false;
    const auto dropped = std::erase_if(anchors_, [&](const auto& entry) {
        const auto& [identity, anchor] = entry;
        if (anchor.given || configured.contains(identity) || known(identity)) return false;
        if (manager_ != nullptr) manager_->forget(store_name(identity));
        link_.release(held_name(identity, anchor));
        return true;
    });
    return dropped > 0;
}

}  // namespace baton::engine
