#include "telling.h"

#include <csignal>
#include <type_traits>

#include <boost/describe/enum_to_string.hpp>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "plan/steering.h"

namespace baton::plan::test {
namespace {

using namespace model;

template <class E>
const char* name(E value) {
    return boost::describe::enum_to_string(value, "?");
}

std::string signal_name(int signal) {
    switch (signal) {
        case SIGTERM: return "TERM";
        case SIGKILL: return "KILL";
        case SIGABRT: return "ABRT";
        default: return std::to_string(signal);
    }
}

std::string child_name(const State& state, std::uint64_t id) {
    for (const auto& [service_name, service] : state.services) {
        for (const Instance& instance : service.instances) {
            if (instance.id == id) return fmt::format("{}@{} #{}", name_of(instance), instance.revision, id);
        }
    }
    for (const Worker& worker : state.gateway.workers) {
        if (worker.id == id) return fmt::format("worker {}.{} #{}", worker.generation, worker.number, id);
    }
    return fmt::format("#{}", id);
}

std::string left(Millis deadline, Millis now) {
    if (deadline == never) return "";
    return deadline < now ? fmt::format(" overdue {}", format_duration(now - deadline)) : fmt::format(" +{}", format_duration(deadline - now));
}

std::string tell_table(const Table& table) {
    if (table.closed) return "closed";
    std::string line;
    for (const Share& share : table.shares) line += fmt::format("{}{}{}", line.empty() ? "" : " ", share.place, share.weight == 1 ? "" : fmt::format("x{}", share.weight));
    return line.empty() ? "nobody" : line;
}

std::string tell_instance(const Instance& instance, Millis now) {
    std::string line = fmt::format("  {}@{} {}", name_of(instance), instance.revision, name(instance.state));
    if (instance.id != 0) line += fmt::format(" #{}", instance.id);
    if (instance.pid != 0) line += fmt::format(" pid {}", instance.pid);
    if (instance.ending != Ending::none) line += fmt::format(" to {}", name(instance.ending));
    line += left(instance.deadline, now);
    if (instance.failures > 0) line += fmt::format(" failures {}", instance.failures);
    for (const InstanceSocket& socket : instance.sockets) line += fmt::format(" {} {}", socket.hidden ? "hidden" : "place", socket.place);
    if (instance.port != 0) line += fmt::format(" port {}", instance.port);
    if (instance.weight != 1) line += fmt::format(" x{}", instance.weight);
    if (instance.admin != AdminState::ready) line += fmt::format(" {}", name(instance.admin));
    return line + "\n";
}

std::string tell_external(const Service& service, const External& external) {
    std::string line = fmt::format("  {}/{} at {}", service.name, external.ordinal, to_string(external.spec.address));
    const Override* said = find_override(service, external.ordinal);
    const std::uint32_t weight = said != nullptr && said->weight ? *said->weight : external.spec.weight;
    if (weight != 1) line += fmt::format(" x{}", weight);
    if (external.spec.backup) line += " backup";
    if (external.spec.down) line += " down";
    if (said != nullptr && said->admin != AdminState::ready) line += fmt::format(" {}", name(said->admin));
    return line + "\n";
}

std::string tell_worker(const Worker& worker, Millis now) {
    std::string line = fmt::format("worker {}.{} {} #{}", worker.generation, worker.number, name(worker.state), worker.id);
    if (worker.pid != 0) line += fmt::format(" pid {}", worker.pid);
    if (worker.heir != 0) line += fmt::format(" to #{}", worker.heir);
    return line + left(worker.deadline, now) + "\n";
}

}  // namespace

std::string tell(const Action& action, const State& state) {
    return std::visit(
        [&](const auto& a) -> std::string {
            using A = std::decay_t<decltype(a)>;
            if constexpr (std::is_same_v<A, StartProcess>) return fmt::format("> start {}\n", child_name(state, a.id));
            if constexpr (std::is_same_v<A, StartWorker>) return fmt::format("> start {}\n", child_name(state, a.id));
            if constexpr (std::is_same_v<A, ReleaseWorker>) {
                return fmt::format("> release {}{}\n", child_name(state, a.id), a.to == 0 ? "" : " to " + child_name(state, a.to));
            }
            if constexpr (std::is_same_v<A, SignalProcess>) {
                return fmt::format("> signal {} {}{}\n", child_name(state, a.id), signal_name(a.signal), a.whole_group ? " to its group" : "");
            }
            if constexpr (std::is_same_v<A, ForgetProcess>) return fmt::format("> forget #{}\n", a.id);
            if constexpr (std::is_same_v<A, Announce>) {
                return fmt::format("{} {} {}{}{}\n", a.warning ? "!" : "-", a.kind, a.subject, a.text.empty() ? "" : ": ", a.text);
            }
        },
        action);
}

std::string tell(const State& state, Millis now) {
    std::string text;
    for (const auto& [service_name, service] : state.services) {
        text += fmt::format("{} at {}", service_name, service.current);
        if (service.previous != 0) text += fmt::format(", before {}", service.previous);
        if (service.phase != RolloutPhase::settled) text += fmt::format(", {}", name(service.phase));
        if (service.rollout_failures != 0) text += fmt::format(", {} failed", service.rollout_failures);
        if (service.rejected.revision != 0) text += fmt::format(", rejected {}", service.rejected.revision);
        if (service.removed) text += ", removed";
        if (!wanted(state, service)) text += ", not wanted";
        if (service.servers == ServersState::draining) text += ", draining" + left(service.servers_deadline, now);
        text += "\n";
        for (const Instance& instance : service.instances) text += tell_instance(instance, now);
        for (const External& external : service.externals) text += tell_external(service, external);
        for (const auto& [identity, table] : steering_tables(state, service)) text += fmt::format("  {}: {}\n", identity, tell_table(table));
    }
    for (const PluginRef& plugin : state.gateway.plugins) {
        for (const std::string& strategy : plugin.strategies) {
            text += fmt::format("  {} by {:#x}{}\n", strategy, plugin.fingerprint, plugin.quarantined.empty() ? "" : ", quarantined: " + plugin.quarantined);
        }
    }
    for (const Worker& worker : state.gateway.workers) text += tell_worker(worker, now);
    for (const ClosingListener& closing : state.counters.closing) text += fmt::format("closing {}{}\n", identity(closing.spec), left(closing.deadline, now));
    return text + (next_deadline(state) == never ? std::string("nothing due\n") : fmt::format("due{}\n", left(next_deadline(state), now)));
}

std::string tell(const UpgradeAction& action) {
    return std::visit(
        [](const auto& a) -> std::string {
            using A = std::decay_t<decltype(a)>;
            if constexpr (std::is_same_v<A, SetAsidePidFile>) return "> set aside the pid file\n";
            if constexpr (std::is_same_v<A, RestorePidFile>) return "> restore the pid file\n";
            if constexpr (std::is_same_v<A, StartCandidate>) return fmt::format("> start candidate {}\n", a.binary);
            if constexpr (std::is_same_v<A, ProbeCandidate>) return fmt::format("> probe generation {}\n", a.generation);
            if constexpr (std::is_same_v<A, EndCandidate>) return fmt::format("> end generation {} by {}\n", a.generation, signal_name(a.signal));
            if constexpr (std::is_same_v<A, GiveInstances>) return fmt::format("> give the instances to generation {}\n", a.generation);
            if constexpr (std::is_same_v<A, TakeInstances>) return "> take the instances\n";
            if constexpr (std::is_same_v<A, LeaveForGood>) return "> leave for good\n";
            if constexpr (std::is_same_v<A, Report>) return fmt::format("{} {}: {}\n", a.warning ? "!" : "-", a.kind, a.text);
        },
        action);
}

std::string tell(const Upgrade& upgrade, Millis now) {
    std::string line = name(upgrade.phase);
    if (upgrade.generation != 0) line += fmt::format(" generation {}", upgrade.generation);
    if (upgrade.automatic) line += " automatic";
    if (upgrade.quit_requested) line += " quit-queued";
    if (upgrade.confirmed) line += " confirmed";
    if (upgrade.ending) line += " ending";
    if (next_deadline(upgrade) != never) line += left(next_deadline(upgrade), now);
    if (!upgrade.verdict.empty()) line += fmt::format(" verdict \"{}\"", upgrade.verdict);
    return line + "\n";
}

std::string tell(const Event& event) {
    return std::visit(
        [](const auto& e) -> std::string {
            using E = std::decay_t<decltype(e)>;
            if constexpr (std::is_same_v<E, Tick>) return "tick";
            if constexpr (std::is_same_v<E, Configured>) {
                std::string text = "configured";
                for (const ServiceSpec& spec : e.configuration.services) {
                    text += fmt::format(" {}x{}:{}", spec.name, spec.replicas, spec.version);
                }
                for (const ListenerSpec& listener : e.configuration.listeners) text += fmt::format(" {}->{}", identity(listener), listener.service);
                return text + (e.retry ? " retry" : "");
            }
            if constexpr (std::is_same_v<E, ChildStarted>) return fmt::format("started #{}", e.id);
            if constexpr (std::is_same_v<E, ChildNotStarted>) return fmt::format("not started #{}", e.id);
            if constexpr (std::is_same_v<E, ChildExited>) return fmt::format("exited #{} status {:#x}", e.id, e.status);
            if constexpr (std::is_same_v<E, Adopted>) {
                std::string text = "adopted";
                for (const KnownChild& child : e.children) text += fmt::format(" #{}{}", child.id, child.exited ? " (exited)" : "");
                return text;
            }
            if constexpr (std::is_same_v<E, Notified>) {
                return fmt::format("notified #{}{}{}{}", e.id, e.ready ? " ready" : "", e.stopping ? " stopping" : "", e.watchdog ? " watchdog" : "");
            }
            if constexpr (std::is_same_v<E, Probed>) {
                return fmt::format("probed #{} {} {}", e.id, static_cast<int>(e.kind), e.passed ? "passed" : "failed");
            }
            if constexpr (std::is_same_v<E, QueueEmpty>) return fmt::format("queue empty #{}", e.id);
            if constexpr (std::is_same_v<E, ListenerDrained>) return "listener drained " + e.identity;
            if constexpr (std::is_same_v<E, ServersDrained>) return "servers drained " + e.service;
            if constexpr (std::is_same_v<E, PowerAsked>) {
                return fmt::format("power {} {}/{}", static_cast<int>(e.change), e.service, e.ordinal ? std::to_string(*e.ordinal) : "*");
            }
            if constexpr (std::is_same_v<E, ScaleAsked>) return fmt::format("scale {} {}", e.service, e.replicas);
            if constexpr (std::is_same_v<E, WeightAsked>) return fmt::format("weight {}/{} {}", e.service, e.ordinal, e.weight);
            if constexpr (std::is_same_v<E, AdminAsked>) return fmt::format("{} {}/{}", name(e.admin), e.service, e.ordinal);
            if constexpr (std::is_same_v<E, WorkerReady>) return fmt::format("worker ready #{}", e.id);
            if constexpr (std::is_same_v<E, WorkerLeaves>) return fmt::format("worker leaves #{}", e.id);
            if constexpr (std::is_same_v<E, WorkerLostHeir>) return fmt::format("worker lost heir #{} #{}", e.id, e.heir);
            if constexpr (std::is_same_v<E, WorkerHung>) return fmt::format("worker hung #{}", e.id);
            if constexpr (std::is_same_v<E, PluginsChosen>) return fmt::format("{} plugins chosen", e.plugins.size());
            if constexpr (std::is_same_v<E, StopAsked>) return e.fast ? "stop asked, fast" : "stop asked";
        },
        event);
}

std::string tell(const UpgradeEvent& event) {
    return std::visit(
        [](const auto& e) -> std::string {
            using E = std::decay_t<decltype(e)>;
            if constexpr (std::is_same_v<E, UpgradeAsked>) return fmt::format("upgrade asked {}{}", e.binary, e.automatic ? " automatic" : "");
            if constexpr (std::is_same_v<E, CandidateStarted>) return fmt::format("candidate started {} {}", e.generation, e.error);
            if constexpr (std::is_same_v<E, CandidateReady>) return fmt::format("candidate ready {}", e.generation);
            if constexpr (std::is_same_v<E, CandidateGone>) return fmt::format("candidate gone {}: {}", e.generation, e.how);
            if constexpr (std::is_same_v<E, CandidateProbed>) return fmt::format("candidate probed: {}", e.failure.empty() ? "good" : e.failure);
            if constexpr (std::is_same_v<E, DrainAsked>) return "WINCH";
            if constexpr (std::is_same_v<E, ReturnAsked>) return "HUP";
            if constexpr (std::is_same_v<E, CommitAsked>) return "QUIT";
            if constexpr (std::is_same_v<E, UpgradeTick>) return "upgrade tick";
            if constexpr (std::is_same_v<E, UpgradeResumed>) {
                return fmt::format("resumed others [{}] ready [{}] owner {}", fmt::join(e.others, " "), fmt::join(e.ready, " "), e.owner);
            }
        },
        event);
}

}  // namespace baton::plan::test
