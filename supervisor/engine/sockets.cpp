#include "engine/sockets.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <unistd.h>

#include <fmt/core.h>

#include "plan/routes.h"
#include "plan/step.h"
#include "sys/listen.h"

namespace baton::engine {

using model::Instance;
using model::InstanceSocket;
using model::ListenerSpec;

namespace {

std::string socket_name(const InstanceSocket& socket) {
    return fmt::format("{}/{:05}/{}", socket.hidden ? "hidden" : "socket", socket.place, socket.listener);
}
std::string shared_name(const std::string& identity) { return "shared/" + identity; }
std::string spare_name(const std::string& identity) { return "spare/" + identity; }

// "kind/..." to the identity. A hidden socket is of no address that a client knows.
std::string_view identity_in(std::string_view name) {
    if (name.starts_with("hidden/")) return {};
    const auto slash = name.find('/');
    if (name.starts_with("socket/")) return name.substr(name.find('/', slash + 1) + 1);
    return name.substr(slash + 1);
}

using ByIdentity = std::map<std::string, const ListenerSpec*, std::less<>>;

ByIdentity by_identity(const std::vector<ListenerSpec>& listeners) {
    ByIdentity map;
    for (const ListenerSpec& listener : listeners) map.emplace(model::identity(listener), &listener);
    return map;
}

}  // namespace

Sockets::Sockets(KeeperLink& link, Log& log) : link_(link), log_(log) {}

void Sockets::adopt(std::map<std::string, sys::UniqueFd>& held, Adoption adoption) {
    drop_copies();
    std::map<std::string, sys::UniqueFd> own = std::exchange(sockets_, {});
    adopt_anchors(held);
    std::map<std::string, sys::UniqueFd> steering;
    for (auto& [name, fd] : held) {
        const bool socket = name.starts_with("socket/") || name.starts_with("hidden/") || name.starts_with("shared/") || name.starts_with("spare/");
        if (!socket && !name.starts_with("steer.")) continue;
        held_.insert(name);
        (socket ? sockets_ : steering)[name] = std::move(fd);
    }
    for (auto& [name, fd] : own) {
        if (!sockets_.contains(name) && !known(identity_in(name))) sockets_[name] = std::move(fd);
    }
    drop_taken_spares(adoption);
    if (steering.empty()) return;
    auto adopted = sys::Steering::adopt(std::move(steering));
    if (!adopted) {
        log_.warning("steering: {}; the program is loaded anew", adopted.error().message());
        if (adoption == Adoption::owner) reload_steering();
        return;
    }
    steering_.emplace(std::move(*adopted));
    steering_text_ = "kernel";
    if (adoption == Adoption::owner) static_cast<void>(steering_->forget_probes());
}

// A master that died just after a spare had become an instance's has left the one socket under both names.
void Sockets::drop_taken_spares(Adoption adoption) {
    std::set<std::uint64_t> taken;
    for (const auto& [name, fd] : sockets_) {
        if (!name.starts_with("socket/")) continue;
        if (const auto cookie = sys::cookie_of(fd)) taken.insert(*cookie);
    }
    std::erase_if(sockets_, [&](const auto& entry) {
        const auto& [name, fd] = entry;
        if (!name.starts_with("spare/")) return false;
        const auto cookie = sys::cookie_of(fd);
        if (!cookie || !taken.contains(*cookie)) return false;
        held_.erase(name);
        if (adoption == Adoption::owner) link_.release(name);
        return true;
    });
}

// The maps of an earlier version cannot be used: new ones take over, group by group.
void Sockets::reload_steering() {
    load_steering();
    if (!steering_) return;
    for (const auto& [name, fd] : sockets_) {
        if (!name.starts_with("socket/")) continue;
        static_cast<void>(steering_->attach(fd));
        const auto place = static_cast<std::uint32_t>(std::strtoul(name.c_str() + std::strlen("socket/"), nullptr, 10));
        if (auto set = steering_->set_socket(place, fd); !set) log_.error("{}", set.error().message());
    }
}

void Sockets::drop_copies() {
    std::erase_if(sockets_, [&](const auto& entry) { return held_.contains(entry.first); });
    auto own = std::exchange(sockets_, {});
    let_go();
    sockets_ = std::move(own);
}

void Sockets::abandon() {
    for (auto entry = sockets_.begin(); entry != sockets_.end();) {
        const std::string name = (entry++)->first;
        if (!held_.contains(name)) close(name);
    }
    let_go();
}

void Sockets::let_go() {
    sockets_.clear();
    published_.clear();
    specs_.clear();
    backlogs_.clear();
    held_.clear();
    steering_.reset();
    holding_ = false;
    anchors_.clear();
}

void Sockets::load_steering() {
    if (steering_) return;
    auto loaded = sys::Steering::load();
    if (loaded) {
        steering_.emplace(std::move(*loaded));
        steering_text_ = "kernel";
    } else {
        steering_text_ = "shared: " + loaded.error().message();
        log_.warning("steering: {}; the instances of a service share one socket and the kernel chooses", loaded.error().message());
    }
}

bool Sockets::known(std::string_view identity) const {
    return std::any_of(sockets_.begin(), sockets_.end(), [&](const auto& entry) { return identity_in(entry.first) == identity; });
}

Result<void> Sockets::open_spare(const ListenerSpec& listener, bool group) {
    const std::string identity = model::identity(listener);
    const auto anchor = group ? anchors_.end() : anchors_.find(identity);
    auto opened = anchor != anchors_.end() ? sys::duplicate(anchor->second.socket)
                                           : sys::open_listener(listener, group ? sys::Sharing::group : sys::Sharing::single, opens_address(identity));
    if (!opened) return opened.error();
    if (group) {
        if (auto attached = steering_->attach(*opened); !attached) return attached.error();
    }
    keep(group ? spare_name(identity) : shared_name(identity), std::move(*opened));
    return {};
}

std::vector<std::string> Sockets::prepare(const model::Configuration& configuration) {
    tell_unused(configuration);
    std::vector<std::string> problems;
    std::vector<std::string> opened;
    for (const ListenerSpec& listener : configuration.listeners) {
        const std::string identity = model::identity(listener);
        const auto services = services_of(listener);
        const auto enabled = std::find_if(services.begin(), services.end(), [&](const std::string& name) {
            const model::ServiceSpec* service = find_service(configuration, name);
            return service != nullptr && service->enabled;
        });
        if (enabled == services.end() || known(identity)) continue;
        const bool group = grouped(find_service(configuration, *enabled)->delivery, listener);
        if (auto done = open_spare(listener, group); done) {
            opened.push_back(group ? spare_name(identity) : shared_name(identity));
        } else {
            problems.push_back(done.error().message());
        }
    }
    if (!problems.empty()) {
        // As if they had never been opened, the files of unix sockets too.
        for (const std::string& name : opened) close(name);
    }
    return problems;
}

void Sockets::hold_all() {
    holding_ = true;
    for (const auto& [name, fd] : sockets_) hold(name, fd);
    if (!steering_) return;
    for (const auto& named : steering_->descriptors()) hold(named.name, named.descriptor);
}

void Sockets::hold(const std::string& name, const sys::UniqueFd& fd) {
    if (holding_ && held_.insert(name).second) link_.hold(name, fd);
}

void Sockets::keep(const std::string& name, sys::UniqueFd fd) {
    hold(name, fd);
    sockets_[name] = std::move(fd);
}

// Ours and the keeper's copy. A program that still holds the socket goes on with it; when the last copy
// is closed, whoever waits there moves to the group's other sockets.
void Sockets::drop(const std::string& name) {
    if (held_.erase(name) > 0 && holding_) link_.release(name);
    backlogs_.erase(name);
    sockets_.erase(name);
}

// The same, and its address is free again: a unix socket's file goes too, unless the service manager listens there.
void Sockets::close(const std::string& name) {
    if (!keeps_file(identity_in(name))) {
        if (auto removed = sys::remove_socket_file(sockets_.at(name)); !removed) log_.warning("{}", removed.error().message());
    }
    drop(name);
}

void Sockets::open_for(const ListenerSpec& listener, const InstanceSocket& socket) {
    const std::string name = socket_name(socket);
    const auto existing = sockets_.find(name);
    if (existing != sockets_.end() && sys::is_listening(existing->second)) return;
    if (existing != sockets_.end()) {
        // A program shut its socket down, which stops it for every holder.
        if (auto again = sys::listen_again(existing->second, listener.backlog); again) {
            static_cast<void>(steering_->set_socket(socket.place, existing->second));
            return;
        }
        drop(name);
    }
    const auto spare = sockets_.find(spare_name(socket.listener));
    if (spare != sockets_.end()) {
        sys::UniqueFd fd = std::move(spare->second);
        keep(name, std::move(fd));
        drop(spare_name(socket.listener));
    } else {
        auto opened = sys::open_listener(listener, sys::Sharing::group, opens_address(socket.listener));
        if (!opened) return log_.error("{}", opened.error().message());
        if (auto attached = steering_->attach(*opened); !attached) log_.error("{}", attached.error().message());
        keep(name, std::move(*opened));
    }
    if (auto set = steering_->set_socket(socket.place, sockets_.at(name)); !set) log_.error("{}", set.error().message());
}

void Sockets::open_hidden(const model::State& state, const ListenerSpec& listener, const Instance& instance, const InstanceSocket& socket) {
    const std::string name = socket_name(socket);
    const std::string path = plan::hidden_path(state, socket.place);
    const auto existing = sockets_.find(name);
    // One whose file was removed serves only the program that has it already.
    std::error_code ec;
    const bool reached = instance.pid != 0 || std::filesystem::exists(path, ec);
    if (existing != sockets_.end() && reached && sys::is_listening(existing->second)) return;
    if (existing != sockets_.end()) drop(name);
    ListenerSpec hidden = listener;
    hidden.protocol = model::Protocol::tcp;
    hidden.address = {model::Family::unix_path, path, 0};
    auto opened = sys::open_listener(hidden, sys::Sharing::single, true, 0600);
    if (!opened) return log_.error("{}", opened.error().message());
    if (workers_uid_) {
        if (auto given = sys::give_file(hidden.address.host, *workers_uid_); !given) log_.error("{}", given.error().message());
    }
    keep(name, std::move(*opened));
}

void Sockets::let_workers_in(std::optional<uid_t> uid) {
    if (workers_uid_ == uid) return;
    workers_uid_ = uid;
    for (const auto& [name, fd] : sockets_) {
        const std::string path = name.starts_with("hidden/") ? sys::identity_of(fd).substr(std::strlen("unix:")) : std::string();
        if (path.empty()) continue;
        if (auto given = sys::give_file(path, uid.value_or(::geteuid())); !given) log_.error("{}", given.error().message());
    }
}

void Sockets::settle(const model::State& state, const std::set<std::string>& touched, const std::function<bool(const std::string&)>& with_workers) {
    stopping_ = state.counters.stopping;
    for (const std::string& name : touched) {
        const auto found = state.services.find(name);
        if (found == state.services.end()) continue;
        const model::Service& service = found->second;
        for (const Instance& instance : service.instances) {
            const model::Revision* revision = find_revision(service, instance.revision);
            const auto listeners = by_identity(revision->listeners);
            for (const InstanceSocket& socket : instance.sockets) {
                const auto listener = listeners.find(socket.listener);
                if (listener == listeners.end()) continue;
                if (socket.hidden) open_hidden(state, *listener->second, instance, socket);
                if (!socket.hidden && steering_) open_for(*listener->second, socket);
            }
        }
        open_shared(state, service);
        store_anchors(state, service);
        // Before anything is told to go: nobody new is sent there.
        publish(state, service);
    }
    close_unused(state, with_workers);
}

// The sockets that instances do not own: there while the service is wanted. Those of instances get the
// backlog of the present configuration too.
void Sockets::open_shared(const model::State& state, const model::Service& service) {
    const model::Revision* current = find_revision(service, service.current);
    const auto listeners = by_identity(current->listeners);
    for (const auto& [identity, listener] : listeners) {
        if (grouped(current->spec.delivery, *listener) || known(identity) || !plan::wanted(state, service)) continue;
        if (auto opened = open_spare(*listener, false); !opened) log_.error("{}", opened.error().message());
    }
    for (const auto& [name, fd] : sockets_) {
        const auto found = listeners.find(identity_in(name));
        if (found == listeners.end() || found->second->protocol == model::Protocol::udp || backlogs_[name] == found->second->backlog) continue;
        if (sys::is_listening(fd)) static_cast<void>(sys::listen_again(fd, found->second->backlog));
        backlogs_[name] = found->second->backlog;
    }
}

void Sockets::publish(const model::State& state, const model::Service& service) {
    if (!steering_) return;
    const model::Revision* current = find_revision(service, service.current);
    ByIdentity listeners;
    for (const model::Revision& revision : service.revisions) {
        for (const auto& [identity, listener] : by_identity(revision.listeners)) listeners[identity] = listener;
    }
    std::map<std::uint32_t, std::uint64_t> ordinals;  // by place
    for (const Instance& instance : service.instances) {
        for (const InstanceSocket& socket : instance.sockets) ordinals[socket.place] = instance.ordinal;
    }
    for (const auto& [identity, planned] : plan::steering_tables(state, service)) {
        const plan::Table table = with_anchor(identity, planned);
        const auto known = listeners.find(identity);
        if (known == listeners.end()) continue;
        const ListenerSpec* listener = known->second;
        const Published wanted{table, sys::mode_for(*listener, current->spec.balance.strategy)};
        const auto last = published_.find(identity);
        if (last != published_.end() && last->second == wanted) continue;
        std::vector<sys::Weighted> members;
        for (const plan::Share& share : table.shares) {
            const auto ordinal = ordinals.find(share.place);
            members.push_back({share.place, share.weight, ordinal == ordinals.end() ? 0 : ordinal->second});
        }
        place_anchor(identity);
        const auto done = table.closed ? steering_->close_group(*listener)
                                       : steering_->publish(*listener, wanted.mode, members);
        if (!done) {
            log_.error("steer {}: {}", identity, done.error().message());
            continue;
        }
        published_.insert_or_assign(identity, wanted);
        specs_[identity] = *listener;
        pass_on(identity);
    }
}

void Sockets::close_unused(const model::State& state, const std::function<bool(const std::string&)>& with_workers) {
    lingers_ = false;
    if (sockets_.empty() && anchors_.empty()) return;
    std::set<std::string> used;
    std::set<std::string> configured;
    for (const ListenerSpec& listener : state.configuration.listeners) {
        if (plan::is_open(state, listener) && !plan::refuses_clients(state, listener)) configured.insert(model::identity(listener));
    }
    for (const auto& closing : state.counters.closing) configured.insert(model::identity(closing.spec));
    for (const auto& [name, service] : state.services) {
        for (const Instance& instance : service.instances) {
            for (const InstanceSocket& socket : instance.sockets) used.insert(socket_name(socket));
        }
    }
    std::vector<std::string> unused;
    for (const auto& [name, fd] : sockets_) {
        const bool own = name.starts_with("socket/") || name.starts_with("hidden/");
        const bool wanted = own ? used.contains(name) : configured.contains(std::string(identity_in(name)));
        if (wanted) continue;
        // A worker's copy would keep the address busy, and nobody could have the socket again.
        if (with_workers(name)) lingers_ = true;
        else unused.push_back(name);
    }
    for (const std::string& name : unused) close(name);
    const bool dropped = drop_anchors(configured);
    if (!unused.empty() || dropped) forget_groups(state);
}

void Sockets::close_all() {
    while (!sockets_.empty()) close(std::string(sockets_.begin()->first));
}

// A group's table is forgotten with the last program that could hold one of its sockets, not before:
// without a table the kernel would send clients to a program on its way out.
void Sockets::forget_groups(const model::State& state) {
    std::set<std::string> live;
    for (const ListenerSpec& listener : state.configuration.listeners) live.insert(model::identity(listener));
    for (const auto& [name, service] : state.services) {
        for (const Instance& instance : service.instances) {
            for (const ListenerSpec& listener : find_revision(service, instance.revision)->listeners) live.insert(model::identity(listener));
        }
    }
    std::erase_if(specs_, [&](const auto& entry) {
        if (live.contains(entry.first) || known(entry.first) || anchors_.contains(entry.first)) return false;
        static_cast<void>(steering_->forget_group(entry.second));
        published_.erase(entry.first);
        return true;
    });
}

Result<std::vector<int>> Sockets::inherited(const model::Revision& revision, const Instance& instance) const {
    std::vector<int> descriptors;
    if (!inherits(revision.spec)) return descriptors;
    for (const ListenerSpec& listener : revision.listeners) {
        const std::string identity = model::identity(listener);
        std::string name = shared_name(identity);
        for (const InstanceSocket& socket : instance.sockets) {
            if (socket.listener == identity) name = socket_name(socket);
        }
        const auto found = sockets_.find(name);
        if (found == sockets_.end()) return failed(fmt::format("listener {} has no socket (see the log for why)", listener.name));
        descriptors.push_back(found->second.get());
    }
    return descriptors;
}

Result<Sockets::ProbeSocket> Sockets::probe_address(const ListenerSpec& listener) const {
    ProbeSocket probe;
    probe.target = sys::reachable(listener.address);
    auto socket = sys::probe_socket(listener.address, probe.source);
    if (!socket) return socket.error();
    probe.socket = std::move(*socket);
    return probe;
}

Result<Sockets::ProbeSocket> Sockets::probe(const ListenerSpec& listener, const Instance& instance) {
    auto probe = probe_address(listener);
    if (!probe || !steering_) return probe;
    const std::string identity = model::identity(listener);
    for (const InstanceSocket& socket : instance.sockets) {
        if (socket.listener != identity) continue;
        if (auto added = steering_->add_probe(probe->source, socket.place); !added) return added.error();
        probe->exact = true;
    }
    return probe;
}

void Sockets::remove_probe(const ProbeSocket& probe) {
    if (steering_ && probe.exact) static_cast<void>(steering_->remove_probe(probe.source));
}

const sys::UniqueFd* Sockets::find(const std::string& name) const {
    const auto found = sockets_.find(name);
    return found == sockets_.end() ? nullptr : &found->second;
}

std::uint32_t Sockets::queued(const Instance& instance) const {
    std::uint32_t waiting = 0;
    for (const InstanceSocket& socket : instance.sockets) {
        const auto found = sockets_.find(socket_name(socket));
        if (found == sockets_.end()) continue;
        if (const auto count = sys::queued(found->second)) waiting += *count;
    }
    return waiting;
}

std::uint32_t Sockets::queued(const std::string& identity) const {
    std::uint32_t waiting = 0;
    for (const auto& [name, fd] : sockets_) {
        if (identity_in(name) != identity) continue;
        if (const auto count = sys::queued(fd)) waiting += *count;
    }
    return waiting;
}

std::uint32_t Sockets::count(const std::string& identity) const {
    return static_cast<std::uint32_t>(std::count_if(sockets_.begin(), sockets_.end(), [&](const auto& entry) { return identity_in(entry.first) == identity; }));
}

std::vector<std::string> Sockets::missing(const std::vector<ListenerSpec>& listeners) const {
    std::vector<std::string> names;
    for (const ListenerSpec& listener : listeners) {
        const std::string identity = model::identity(listener);
        const bool good = std::any_of(sockets_.begin(), sockets_.end(), [&](const auto& entry) {
            return identity_in(entry.first) == identity && sys::is_listening(entry.second);
        });
        if (!good) names.push_back(fmt::format("listener {} ({}) has no open socket", listener.name, identity));
    }
    return names;
}

}  // namespace baton::engine
