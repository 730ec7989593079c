#include "plan/routes.h"

#include <algorithm>

#include <fmt/core.h>

namespace baton::plan {

using model::Delivery;
using model::Instance;
using model::InstanceState;
using model::ListenerSpec;
using model::Service;

namespace {

bool proxies(const Service& service) {
    return std::any_of(service.instances.begin(), service.instances.end(),
                       [&](const Instance& instance) { return find_revision(service, instance.revision)->spec.delivery == Delivery::proxy; });
}

void add_route(const model::State& state, const ListenerSpec& listener, model::RouteTable& table) {
    const auto service = state.services.find(listener.service);
    if (service == state.services.end()) return;
    const model::Revision* current = find_revision(service->second, service->second.current);
    if (current->spec.delivery != Delivery::proxy) return;
    model::Route route{"shared/" + identity(listener), listener.service, {}};
    for (const Instance& instance : service->second.instances) {
        if (instance.state != InstanceState::ready || instance.weight == 0) continue;
        const auto address = upstream_address(state, find_revision(service->second, instance.revision)->spec, listener, instance);
        if (address) route.endpoints.push_back({instance.id, name_of(instance), *address, instance.weight});
    }
    table.routes.push_back(std::move(route));
}

}  // namespace

model::RouteTable routes(const model::State& state) {
    model::RouteTable table;
    for (const ListenerSpec& listener : state.configuration.listeners) add_route(state, listener, table);
    // Who waits at one that left the configuration is served still.
    for (const auto& closing : state.counters.closing) add_route(state, closing.spec, table);
    return table;
}

bool needs_workers(const model::State& state) {
    return std::any_of(state.services.begin(), state.services.end(), [](const auto& entry) {
        const Service& service = entry.second;
        return find_revision(service, service.current)->spec.delivery == Delivery::proxy || proxies(service);
    });
}

std::optional<model::Address> upstream_address(const model::State& state, const model::ServiceSpec& spec, const ListenerSpec& listener,
                                               const Instance& instance) {
    if (spec.delivery != Delivery::proxy) return {};
    if (spec.upstream == model::Upstream::port) {
        if (instance.port == 0) return {};
        return model::Address{model::Family::inet4, "127.0.0.1", instance.port};
    }
    const std::string id = identity(listener);
    for (const model::InstanceSocket& socket : instance.sockets) {
        if (socket.hidden && socket.listener == id) return model::Address{model::Family::unix_path, hidden_path(state, socket.place), 0};
    }
    return {};
}

std::vector<std::string> changed_deliveries(const model::State& state, const model::Configuration& fresh) {
    const auto delivery_in = [](const model::Configuration& in, const ListenerSpec& listener) -> std::optional<Delivery> {
        const auto found = std::find_if(in.services.begin(), in.services.end(), [&](const auto& service) { return service.name == listener.service; });
        return found == in.services.end() ? std::nullopt : std::optional(found->delivery);
    };
    std::vector<std::string> problems;
    for (const ListenerSpec& listener : fresh.listeners) {
        const auto known = std::find_if(state.configuration.listeners.begin(), state.configuration.listeners.end(),
                                        [&](const ListenerSpec& one) { return identity(one) == identity(listener); });
        if (known == state.configuration.listeners.end() || delivery_in(state.configuration, *known) == delivery_in(fresh, listener)) continue;
        problems.push_back(fmt::format("listener {}: the delivery of its service cannot change while {} is open; remove the listener, reload, and add it again",
                                       listener.name, model::to_string(listener.address)));
    }
    return problems;
}

std::string hidden_path(const model::State& state, std::uint32_t place) {
    return fmt::format("{}/upstream/{}", state.configuration.supervisor.runtime_dir, place);
}

}  // namespace baton::plan
