#include "engine/probes.h"

#include <set>

#include <fmt/core.h>

#include "plan/routes.h"
#include "sys/listen.h"

namespace baton::engine {

using model::Instance;
using model::InstanceState;
using model::ListenerSpec;
using model::ProbeKind;
using model::ProbeSpec;
using model::ProbeType;

namespace {

bool is_by_network(const ProbeSpec& spec) {
    return spec.type == ProbeType::tcp || spec.type == ProbeType::http;
}

// Which probe an instance in this state is under.
bool runs(ProbeKind kind, const model::ServiceSpec& spec, const Instance& instance, bool startup_passed) {
    const bool running = instance.state == InstanceState::ready || instance.state == InstanceState::unready;
    if (running && instance.admin == model::AdminState::maint) return false;
    switch (kind) {
        case ProbeKind::startup: return instance.state == InstanceState::starting && !startup_passed;
        case ProbeKind::readiness:
            return running || (instance.state == InstanceState::starting && (spec.startup.type == ProbeType::none || startup_passed));
        case ProbeKind::liveness: return running;
    }
    return false;
}

// The listener a probe goes through: the one on its port, or the service's first that takes streams.
const ListenerSpec* listener_for(const model::Revision& revision, const ProbeSpec& spec) {
    for (const ListenerSpec& listener : revision.listeners) {
        if (listener.protocol == model::Protocol::udp) continue;
        if (spec.port == 0 || listener.address.port == spec.port) return &listener;
    }
    return nullptr;
}

}  // namespace

Probes::Probes(boost::asio::io_context& context, Sockets& sockets, Log& log, std::function<void(model::Event)> event)
    : context_(context), sockets_(sockets), log_(log), event_(std::move(event)) {}

void Probes::settle(const model::State& state) {
    std::set<Key> wanted;
    for (const auto& [name, service] : state.services) {
        for (const Instance& instance : service.instances) {
            if (instance.pid == 0) continue;
            const model::Revision* revision = find_revision(service, instance.revision);
            const model::ServiceSpec& spec = revision->spec;
            const std::pair<ProbeKind, const ProbeSpec*> kinds[] = {
                {ProbeKind::startup, &spec.startup}, {ProbeKind::readiness, &spec.readiness}, {ProbeKind::liveness, &spec.liveness}};
            for (const auto& [kind, probe] : kinds) {
                if (!is_by_network(*probe) || !runs(kind, spec, instance, instance.startup_passed)) continue;
                const Key key{instance.id, kind};
                wanted.insert(key);
                const auto loop = loops_.find(key);
                if (loop == loops_.end() || loop->second.spec != *probe) start(key, state, *revision, instance, *probe);
            }
        }
    }
    std::erase_if(loops_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

void Probes::start(const Key& key, const model::State& state, const model::Revision& revision, const Instance& instance, const ProbeSpec& spec) {
    // One that is given its clients accepts nobody on a listener, only on the port that is named.
    const bool given = revision.spec.delivery == model::Delivery::handoff;
    const ListenerSpec* listener = given ? nullptr : listener_for(revision, spec);
    ListenerSpec elsewhere;
    elsewhere.address = {model::Family::inet4, "127.0.0.1", spec.port};
    ListenerSpec through = listener == nullptr ? elsewhere : *listener;
    const auto upstream = spec.port == 0 || listener != nullptr ? plan::upstream_address(state, revision.spec, through, instance) : std::nullopt;
    if (upstream) through.address = *upstream;
    const bool own = listener != nullptr && !upstream;
    if (own && instance.sockets.empty()) {
        log_.warning("{}: its instances share {}: a {} probe tests only the address, not this instance", name_of(instance),
                     model::to_string(through.address), spec.type == ProbeType::http ? "http" : "tcp");
    }
    auto attempt = [this, through, own, instance, spec]() -> Result<run::Attempt> {
        auto made = own ? sockets_.probe(through, instance) : sockets_.probe_address(through);
        if (!made) return made.error();
        auto shared = std::make_shared<Sockets::ProbeSocket>(std::move(*made));
        run::Attempt result;
        result.socket = std::move(shared->socket);
        result.target = {shared->target, spec.type, spec.path, spec.timeout};
        result.done = [this, shared] { sockets_.remove_probe(*shared); };
        return result;
    };
    auto verdict = [this, key](bool passed, std::string why) {
        event_(model::Probed{key.first, key.second, passed, std::move(why)});
    };
    loops_[key] = Loop{spec, std::make_unique<run::ProbeLoop>(context_, spec, std::move(attempt), std::move(verdict))};
}

}  // namespace baton::engine
