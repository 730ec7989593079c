// The groups of the schema, one function each. Every function reads its table whole, reports unknown
// keys, and leaves defaults where something is absent or wrong.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/draft.h"
#include "config/table.h"
#include "model/configuration.h"
#include "model/events.h"

namespace baton::config {

// Paths are made absolute with `prefix`.
void read_supervisor(Table table, model::SupervisorSpec& spec, const std::string& prefix);
void read_admin(Table table, model::SupervisorSpec& spec, const std::string& prefix);
void read_plugins(Table table, model::PluginsSpec& spec, const std::string& prefix);
// Where the configuration names none.
model::SupervisorSpec default_supervisor(const std::string& prefix);

// How clients are spoken to: routes, http, tls. `protocol_known`: the listener's is not misspelt.
void read_clients(Table& table, model::ListenerSpec& spec, ListenerOrigin& origin, const std::string& prefix, bool protocol_known);
void read_listener(Table table, model::ListenerSpec& spec, ListenerOrigin& origin, const std::string& prefix);

// spec.name is set by the caller.
void read_service(Table table, model::ServiceSpec& spec, ServiceOrigin& origin, const std::string& prefix);
void read_probe(Table table, model::ProbeKind kind, model::ProbeSpec& spec);
// Whether `key` of a probe does anything with this type.
bool has_effect(model::ProbeKind kind, model::ProbeType type, std::string_view key);

// How traffic reaches the instances: balance, health, timeouts, proxy_protocol, and the endpoints of an external
// service, whose defaults are those of health.
void read_traffic(Table& table, model::ServiceSpec& spec, ServiceOrigin& origin, const std::string& prefix);
void read_rollout(Table table, model::RolloutSpec& spec);
void read_failover(Table table);
void read_restart(Table table, model::RestartSpec& spec);
void read_stop(Table table, model::StopSpec& spec);
// The same of a service that has no process.
void read_drain(Table table, model::StopSpec& spec);
void read_schedule(Table table);

// What only shows when everything is read: duplicates, names that lead nowhere, cycles, probes without a
// target, paths too long for sockets. `complete` is false when a file could not be read; then names that
// lead nowhere are not reported.
void check_references(const Draft& draft, bool complete, Report& report);
// The same of traffic: what the ways it takes can do, and keys that mean nothing there. `balancers`: the
// strategies there are.
void check_traffic(const Draft& draft, bool complete, const std::vector<std::string>& balancers, Report& report);

// What a service's listeners carry.
struct Reach {
    bool http = false;
    bool tcp = false;
    bool udp = false;
    bool any() const { return http || tcp || udp; }
};
Reach reach_of(const model::Configuration& configuration, std::string_view service);
// Whether a key of [service.NAME.timeouts] does anything there.
bool timeout_has_effect(const Reach& reach, model::Delivery delivery, std::string_view key);

}  // namespace baton::config
