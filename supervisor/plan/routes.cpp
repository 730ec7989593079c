#include "plan/routes.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "plan/externals.h"
#include "plan/step.h"
#include "plan/workers.h"

namespace baton::plan {

using model::Delivery;
using model::Instance;
using model::InstanceState;
using model::ListenerSpec;
using model::Service;

namespace {

std::string descriptor_of(const ListenerSpec& listener) {
    return "shared/" + identity(listener);
}

bool proxies(const Service& service) {
    return std::any_of(service.instances.begin(), service.instances.end(),
                       [&](const Instance& instance) { return by_workers(find_revision(service, instance.revision)->spec); });
}

const Service* find(const model::State& state, const std::string& name) {
    const auto found = state.services.find(name);
    return found == state.services.end() ? nullptr : &found->second;
}

// Its clients are to go. Servers that somebody needs who runs still are there for them.
bool ends(const model::State& state, const Service& service) {
    return !wanted(state, service) && service.servers != model::ServersState::serving;
}

model::Endpoint endpoint_of(const Instance& instance, const model::ServiceSpec& spec, model::Address address) {
    model::Endpoint endpoint;
    endpoint.id = instance.id;
    endpoint.name = name_of(instance);
    endpoint.address = std::move(address);
    endpoint.weight = instance.weight;
    const bool drains = instance.state == InstanceState::draining;
    endpoint.down = (instance.state != InstanceState::ready && !drains) || instance.admin == model::AdminState::maint;
    endpoint.draining = drains || instance.weight == 0 || instance.admin == model::AdminState::drain;
    endpoint.max_fails = spec.health.max_fails;
    endpoint.fail_timeout = spec.health.fail_timeout;
    endpoint.since = instance.since;
    return endpoint;
}

// Those that take traffic, in the order of their places; and places whose holder will be back, so that clients
// that a hash sends elsewhere stay there. Old and new holders of one place may both be ready.
// With datagrams no connection holds a client where it was: the workers have to know how long it may stay. One that
// is given its clients is told by the workers that it drains.
// Of a service that is to end, the last ones answer whoever is connected still.
std::vector<const Instance*> listed(const Service& service, bool datagrams, bool last) {
    std::vector<const Instance*> list;
    std::set<std::uint32_t> ready;
    for (const Instance& instance : service.instances) {
        if (instance.state == InstanceState::ready) ready.insert(instance.ordinal);
    }
    for (const Instance& instance : service.instances) {
        const bool restarts = instance.restarts > 0 && (instance.state == InstanceState::starting || instance.state == InstanceState::backoff);
        const bool back = restarts || instance.state == InstanceState::unready;
        const bool missed = back && instance.ending == model::Ending::none && !ready.contains(instance.ordinal);
        const bool told = datagrams || find_revision(service, instance.revision)->spec.delivery == Delivery::handoff;
        const bool stays = (told || last) && instance.state == InstanceState::draining;
        if (instance.state == InstanceState::ready || missed || stays) list.push_back(&instance);
    }
    std::stable_sort(list.begin(), list.end(), [](const Instance* a, const Instance* b) { return a->ordinal < b->ordinal; });
    return list;
}

void add_route(const model::State& state, const ListenerSpec& listener, const Service& service, model::Match match, model::RouteTable& table) {
    const model::ServiceSpec& spec = find_revision(service, service.current)->spec;
    model::Route route;
    route.listener = descriptor_of(listener);
    route.service = service.name;
    route.match = std::move(match);
    route.balance = spec.balance;
    route.health = spec.health;
    route.timeouts = spec.timeouts;
    route.proxy_protocol = spec.proxy_protocol;
    route.closing = ends(state, service);
    const bool last = route.closing && listener.protocol == model::Protocol::http;
    for (const Instance* instance : listed(service, listener.protocol == model::Protocol::udp, last)) {
        const model::ServiceSpec& its = find_revision(service, instance->revision)->spec;
        const auto address = upstream_address(state, its, listener, *instance);
        if (!address) continue;
        model::Endpoint& endpoint = route.endpoints.emplace_back(endpoint_of(*instance, spec, *address));
        endpoint.handoff = its.delivery == Delivery::handoff;
        if (last && instance->admin == model::AdminState::ready && instance->weight > 0) endpoint.draining = false;
        if (const model::Override* said = find_override(service, instance->ordinal)) endpoint.since = std::max(endpoint.since, said->since);
    }
    for (model::Endpoint& endpoint : external_endpoints(state, service, last)) route.endpoints.push_back(std::move(endpoint));
    table.routes.push_back(std::move(route));
}

void add_listener(const model::State& state, const ListenerSpec& listener, model::RouteTable& table) {
    const Service* service = find(state, listener.service);
    if (service == nullptr || !by_workers(find_revision(*service, service->current)->spec)) return;
    table.entrances.push_back({descriptor_of(listener), listener.name, listener.protocol, listener.proxy_protocol, listener.access_log,
                               listener.http, listener.tls});
    if (listener.protocol == model::Protocol::udp) {
        const Readers readers = readers_of(state, identity(listener));
        // Nobody's, until there is one that is ready.
        table.entrances.back().reader = readers.now == 0 ? UINT64_MAX : readers.now;
        table.entrances.back().reader_before = readers.before;
    }
    table.entrances.back().closing = !takes_clients(state, listener);
    for (const model::RouteSpec& route : listener.routes) {
        if (const Service* other = find(state, route.service)) add_route(state, listener, *other, route.match, table);
    }
    add_route(state, listener, *service, {}, table);
}

}  // namespace

model::RouteTable routes(const model::State& state) {
    model::RouteTable table;
    for (const ListenerSpec& listener : state.configuration.listeners) {
        if (is_open(state, listener)) add_listener(state, listener, table);
    }
    table.plugins = state.gateway.plugins;
    // Who waits at one that left the configuration is served still.
    for (const auto& closing : state.counters.closing) add_listener(state, closing.spec, table);
    return table;
}

bool takes_clients(const model::State& state, const ListenerSpec& listener) {
    const auto services = services_of(listener);
    return std::any_of(services.begin(), services.end(), [&](const std::string& name) {
        const Service* service = find(state, name);
        return service != nullptr && !ends(state, *service);
    });
}

bool refuses_clients(const model::State& state, const ListenerSpec& listener) {
    // Answers to datagrams leave by the listening socket.
    if (listener.protocol == model::Protocol::udp) return false;
    const Service* service = find(state, listener.service);
    return service != nullptr && by_workers(find_revision(*service, service->current)->spec) && !takes_clients(state, listener);
}

bool needs_workers(const model::State& state) {
    return state.index.proxies && std::any_of(state.services.begin(), state.services.end(), [](const auto& entry) {
        const Service& service = entry.second;
        return by_workers(find_revision(service, service.current)->spec) || proxies(service);
    });
}

std::optional<model::Address> upstream_address(const model::State& state, const model::ServiceSpec& spec, const ListenerSpec& listener,
                                               const Instance& instance) {
    if (!by_workers(spec)) return {};
    if (binds_port(spec)) {
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
    const auto delivery_in = [](const model::Configuration& in, const ListenerSpec& listener) -> std::optional<bool> {
        const model::ServiceSpec* service = find_service(in, listener.service);
        return service == nullptr ? std::nullopt : std::optional(by_workers(*service));
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
