#include "engine/trial.h"

#include <algorithm>
#include <memory>

#include <boost/asio/co_spawn.hpp>
#include <fmt/core.h>

#include "engine/event_log.h"
#include "plan/routes.h"
#include "run/probe.h"

namespace baton::engine {

using boost::asio::awaitable;
using model::Instance;
using model::ListenerSpec;

namespace {

constexpr std::size_t at_once = 32;
constexpr Millis connect_timeout = 2'000;

struct Target {
    ListenerSpec listener;
    Instance instance;
    model::ProbeSpec probe;
};

// Shared by the workers of one trial.
struct Work {
    Sockets& sockets;
    std::vector<Target> targets;
    std::size_t next = 0;
    std::size_t running = 0;
    std::vector<std::string> failures;
};

std::vector<Target> find_targets(const model::State& state) {
    std::vector<Target> targets;
    for (const auto& [name, service] : state.services) {
        for (const Instance& instance : service.instances) {
            if (instance.state != model::InstanceState::ready) continue;
            const model::Revision* revision = find_revision(service, instance.revision);
            for (const ListenerSpec& listener : revision->listeners) {
                if (listener.protocol == model::Protocol::udp) continue;
                // What is proxied is reached as the workers do.
                ListenerSpec through = listener;
                if (const auto upstream = plan::upstream_address(state, revision->spec, listener, instance)) through.address = *upstream;
                targets.push_back({through, instance, revision->spec.readiness});
            }
            break;
        }
    }
    return targets;
}

awaitable<void> run_some(std::shared_ptr<Work> work) {
    while (work->next < work->targets.size()) {
        const Target& target = work->targets[work->next++];
        auto made = work->sockets.probe(target.listener, target.instance);
        if (!made) {
            work->failures.push_back(made.error().message());
            continue;
        }
        run::ProbeTarget where{made->target, model::ProbeType::tcp, target.probe.path, connect_timeout};
        if (target.probe.type == model::ProbeType::http && target.listener.protocol == model::Protocol::http) where.type = model::ProbeType::http;
        sys::UniqueFd socket = std::move(made->socket);
        Result<void> answered = co_await run::probe(std::move(socket), where);
        work->sockets.remove_probe(*made);
        if (!answered) {
            work->failures.push_back(fmt::format("{} through listener {}: {}", name_of(target.instance), target.listener.name, answered.error().message()));
        }
    }
}

}  // namespace

awaitable<std::vector<std::string>> probe_everything(boost::asio::io_context& context, Sockets& sockets, const model::State& state) {
    auto work = std::make_shared<Work>(Work{sockets, find_targets(state), 0, 0, {}});
    auto bell = std::make_shared<Bell>(context);
    for (std::size_t i = 0; i < std::min(at_once, work->targets.size()); ++i) {
        ++work->running;
        boost::asio::co_spawn(context, run_some(work), [work, bell](std::exception_ptr) {
            --work->running;
            bell->ring();
        });
    }
    while (work->running > 0) co_await bell->wait(connect_timeout);
    co_return work->failures;
}

}  // namespace baton::engine
