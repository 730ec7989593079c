#include "plan/places.h"

#include <algorithm>
#include <set>

#include "base/gateway_limits.h"
#include "base/limits.h"

namespace baton::plan {

using model::Instance;
using model::InstanceSocket;
using model::Service;

namespace {

std::set<std::uint32_t> taken_places(const Turn& turn, const Instance& also) {
    std::set<std::uint32_t> taken;
    for (const auto& socket : also.sockets) taken.insert(socket.place);
    for (const auto& [name, service] : turn.state.services) {
        for (const Instance& instance : service.instances) {
            for (const auto& socket : instance.sockets) taken.insert(socket.place);
        }
    }
    return taken;
}

std::uint16_t first_port(const std::string& seed) {
    std::uint32_t hash = 2'166'136'261U;  // FNV-1a
    for (const char c : seed) hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619U;
    return static_cast<std::uint16_t>(limits::port_first + hash % (limits::port_last - limits::port_first));
}

}  // namespace

void take_places(Turn& turn, const Service& service, Instance& instance) {
    const model::Revision* revision = find_revision(service, instance.revision);
    const bool hidden = has_hidden_sockets(revision->spec);
    std::set<std::uint32_t> taken;
    // In the order of the listeners, as they are inherited.
    std::vector<InstanceSocket> sockets;
    for (const model::ListenerSpec& listener : revision->listeners) {
        const bool grouped = !by_workers(revision->spec) && turn.state.counters.kernel_steering && can_steer(listener);
        if (!hidden && !grouped) continue;
        const std::string id = identity(listener);
        const auto has = std::find_if(instance.sockets.begin(), instance.sockets.end(), [&](const auto& s) { return s.listener == id && s.hidden == hidden; });
        if (has != instance.sockets.end()) {
            sockets.push_back(*has);
            continue;
        }
        if (taken.empty()) taken = taken_places(turn, instance);
        if (taken.size() >= limits::instance_places) continue;  // its start will fail, and say so
        std::uint32_t& next = turn.state.counters.next_place;
        next %= limits::instance_places;
        while (taken.contains(next)) next = (next + 1) % limits::instance_places;
        taken.insert(next);
        sockets.push_back({id, next, hidden});
        next = (next + 1) % limits::instance_places;
    }
    instance.sockets = std::move(sockets);
}

void take_port(Turn& turn, const Service& service, Instance& instance) {
    const model::ServiceSpec& spec = find_revision(service, instance.revision)->spec;
    if (!binds_port(spec)) return;
    std::set<std::uint16_t> taken;
    for (const auto& [name, other] : turn.state.services) {
        for (const Instance& one : other.instances) taken.insert(one.port);
    }
    // Addresses of this configuration are nobody's to bind.
    for (const auto& listener : turn.state.configuration.listeners) taken.insert(listener.address.port);
    std::uint16_t& next = turn.state.counters.next_port;
    // Several supervisors of one host begin at different ports.
    const std::string& own = turn.state.configuration.supervisor.runtime_dir;
    if (next == 0 && !own.empty()) next = first_port(own);
    const auto forward = [&next] { next = next < limits::port_first || next >= limits::port_last ? limits::port_first : next + 1; };
    do {
        forward();
    } while (taken.contains(next));
    instance.port = next;
}

}  // namespace baton::plan
