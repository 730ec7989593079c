#include "model/state.h"

#include <set>

#include <fmt/core.h>

#include "model/codec.h"
#include "model/members.h"

namespace baton::model {
namespace {

// FNV-1a, 64 bits: it tells versions of one service apart, it does not defend against anybody.
std::uint64_t fnv(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash;
}

}  // namespace

const Revision* find_revision(const Service& service, std::uint64_t number) {
    for (const Revision& revision : service.revisions) {
        if (revision.number == number) return &revision;
    }
    return nullptr;
}

std::pair<Service*, Instance*> find_by_child(State& state, std::uint64_t id) {
    const auto in = [id](Service& service) -> Instance* {
        for (Instance& instance : service.instances) {
            if (instance.id == id && id != 0) return &instance;
        }
        return nullptr;
    };
    if (const auto known = state.index.services.find(id); known != state.index.services.end()) {
        const auto service = state.services.find(known->second);
        Instance* instance = service == state.services.end() ? nullptr : in(service->second);
        if (instance != nullptr) return {&service->second, instance};
    }
    for (auto& [name, service] : state.services) {
        if (Instance* instance = in(service)) return {&service, instance};
    }
    return {};
}

std::string revision_digest(const ServiceSpec& spec, const std::vector<ListenerSpec>& listeners) {
    // What can change under a running process is left out; the rest decides. Nothing runs of an external service.
    if (spec.runtime == Runtime::external) return fmt::format("{:016x}", fnv("external"));
    Program program;
    take_members(program, spec);
    std::string text = encode(program);
    if (spec.liveness.type == ProbeType::notify) text += fmt::format("watchdog {}", spec.liveness.interval * spec.liveness.failure);
    // Listeners are what they are, whatever their order and their names; and nothing to a program that does not inherit them.
    if (!inherits(spec)) return fmt::format("{:016x}", fnv(text));
    std::set<std::string> identities;
    for (const ListenerSpec& listener : listeners) identities.insert(identity(listener));
    for (const std::string& one : identities) text += one;
    return fmt::format("{:016x}", fnv(text));
}

const Override* find_override(const Service& service, std::uint32_t ordinal) {
    for (const Override& one : service.overrides) {
        if (one.ordinal == ordinal) return &one;
    }
    return nullptr;
}

const External* find_external(const Service& service, std::uint32_t ordinal) {
    for (const External& one : service.externals) {
        if (one.ordinal == ordinal) return &one;
    }
    return nullptr;
}

bool is_external(const Service& service) {
    const Revision* revision = find_revision(service, service.current);
    return revision != nullptr && revision->spec.runtime == Runtime::external;
}

std::uint64_t external_id(const std::string& service, const Address& address) {
    return fnv(service + " " + to_string(address)) | (1ULL << 63);
}

std::uint32_t wanted_replicas(const Service& service) {
    if (is_external(service)) return 0;
    if (service.scale > 0) return service.scale;
    const Revision* revision = find_revision(service, service.current);
    return revision == nullptr ? 0 : revision->spec.replicas;
}

}  // namespace baton::model
