#include "plan/externals.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "plan/step.h"

namespace baton::plan {

using model::AdminState;
using model::EndpointSpec;
using model::External;
using model::ServersState;
using model::Service;

namespace {

const model::ServiceSpec* definition(const Service& service) {
    const model::Revision* current = find_revision(service, service.current);
    if (current->spec.runtime == model::Runtime::external) return &current->spec;
    if (service.phase == model::RolloutPhase::settled) return nullptr;
    for (const model::Revision& revision : service.revisions) {
        if (revision.spec.runtime == model::Runtime::external) return &revision.spec;
    }
    return nullptr;
}

std::string name_of(const Service& service, const External& external) {
    return fmt::format("{}/{}", service.name, external.ordinal);
}

std::string describe(const EndpointSpec& spec) {
    return fmt::format("{}, weight {}{}{}", to_string(spec.address), spec.weight, spec.backup ? ", backup" : "", spec.down ? ", down" : "");
}

std::uint32_t free_number(const std::set<std::uint32_t>& taken) {
    std::uint32_t number = 1;
    while (taken.contains(number)) ++number;
    return number;
}

void follow(Turn& turn, Service& service, External& external, const EndpointSpec& spec) {
    if (external.spec == spec) return;
    // A new weight in the configuration ends an operator's, as a new number of replicas does.
    for (model::Override& said : service.overrides) {
        if (said.ordinal == external.ordinal && external.spec.weight != spec.weight) said.weight.reset();
    }
    if (external.spec.down && !spec.down) external.since = turn.now;
    external.spec = spec;
    turn.announce("endpoint.changed", name_of(service, external), describe(spec));
}

}  // namespace

void settle_externals(Turn& turn, Service& service) {
    const model::ServiceSpec* spec = definition(service);
    if (spec == nullptr && service.externals.empty()) return;
    const std::vector<EndpointSpec> wanted = spec == nullptr ? std::vector<EndpointSpec>{} : spec->endpoints;
    std::vector<External> before = std::exchange(service.externals, {});
    std::set<std::uint32_t> taken;
    for (const External& external : before) {
        const bool stays = std::any_of(wanted.begin(), wanted.end(), [&](const EndpointSpec& one) { return one.address == external.spec.address; });
        if (stays) taken.insert(external.ordinal);
        if (stays) continue;
        std::erase_if(service.overrides, [&](const model::Override& said) { return said.ordinal == external.ordinal; });
        turn.announce("endpoint.removed", name_of(service, external), to_string(external.spec.address));
    }
    for (const EndpointSpec& one : wanted) {
        const auto known = std::find_if(before.begin(), before.end(), [&](const External& external) { return external.spec.address == one.address; });
        External& external = service.externals.emplace_back(known == before.end() ? External{free_number(taken), one, turn.now} : *known);
        if (taken.insert(external.ordinal).second) turn.announce("endpoint.added", name_of(service, external), describe(one));
        follow(turn, service, external, one);
    }
}

namespace {

// The one place where it changes.
void become(Turn& turn, Service& service, ServersState state, std::string_view why) {
    if (service.servers == state) return;
    service.servers = state;
    service.servers_deadline = never;
    if (state != ServersState::draining) {
        if (!why.empty()) turn.announce("servers.closed", service.name, std::string(why));
        return;
    }
    const Millis time = find_revision(service, service.current)->spec.stop.drain_timeout;
    service.servers_deadline = turn.now + time;
    turn.announce("servers.draining", service.name, fmt::format("its clients have {} to finish", format_duration(time)));
}

}  // namespace

void settle_servers(Turn& turn, Service& service, bool needed) {
    if (service.externals.empty() || service.removed) return become(turn, service, ServersState::closed, {});
    if (wanted(turn.state, service)) return become(turn, service, ServersState::serving, {});
    if (service.servers == ServersState::serving && !needed) become(turn, service, ServersState::draining, {});
    if (service.servers == ServersState::draining && service.servers_deadline <= turn.now) {
        become(turn, service, ServersState::closed, "its time is over");
    }
}

void close_servers(Turn& turn, Service& service, std::string_view why) {
    become(turn, service, ServersState::closed, why);
}

bool takes_traffic(const Service& service, const External& external) {
    const model::Override* said = find_override(service, external.ordinal);
    const std::uint32_t weight = said != nullptr && said->weight ? *said->weight : external.spec.weight;
    return !external.spec.down && weight > 0 && (said == nullptr || said->admin == AdminState::ready);
}

std::vector<model::Endpoint> external_endpoints(const model::State& state, const Service& service, bool last) {
    std::vector<model::Endpoint> endpoints;
    // Who waits at a listener that left with its service is served still.
    if (service.externals.empty() || (!wanted(state, service) && service.servers == ServersState::closed && !service.removed)) return endpoints;
    for (const External& external : service.externals) {
        const model::Override* said = find_override(service, external.ordinal);
        const AdminState admin = said == nullptr ? AdminState::ready : said->admin;
        model::Endpoint endpoint;
        endpoint.id = external_id(service.name, external.spec.address);
        endpoint.name = name_of(service, external);
        endpoint.address = external.spec.address;
        endpoint.weight = said != nullptr && said->weight ? *said->weight : external.spec.weight;
        endpoint.backup = external.spec.backup;
        endpoint.down = external.spec.down || admin == AdminState::maint;
        const bool ends = service.servers == ServersState::draining && !last;
        endpoint.draining = ends || admin == AdminState::drain || endpoint.weight == 0;
        endpoint.max_fails = external.spec.max_fails;
        endpoint.fail_timeout = external.spec.fail_timeout;
        endpoint.since = std::max(external.since, said == nullptr ? 0 : said->since);
        endpoints.push_back(std::move(endpoint));
    }
    return endpoints;
}

}  // namespace baton::plan
