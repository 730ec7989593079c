#include "plan/overrides.h"

#include <algorithm>

#include <boost/describe/enum_to_string.hpp>
#include <fmt/core.h>

namespace baton::plan {

using model::Instance;
using model::Override;
using model::Service;

namespace {

bool is_there(const Service& service, std::uint32_t ordinal) {
    if (is_external(service)) return find_external(service, ordinal) != nullptr;
    return ordinal >= 1 && ordinal <= wanted_replicas(service);
}

Override& override_of(Service& service, std::uint32_t ordinal) {
    const auto known = std::find_if(service.overrides.begin(), service.overrides.end(), [&](const Override& one) { return one.ordinal == ordinal; });
    if (known != service.overrides.end()) return *known;
    Override& fresh = service.overrides.emplace_back();
    fresh.ordinal = ordinal;
    return fresh;
}

void pass_on(Service& service, std::uint32_t ordinal) {
    for (Instance& instance : service.instances) {
        if (instance.ordinal == ordinal) take_overrides(service, instance);
    }
}

std::string name_of(const Service& service, std::uint32_t ordinal) {
    return fmt::format("{}/{}", service.name, ordinal);
}

}  // namespace

void set_weight(Turn& turn, Service& service, std::uint32_t ordinal, std::uint32_t weight) {
    if (!is_there(service, ordinal)) return;
    const model::External* external = find_external(service, ordinal);
    const std::uint32_t configured = external == nullptr ? 1 : external->spec.weight;
    override_of(service, ordinal).weight = weight == configured ? std::nullopt : std::optional(weight);
    pass_on(service, ordinal);
    turn.announce("instance.weight", name_of(service, ordinal), fmt::format("{}, by an operator", weight));
}

void set_admin(Turn& turn, Service& service, std::uint32_t ordinal, model::AdminState admin) {
    if (!is_there(service, ordinal)) return;
    Override& said = override_of(service, ordinal);
    if (said.admin == admin) return;
    said.admin = admin;
    said.since = turn.now;
    pass_on(service, ordinal);
    turn.announce("instance.admin", name_of(service, ordinal), fmt::format("{}, by an operator", boost::describe::enum_to_string(admin, "?")));
}

void take_overrides(const Service& service, Instance& instance) {
    const Override* said = find_override(service, instance.ordinal);
    if (said == nullptr) return;
    instance.weight = said->weight.value_or(1);
    instance.admin = said->admin;
}

void drop_overrides(Service& service) {
    std::erase_if(service.overrides, [&](const Override& one) { return !is_there(service, one.ordinal); });
}

}  // namespace baton::plan
