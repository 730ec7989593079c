#include "engine/operator.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/core.h>

#include "base/gateway_limits.h"
#include "base/limits.h"
#include "base/rollout_limits.h"
#include "plan/step.h"
#include "plan/workers.h"

namespace baton::engine {

using model::Instance;
using model::InstanceState;
using model::ProgressView;
using model::RolloutPhase;
using model::Service;
using model::UpgradePhase;

namespace {

constexpr Millis look_interval = 1'000;
constexpr std::size_t lines_of_failure = 10;
// Outside of rollovers nothing happens when an instance is proven; who waits for that looks again.
constexpr Millis proof_interval = limits::started_proves;

ProgressView progress_of(std::string phase, std::string text, std::uint32_t percent) {
    ProgressView view;
    view.phase = std::move(phase);
    view.text = std::move(text);
    view.percent = percent;
    return view;
}

// An instance that has done its work and may end is as it should be; one that an operator stopped, too.
bool rests(const Instance& instance) {
    return instance.state == InstanceState::completed && (instance.ending == model::Ending::none || instance.ending == model::Ending::park);
}

// Takes traffic and goes on doing so, or has done its work.
bool holds(const Service& service, const Instance& instance, Millis now) {
    return rests(instance) || plan::is_proven(service, instance, now);
}

// It was started again and again in vain: while somebody waited for it, `restarts` times or more.
bool fails_to_start(const Instance& instance, std::uint32_t restarts) {
    return instance.state == InstanceState::backoff && instance.failures >= limits::rollout_attempts && restarts >= limits::rollout_attempts;
}

std::string tell_failure(const Instance& instance) {
    const std::string problem = instance.problem.empty() ? "" : fmt::format(" ({})", instance.problem);
    if (instance.state == InstanceState::failed) return fmt::format("{}: {}{}", name_of(instance), instance.last_exit, problem);
    return fmt::format("{}: {}{}, {} times in a row; it is tried on", name_of(instance), instance.last_exit, problem, instance.failures);
}

// How long a command waits for a service: its whole rollout, and a little.
Millis patience(const Service& service) {
    const model::Revision* revision = find_revision(service, service.current);
    return revision->spec.rollout.deadline + revision->spec.stop.drain_timeout + revision->spec.stop.kill_timeout;
}

// Of a service that is not wanted: what stands against it.
std::string why_not_wanted(const model::State& state, const Service& service) {
    if (state.counters.stopping) return "everything is being stopped";
    if (service.removed) return "it has left the configuration";
    if (service.stopped) return "it is stopped (`baton start` starts it)";
    const model::ServiceSpec& spec = find_revision(service, service.current)->spec;
    if (!spec.enabled) return "it is disabled";
    for (const std::string& name : spec.depends_on) {
        const auto needed = state.services.find(name);
        if (needed == state.services.end() || plan::wanted(state, needed->second)) continue;
        return fmt::format("it depends on {}, which is not to run: {}", name, why_not_wanted(state, needed->second));
    }
    return "it is not wanted";
}

CommandFailure not_ours(const std::string& service) {
    return {409, fmt::format("service {} is external: its servers are not Baton's to start, restart or scale (`baton drain`, `maint`, `ready` and `weight` are for them)", service), {}};
}

}  // namespace

Operator::Operator(Engine& engine) : engine_(engine) {}

CommandFailure Operator::failure(int status, std::string message, const std::string& log_of) const {
    CommandFailure result{status, std::move(message), {}};
    if (!log_of.empty()) result.details = engine_.events().last_lines(log_of, lines_of_failure);
    return result;
}

boost::asio::awaitable<std::vector<std::string>> Operator::health(bool as_owner) {
    const Millis patience_ends = monotonic_now() + limits::ownership_patience;
    while (as_owner && !engine_.runner().active() && monotonic_now() < patience_ends) {
        co_await engine_.runner().changed().wait(patience_ends - monotonic_now());
    }
    std::vector<std::string> reasons = engine_.trial_problems();
    const auto serves = [this] { return plan::workers_serve(engine_.runner().state()); };
    while (as_owner && engine_.runner().active() && !serves() && monotonic_now() < patience_ends) {
        co_await engine_.runner().changed().wait(patience_ends - monotonic_now());
    }
    if (engine_.runner().active() && !serves()) reasons.push_back("not all workers serve");
    if (as_owner && !engine_.runner().active()) reasons.push_back("it does not own the instances");
    if (engine_.runner().active()) {
        const model::State& state = engine_.runner().state();
        std::vector<model::ListenerSpec> needed;
        for (const auto& listener : state.configuration.listeners) {
            const auto services = services_of(listener);
            const bool wanted = std::any_of(services.begin(), services.end(), [&](const std::string& name) {
                const auto service = state.services.find(name);
                return service != state.services.end() && plan::wanted(state, service->second);
            });
            if (wanted) needed.push_back(listener);
        }
        for (std::string& name : engine_.runner().sockets().missing(needed)) reasons.push_back(std::move(name));
    }
    co_return reasons;
}

boost::asio::awaitable<std::optional<CommandFailure>> Operator::execute(Command command, Progress progress) {
    if (!engine_.runner().active()) co_return CommandFailure{503, "this generation does not own the instances; ask again", {}};
    if (auto* asked = std::get_if<ReloadCommand>(&command)) co_return co_await reload(*asked, std::move(progress));
    if (auto* asked = std::get_if<ScaleCommand>(&command)) co_return co_await scale(*asked, std::move(progress));
    if (auto* asked = std::get_if<PowerCommand>(&command)) co_return co_await power(*asked, std::move(progress));
    if (auto* asked = std::get_if<WeightCommand>(&command)) co_return co_await weigh(*asked, std::move(progress));
    if (auto* asked = std::get_if<AdminCommand>(&command)) co_return co_await administer(*asked, std::move(progress));
    if (auto* asked = std::get_if<UpgradeCommand>(&command)) co_return co_await upgrade(*asked, std::move(progress));
    if (std::holds_alternative<PluginReloadCommand>(command)) co_return co_await reload_plugins(std::move(progress));
    if (auto* asked = std::get_if<PluginCheckCommand>(&command)) co_return co_await check_plugin(*asked, std::move(progress));
    if (auto* asked = std::get_if<ShutdownCommand>(&command)) engine_.shut_down(!asked->graceful);
    if (std::holds_alternative<ReopenCommand>(command)) {
        std::vector<std::string> problems = engine_.reopen_logs();
        if (!problems.empty()) co_return CommandFailure{409, "not every log could be reopened", std::move(problems)};
    }
    co_return std::nullopt;
}

Operator::Outcome Operator::reload(ReloadCommand command, Progress progress) {
    // Checked here, the configuration need not wait for it with all else standing still.
    if (!engine_.configuration().plugins.directories.empty()) {
        co_await look_at_plugins(false, progress);
        if (!engine_.runner().active()) co_return CommandFailure{503, "another generation took over; ask it", {}};
    }
    std::set<std::string> before;
    for (const auto& [name, service] : engine_.runner().state().services) before.insert(name);
    std::vector<std::string> problems = engine_.reload();
    if (!problems.empty()) {
        CommandFailure failure{409, "the configuration was refused; nothing has changed", std::move(problems)};
        co_return failure;
    }
    progress(progress_of("configuration", "in force", 10));
    if (!command.wait) co_return std::nullopt;
    // What the reload set in motion: what is new, what rolls over, what leaves or changes its size. All begin
    // now; that one was taken back may be seen only when the others were waited for.
    const model::State& state = engine_.runner().state();
    std::vector<std::string> leaving;
    std::map<std::string, std::uint64_t> moving;  // with the revision that was taken back before
    for (const auto& [name, service] : state.services) {
        if (!plan::wanted(state, service)) {
            if (!service.instances.empty()) leaving.push_back(name);
            continue;
        }
        const bool resized = service.instances.size() != wanted_replicas(service);
        if (!before.contains(name) || resized || service.phase != RolloutPhase::settled) moving[name] = service.rejected.revision;
    }
    std::optional<CommandFailure> failed;
    const auto take = [&failed](const std::string& name, std::optional<CommandFailure> other) {
        if (!other) return;
        other->phase = "service " + name;  // the last one that was told of may be another's
        if (failed) failed->details.push_back(other->message);
        if (!failed) failed = std::move(other);
    };
    for (const auto& [name, rejected] : moving) {
        if (!state.services.contains(name)) continue;
        auto outcome = co_await settled(name, rejected, progress);
        take(name, std::move(outcome));
    }
    for (const std::string& name : leaving) {
        auto outcome = co_await stopped(name, progress);
        take(name, std::move(outcome));
    }
    if (failed) co_return failed;
    std::string what = "the configuration";
    co_return co_await told(std::move(what), std::move(progress));
}

Operator::Outcome Operator::settled(std::string name, Progress progress) {
    const auto found = engine_.runner().state().services.find(name);
    const std::uint64_t rejected = found == engine_.runner().state().services.end() ? 0 : found->second.rejected.revision;
    co_return co_await settled(std::move(name), rejected, std::move(progress));
}

Operator::Outcome Operator::settled(std::string name, std::uint64_t rejected_before, Progress progress) {
    const auto& services = engine_.runner().state().services;
    std::string last;
    auto found = services.find(name);
    if (found == services.end()) co_return CommandFailure{404, "no such service: " + name, {}};
    const Millis began = monotonic_now();
    std::map<std::uint32_t, std::uint32_t> restarts;
    for (const Instance& instance : found->second.instances) restarts[instance.ordinal] = instance.restarts;
    for (;;) {
        found = services.find(name);
        if (found == services.end()) co_return CommandFailure{409, "the service left the configuration: " + name, {}};
        const Service& service = found->second;
        const Millis now = monotonic_now();
        const auto holding = std::count_if(service.instances.begin(), service.instances.end(), [&](const Instance& one) { return holds(service, one, now); });
        const std::uint32_t wanted = wanted_replicas(service);
        const std::uint32_t ready = std::min(wanted, static_cast<std::uint32_t>(holding));
        const bool in_place = service.phase == RolloutPhase::settled && service.instances.size() == wanted && ready == wanted;
        if (service.rejected.revision != rejected_before && service.rejected.revision != 0 && service.phase == RolloutPhase::settled) {
            co_return failure(409, fmt::format("service {}: revision {} was taken back: {}", name, service.rejected.revision, service.rejected.why), name);
        }
        if (in_place) {
            const std::string text = is_external(service) ? std::string("clients are let to its servers") : fmt::format("{} of {} ready", ready, wanted);
            progress(progress_of("service " + name, text, 100));
            co_return std::nullopt;
        }
        if (!plan::wanted(engine_.runner().state(), service)) {
            co_return CommandFailure{409, fmt::format("service {} is not to run: {}", name, why_not_wanted(engine_.runner().state(), service)), {}};
        }
        const bool late = service.rejected.revision == service.current && service.rejected.revision != rejected_before;
        if (late) co_return failure(409, fmt::format("service {}: revision {} is {}", name, service.current, service.rejected.why), name);
        for (const Instance& instance : service.instances) {
            // While a rollover is on, its own count of failures and its deadline decide.
            const bool vain = service.phase != RolloutPhase::rolling && fails_to_start(instance, instance.restarts - restarts[instance.ordinal]);
            if (instance.state == InstanceState::failed || vain) co_return failure(409, tell_failure(instance), name);
        }
        std::string text = fmt::format("{} of {} ready", ready, wanted);
        for (const Instance& instance : service.instances) {
            if (instance.state != InstanceState::backoff) continue;
            text += fmt::format("; {}: {}", name_of(instance), instance.last_exit);
            break;
        }
        if (text != last) progress(progress_of("service " + name, text, wanted == 0 ? 100 : ready * 100 / wanted));
        last = std::move(text);
        // A rollover ends at its deadline by itself; so what holds up the others is told when theirs is over. What is
        // to end has its own time.
        const bool starts_late = service.phase == RolloutPhase::settled && ready < wanted;
        const Millis allowed = starts_late ? find_revision(service, service.current)->spec.rollout.deadline : patience(service);
        const Millis since = std::max(began, service.rollout_began);  // what it waits for others does not count
        if (now - since >= allowed) {
            co_return failure(409, fmt::format("service {}: not in place within {}: {} ({} of {} ready)", name, format_duration(allowed),
                                               plan::hindrance(service, now), ready, wanted), name);
        }
        if (!engine_.runner().active()) co_return CommandFailure{503, "another generation took over; ask it", {}};
        const bool soon = plan::ready_count(service) >= wanted;
        co_await engine_.runner().changed().wait(std::min(soon ? proof_interval : look_interval, since + allowed - now));
    }
}

Operator::Outcome Operator::stopped(std::string name, Progress progress) {
    const auto& services = engine_.runner().state().services;
    auto found = services.find(name);
    if (found == services.end()) co_return std::nullopt;
    const Millis deadline = monotonic_now() + patience(found->second);
    std::size_t last = SIZE_MAX;
    for (;;) {
        found = services.find(name);
        const bool closed = found == services.end() || found->second.servers == model::ServersState::closed;
        if (closed && (found == services.end() || found->second.instances.empty())) co_return std::nullopt;
        const std::size_t left = found->second.instances.size();
        if (left != last) progress(progress_of("service " + name, closed ? fmt::format("{} to end", left) : "its clients are to finish", 50));
        last = left;
        if (monotonic_now() >= deadline) {
            co_return failure(409, fmt::format("service {}: {}", name, closed ? fmt::format("{} instances have not ended", left) : "its clients have not gone"), name);
        }
        if (!engine_.runner().active()) co_return CommandFailure{503, "another generation took over; ask it", {}};
        co_await engine_.runner().changed().wait(look_interval);
    }
}

Operator::Outcome Operator::instance_settled(std::string name, std::uint32_t ordinal, bool running, std::uint64_t not_id, Progress progress) {
    const auto& services = engine_.runner().state().services;
    const Millis deadline = monotonic_now() + patience(services.at(name));
    for (;;) {
        const auto found = services.find(name);
        const Instance* instance = found == services.end() ? nullptr : plan::find_place(found->second, ordinal);
        if (instance == nullptr) co_return CommandFailure{409, fmt::format("{}/{} is gone", name, ordinal), {}};
        const bool done = instance->state == InstanceState::completed && instance->ending == model::Ending::none;
        const bool as_asked = done || plan::is_proven(found->second, *instance, monotonic_now());
        if (running && as_asked && instance->id != not_id) co_return std::nullopt;
        if (!running && instance->pid == 0) co_return std::nullopt;
        if (running && instance->id != not_id && (instance->state == InstanceState::failed || fails_to_start(*instance, instance->failures))) {
            co_return failure(409, tell_failure(*instance), fmt::format("{}/{}", name, ordinal));
        }
        progress(progress_of("instance", fmt::format("{}/{} is {}", name, ordinal, running ? "starting" : "ending"), 50));
        if (monotonic_now() >= deadline) {
            const std::string& why = instance->problem.empty() ? instance->last_exit : instance->problem;
            co_return failure(409, fmt::format("{}/{}: not in time{}{}", name, ordinal, why.empty() ? "" : ": ", why), fmt::format("{}/{}", name, ordinal));
        }
        if (!engine_.runner().active()) co_return CommandFailure{503, "another generation took over; ask it", {}};
        co_await engine_.runner().changed().wait(instance->state == InstanceState::ready ? proof_interval : look_interval);
    }
}

Operator::Outcome Operator::scale(ScaleCommand command, Progress progress) {
    if (!engine_.runner().state().services.contains(command.service)) co_return CommandFailure{404, "no such service: " + command.service, {}};
    if (command.replicas == 0 || command.replicas > limits::replicas) {
        co_return CommandFailure{400, fmt::format("replicas must be from 1 to {} (`baton stop` stops a service)", limits::replicas), {}};
    }
    if (is_external(engine_.runner().state().services.at(command.service))) co_return not_ours(command.service);
    engine_.runner().apply(model::ScaleAsked{command.service, command.replicas});
    co_return co_await settled(command.service, std::move(progress));
}

Operator::Outcome Operator::power(PowerCommand command, Progress progress) {
    const auto& services = engine_.runner().state().services;
    const auto found = services.find(command.service);
    if (found == services.end()) co_return CommandFailure{404, "no such service: " + command.service, {}};
    // As a whole it can be stopped, which turns its clients away, and started again.
    if (is_external(found->second) && (command.ordinal || command.power == Power::restart)) co_return not_ours(command.service);
    std::uint64_t id = 0;
    if (command.ordinal) {
        const Instance* instance = plan::find_place(found->second, *command.ordinal);
        if (instance == nullptr) co_return CommandFailure{404, fmt::format("no such instance: {}/{}", command.service, *command.ordinal), {}};
        // To start what runs already is to wait until it is ready; everything else has a process of its own to show.
        const bool runs = instance->pid != 0 && instance->ending != model::Ending::park;
        id = command.power == Power::start && runs ? 0 : instance->id;
    }
    const model::PowerChange change = command.power == Power::start  ? model::PowerChange::start
                                      : command.power == Power::stop ? model::PowerChange::stop
                                                                     : model::PowerChange::restart;
    engine_.runner().apply(model::PowerAsked{change, command.service, command.ordinal});
    if (command.ordinal) co_return co_await instance_settled(command.service, *command.ordinal, command.power != Power::stop, id, std::move(progress));
    if (command.power == Power::stop) co_return co_await stopped(command.service, std::move(progress));
    co_return co_await settled(command.service, std::move(progress));
}

std::optional<CommandFailure> Operator::ungoverned(const std::string& service, std::uint32_t ordinal, std::string_view what) const {
    const auto& services = engine_.runner().state().services;
    const auto found = services.find(service);
    const bool there = found != services.end() && (find_external(found->second, ordinal) != nullptr || plan::find_place(found->second, ordinal) != nullptr);
    if (!there) return CommandFailure{404, fmt::format("no such instance: {}/{}", service, ordinal), {}};
    const model::Revision* revision = find_revision(found->second, found->second.current);
    const auto& listeners = revision->listeners;
    const bool by_kernel = engine_.runner().sockets().kernel() && std::any_of(listeners.begin(), listeners.end(), [](const auto& one) { return can_steer(one); });
    if (by_kernel || by_workers(revision->spec)) return std::nullopt;
    return CommandFailure{409, fmt::format("service {}: nobody chooses among its instances (`baton status` shows the steering), so {} no effect", service, what), {}};
}

Operator::Outcome Operator::weigh(WeightCommand command, Progress progress) {
    if (auto failure = ungoverned(command.service, command.ordinal, "weights have")) co_return failure;
    if (command.weight > limits::weight_max) co_return CommandFailure{400, fmt::format("a weight is from 0 to {}", limits::weight_max), {}};
    engine_.runner().apply(model::WeightAsked{command.service, command.ordinal, command.weight});
    std::string name = fmt::format("{}/{}", command.service, command.ordinal);
    co_return co_await told(std::move(name), std::move(progress));
}

Operator::Outcome Operator::administer(AdminCommand command, Progress progress) {
    if (auto failure = ungoverned(command.service, command.ordinal, "this has")) co_return failure;
    engine_.runner().apply(model::AdminAsked{command.service, command.ordinal, command.admin});
    std::string name = fmt::format("{}/{}", command.service, command.ordinal);
    co_return co_await told(std::move(name), std::move(progress));
}

Operator::Outcome Operator::told(std::string what, Progress progress) {
    const Millis deadline = monotonic_now() + limits::workers_told;
    while (!engine_.runner().workers().confirmed()) {
        if (!engine_.runner().active()) co_return CommandFailure{503, "another generation took over; ask it", {}};
        if (monotonic_now() >= deadline) co_return CommandFailure{409, fmt::format("{}: it is noted, but not every worker has confirmed it", what), {}};
        progress(progress_of("workers", "being told", 50));
        co_await engine_.runner().changed().wait(look_interval);
    }
    co_return std::nullopt;
}

Operator::Outcome Operator::upgrade(UpgradeCommand command, Progress progress) {
    if (auto why = engine_.upgrade(command.binary, true, command.soak); !why.empty()) co_return CommandFailure{409, "refused: " + why, {}};
    UpgradePhase last = UpgradePhase::idle;
    const Millis began = monotonic_now();
    while (command.wait) {
        const model::Upgrade& now = engine_.succession().upgrade();
        if (now.phase == UpgradePhase::committed) {
            progress(progress_of("committed", fmt::format("generation {} has taken over for good", now.generation), 100));
            co_return std::nullopt;
        }
        if (now.phase == UpgradePhase::idle) {
            CommandFailure failed{409, "the upgrade was taken back: " + now.verdict, {}};
            co_return failed;
        }
        if (now.phase != last) {
            if (now.phase == UpgradePhase::trial) progress(progress_of("trial", "the new binary has to prove itself", 20));
            if (now.phase == UpgradePhase::proved) progress(progress_of("proved", fmt::format("generation {} could serve", now.generation), 50));
            if (now.phase == UpgradePhase::handed) {
                progress(progress_of("soak", fmt::format("generation {} owns the instances, {} ms after it was asked for", now.generation, monotonic_now() - began), 75));
            }
            last = now.phase;
        }
        co_await engine_.runner().changed().wait(look_interval);
    }
    co_return std::nullopt;
}

std::unique_ptr<Subscription<model::EventView>> Operator::follow_events(std::uint64_t after) {
    return engine_.events().follow_events(after);
}

std::unique_ptr<Subscription<model::LogLineView>> Operator::follow_logs(std::string service, std::optional<std::uint32_t> ordinal, std::size_t lines) {
    const std::string filter = ordinal ? fmt::format("{}/{}", service, *ordinal) : service;
    return engine_.events().follow_logs(filter, lines);
}

}  // namespace baton::engine
