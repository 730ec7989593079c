#include "plan/instance.h"

#include <csignal>
#include <sys/wait.h>

#include <algorithm>

#include <boost/describe/enum_to_string.hpp>
#include <fmt/core.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/rollout_limits.h"
#include "plan/places.h"

namespace baton::plan {

using model::Ending;
using model::Instance;
using model::InstanceState;
using model::ProbeType;
using model::RestartPolicy;
using model::Service;
using model::ServiceSpec;

namespace {

const char* name(InstanceState state) {
    return boost::describe::enum_to_string(state, "?");
}

Millis start_timeout(const ServiceSpec& spec) {
    if (spec.startup.type == ProbeType::none) return limits::start_timeout;
    return spec.startup.initial_delay + spec.startup.interval * spec.startup.failure + spec.startup.timeout;
}

// What must come before an instance is ready, apart from its process.
bool waits_for_readiness(const ServiceSpec& spec) {
    return spec.readiness.type != ProbeType::none || spec.startup.type != ProbeType::none;
}

// How long one that is ready may be about to end still: of a program nobody probes, that it lives is all there is to see.
Millis proves_after(const ServiceSpec& spec) {
    return waits_for_readiness(spec) ? 0 : limits::started_proves;
}

void send_stop(Turn& turn, const ServiceSpec& spec, Instance& instance, int signal, Millis patience, const std::string& reason) {
    become(turn, instance, InstanceState::stopping, reason);
    // From here on only the program holds its sockets: the moment it closes them, whoever still waits
    // there moves to another instance, while the program finishes what it has.
    if (instance.ending == Ending::remove || instance.ending == Ending::park) instance.sockets.clear();
    instance.killed = false;
    instance.deadline = turn.now + patience;
    turn.act(model::SignalProcess{instance.id, signal == 0 ? spec.stop.signal : signal, false});
}

Millis restart_delay(const ServiceSpec& spec, const Instance& instance) {
    // The first restart of a program that was ready is immediate: a crash should cost as little as can be.
    const std::uint32_t steps = instance.was_ready ? instance.failures - 1 : instance.failures;
    if (steps == 0) return 0;
    Millis delay = spec.restart.backoff;
    for (std::uint32_t i = 1; i < steps && delay < spec.restart.backoff_max; ++i) delay *= 2;
    return std::min(delay, spec.restart.backoff_max);
}

// The stop signal is what tells a program to go that holds its clients itself; it has drain_timeout to finish
// what it accepted or was given, then kill_timeout as every other. What was proxied to it has ended by now, or its time is over.
void end_drained(Turn& turn, const Service& service, Instance& instance, const std::string& reason) {
    const ServiceSpec& spec = spec_of(service, instance);
    const Millis drain = spec.delivery == model::Delivery::proxy ? 0 : spec.stop.drain_timeout;
    send_stop(turn, spec, instance, 0, drain + spec.stop.kill_timeout, reason);
}

// While a rollover counts on it, it has to show that it lives; at other times it is used as soon as it is there.
bool must_prove_itself(const Service& service, const Instance& instance) {
    return service.phase == model::RolloutPhase::rolling && instance.revision == service.current;
}

// When a ready one will count as available.
void arm(const Service& service, Instance& instance, Millis now) {
    if (instance.state != InstanceState::ready) return;
    const ServiceSpec& spec = spec_of(service, instance);
    const Millis proven = must_prove_itself(service, instance) ? proves_after(spec) : 0;
    const Millis available = instance.since + std::max(spec.rollout.min_ready, proven);
    instance.deadline = available > now ? available : never;
}

void become_ready(Turn& turn, const Service& service, Instance& instance, const std::string& reason) {
    become(turn, instance, InstanceState::ready, reason);
    instance.was_ready = true;
    instance.problem.clear();
    arm(service, instance, turn.now);
}

// Called before it leaves its state: one that was ready for long starts its count of failures anew.
void forgive(Instance& instance, Millis now) {
    if (instance.state == InstanceState::ready && now - instance.since >= limits::stable_after) instance.failures = 0;
}

// No successor will come: whoever waits on its sockets moves to another instance, or is refused.
void give_up(Turn& turn, Instance& instance, const std::string& reason) {
    instance.sockets.clear();
    become(turn, instance, InstanceState::failed, reason);
}

Millis watchdog_deadline(const ServiceSpec& spec, const Instance& instance) {
    const bool running = instance.state == InstanceState::ready || instance.state == InstanceState::unready;
    if (!running || spec.liveness.type != ProbeType::notify) return never;
    return std::max(instance.watchdog, instance.since) + spec.liveness.interval * spec.liveness.failure;
}

}  // namespace

const ServiceSpec& spec_of(const Service& service, const Instance& instance) {
    const model::Revision* revision = find_revision(service, instance.revision);
    CHECK(revision != nullptr);
    return revision->spec;
}

std::string describe_end(int status) {
    if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
    return fmt::format("exited {}", WEXITSTATUS(status));
}

void become(Turn& turn, Instance& instance, InstanceState to, const std::string& reason) {
    const bool legal = std::any_of(model::instance_edges.begin(), model::instance_edges.end(),
                                   [&](const auto& edge) { return edge.from == instance.state && edge.to == to; });
    CHECK(legal);
    instance.state = to;
    instance.since = turn.now;
    instance.deadline = never;
    const bool bad = to == InstanceState::backoff || to == InstanceState::failed || to == InstanceState::unready;
    turn.announce(std::string("instance.") + name(to), name_of(instance), reason, bad);
}

void ask_again(Turn& turn, const Service& service, Instance& instance) {
    instance.id = turn.state.counters.next_child++;
    turn.state.index.services[instance.id] = service.name;
    instance.started = turn.now;
    instance.deadline = turn.now + start_timeout(spec_of(service, instance));
    turn.act(model::StartProcess{instance.id});
}

void start(Turn& turn, Service& service, Instance& instance, const std::string& reason) {
    take_places(turn, service, instance);
    take_port(turn, service, instance);
    instance.pid = 0;
    instance.was_ready = false;
    instance.startup_passed = false;
    instance.watchdog = 0;
    instance.ending = Ending::none;
    instance.status_text.clear();
    become(turn, instance, InstanceState::starting, reason);
    ask_again(turn, service, instance);
}

void tell_to_go(Turn& turn, Service& service, Instance& instance, Ending ending) {
    const ServiceSpec& spec = spec_of(service, instance);
    switch (instance.state) {
        case InstanceState::waiting:
        case InstanceState::backoff:
        case InstanceState::failed:
        case InstanceState::completed:
            if (ending == Ending::restart) {
                // What waits starts by itself when what it depends on is ready.
                if (instance.state == InstanceState::waiting) return;
                return start(turn, service, instance, "told to start");
            }
            instance.ending = ending;
            if (ending == Ending::remove) return become(turn, instance, InstanceState::gone, "no longer wanted");
            instance.sockets.clear();
            if (instance.state == InstanceState::waiting || instance.state == InstanceState::backoff) {
                become(turn, instance, InstanceState::completed, "told to stop");
            }
            return;
        case InstanceState::starting:
            instance.ending = ending;
            return send_stop(turn, spec, instance, 0, spec.stop.kill_timeout, "told to go before it was ready");
        case InstanceState::ready:
        case InstanceState::unready:
            instance.ending = ending;
            become(turn, instance, InstanceState::draining, ending == Ending::restart ? "told to restart" : "told to go");
            instance.deadline = turn.now + spec.stop.drain_timeout;
            if (instance.sockets.empty() && !by_workers(spec)) return on_queue_empty(turn, service, instance);
            if (spec.stop.drain_timeout == 0) end_drained(turn, service, instance, "it is given no time to drain");
            return;
        case InstanceState::draining:
        case InstanceState::stopping:
            // It ends anyway; to be removed or parked outweighs to come back.
            if (instance.ending != Ending::remove) instance.ending = ending;
            return;
        case InstanceState::gone: return;
    }
}

void end_hung(Turn& turn, Service& service, Instance& instance, int signal, const std::string& reason) {
    const ServiceSpec& spec = spec_of(service, instance);
    if (instance.state != InstanceState::starting && instance.state != InstanceState::ready && instance.state != InstanceState::unready) return;
    forgive(instance, turn.now);
    instance.ending = Ending::replace_hung;
    instance.problem = reason;
    send_stop(turn, spec, instance, signal, spec.stop.kill_timeout, reason);
}

void on_port_taken(Turn& turn, Service& service, Instance& instance) {
    // Once at once; where the next one is taken too, the host is short of ports, and it waits as after any failure.
    if (instance.failures > 0) return on_ended(turn, service, instance, "the port it was to bind is in use", false);
    ++instance.failures;
    take_port(turn, service, instance);
    ask_again(turn, service, instance);
}

void on_started(Turn& turn, Service& service, Instance& instance, std::int64_t pid) {
    instance.pid = pid;
    const ServiceSpec& spec = spec_of(service, instance);
    if (instance.state == InstanceState::starting && !waits_for_readiness(spec)) {
        become_ready(turn, service, instance, "started");
    }
}

void on_ended(Turn& turn, Service& service, Instance& instance, const std::string& how, bool exited_well) {
    const ServiceSpec& spec = spec_of(service, instance);
    // One that was ended because it hung, or that went before it was ready, has not done its work.
    const bool early = instance.state == InstanceState::starting && waits_for_readiness(spec);
    const bool success = exited_well && !early && instance.ending != Ending::replace_hung;
    forgive(instance, turn.now);
    instance.pid = 0;
    instance.last_exit = how;
    if (instance.ending != Ending::replace_hung) instance.problem.clear();
    if (instance.ending == Ending::remove) return become(turn, instance, InstanceState::gone, how);
    if (instance.ending == Ending::park) {
        instance.sockets.clear();
        instance.status_text.clear();  // what it said of itself is not so any more
        return become(turn, instance, InstanceState::completed, how + ", told to stop");
    }
    if (instance.ending == Ending::restart) {
        instance.failures = 0;
        ++instance.restarts;
        return start(turn, service, instance, how + ", restarted");
    }

    const bool final_end = spec.restart.policy == RestartPolicy::never || (spec.restart.policy == RestartPolicy::on_failure && success);
    instance.ending = Ending::none;
    if (final_end && success) {
        instance.sockets.clear();
        return become(turn, instance, InstanceState::completed, how);
    }
    if (service.phase == model::RolloutPhase::rolling && instance.revision == service.current) ++service.rollout_failures;
    if (final_end) return give_up(turn, instance, how);
    ++instance.failures;
    if (spec.restart.limit > 0 && instance.failures > spec.restart.limit) {
        return give_up(turn, instance, fmt::format("{}; given up after {} restarts in a row", how, spec.restart.limit));
    }
    ++instance.restarts;
    const Millis delay = restart_delay(spec, instance);
    if (delay == 0 && instance.state != InstanceState::starting) return start(turn, service, instance, how + ", started again");
    become(turn, instance, InstanceState::backoff, fmt::format("{}; next start in {}", how, format_duration(delay)));
    instance.deadline = turn.now + delay;
}

void on_notified(Turn& turn, Service& service, Instance& instance, const model::Notified& said) {
    const ServiceSpec& spec = spec_of(service, instance);
    if (said.status) instance.status_text = said.status->substr(0, limits::status_text_bytes);
    if (said.watchdog) instance.watchdog = turn.now;
    if (said.extend > 0 && instance.state == InstanceState::starting) {
        instance.deadline = std::max(instance.deadline, std::min(turn.now + said.extend, instance.started + limits::start_timeout_extended));
    }
    if (said.extend > 0 && instance.state == InstanceState::stopping && !instance.killed) {
        instance.deadline = std::max(instance.deadline, std::min(turn.now + said.extend, instance.since + limits::start_timeout_extended));
    }
    if (said.ready && instance.state == InstanceState::starting) {
        if (spec.startup.type == ProbeType::notify) instance.startup_passed = true;
        const bool by_notify = spec.readiness.type == ProbeType::notify ||
                               (spec.readiness.type == ProbeType::none && spec.startup.type == ProbeType::notify);
        if (by_notify) {
            become_ready(turn, service, instance, "said it is ready");
        } else if (spec.startup.type == ProbeType::notify) {
            instance.deadline = std::max(instance.deadline, turn.now + limits::start_timeout);
        }
    }
    // It ends by itself: no new connection for it, and as much time to finish what it has as if it had been told.
    if (said.stopping && instance.state == InstanceState::ready) {
        forgive(instance, turn.now);
        become(turn, instance, InstanceState::unready, "said it is stopping");
        instance.deadline = turn.now + spec.stop.drain_timeout + spec.stop.kill_timeout;
    }
    if (said.hung) end_hung(turn, service, instance, SIGABRT, "asked to be ended as its watchdog would");
}

void on_probed(Turn& turn, Service& service, Instance& instance, const model::Probed& probed) {
    const ServiceSpec& spec = spec_of(service, instance);
    switch (probed.kind) {
        case model::ProbeKind::startup:
            if (instance.state != InstanceState::starting) return;
            if (!probed.passed) return end_hung(turn, service, instance, 0, "startup probe failed: " + probed.why);
            instance.startup_passed = true;
            if (spec.readiness.type == ProbeType::none) return become_ready(turn, service, instance, "startup probe passed");
            // The readiness probe has the word from here on.
            instance.deadline = std::max(instance.deadline, turn.now + limits::start_timeout);
            return;
        case model::ProbeKind::readiness:
            if (probed.passed && instance.state == InstanceState::starting) return become_ready(turn, service, instance, "readiness probe passed");
            if (probed.passed && instance.state == InstanceState::unready) {
                // One that said it is stopping has a deadline, and does not come back.
                if (instance.deadline == never) become_ready(turn, service, instance, "readiness probe passed again");
                return;
            }
            if (probed.passed) return;
            instance.problem = "readiness probe failed: " + probed.why;
            if (instance.state != InstanceState::ready) return;
            forgive(instance, turn.now);
            return become(turn, instance, InstanceState::unready, instance.problem);
        case model::ProbeKind::liveness:
            // Of a process that is starting, or on its way out, it says nothing.
            if (instance.state != InstanceState::ready && instance.state != InstanceState::unready) return;
            if (!probed.passed) end_hung(turn, service, instance, 0, "liveness probe failed: " + probed.why);
            return;
    }
}

void on_queue_empty(Turn& turn, Service& service, Instance& instance) {
    if (instance.state != InstanceState::draining) return;
    const bool proxied = by_workers(spec_of(service, instance));
    end_drained(turn, service, instance, proxied ? "no connection to it is open" : "nobody waits on its sockets");
}

void on_time(Turn& turn, Service& service, Instance& instance) {
    if (deadline_of(service, instance) > turn.now) return;
    const ServiceSpec& spec = spec_of(service, instance);
    switch (instance.state) {
        case InstanceState::starting:
            if (service.phase == model::RolloutPhase::rolling && instance.revision == service.current) {
                service.rollout_failures = limits::rollout_attempts;
            }
            return end_hung(turn, service, instance, 0, fmt::format("not ready within {}{}{}", format_duration(turn.now - instance.started),
                                                                    instance.problem.empty() ? "" : ": ", instance.problem));
        case InstanceState::draining: 
            return end_drained(turn, service, instance, by_workers(spec) ? "connections to it are open still, but its time is over"
                                                                                               : "somebody waits on its sockets still, but its time is over");
        case InstanceState::stopping:
            turn.announce("instance.killed", name_of(instance), "did not end in time", true);
            turn.act(model::SignalProcess{instance.id, SIGKILL, true});
            instance.killed = true;
            instance.deadline = turn.now + spec.stop.kill_timeout + 1000;  // again: KILL can wait for the disk
            return;
        case InstanceState::backoff: return start(turn, service, instance, "its wait is over");
        case InstanceState::ready:
        case InstanceState::unready:
            if (watchdog_deadline(spec, instance) <= turn.now) return end_hung(turn, service, instance, SIGABRT, "its watchdog was silent");
            if (instance.state == InstanceState::unready) return end_hung(turn, service, instance, SIGKILL, "said it is stopping, and did not end in time");
            return arm(service, instance, turn.now);
        default: return;
    }
}

Millis deadline_of(const Service& service, const Instance& instance) {
    return std::min(instance.deadline, watchdog_deadline(spec_of(service, instance), instance));
}

void follow_settings(Turn& turn, Service& service, Instance& instance) {
    const ServiceSpec& spec = spec_of(service, instance);
    const bool probed = spec.readiness.type == ProbeType::tcp || spec.readiness.type == ProbeType::http;
    const bool started = spec.startup.type == ProbeType::none || instance.startup_passed;
    if (instance.state == InstanceState::unready && instance.deadline == never && !probed) {
        become_ready(turn, service, instance, "no probe says otherwise any more");
    } else if (instance.state == InstanceState::starting && instance.pid != 0 && started && spec.readiness.type == ProbeType::none) {
        become_ready(turn, service, instance, "there is nothing to wait for any more");
    } else {
        arm(service, instance, turn.now);
    }
}

bool has_process(const Instance& instance) {
    switch (instance.state) {
        case InstanceState::starting:
        case InstanceState::ready:
        case InstanceState::unready:
        case InstanceState::draining:
        case InstanceState::stopping: return true;
        case InstanceState::waiting:
        case InstanceState::backoff:
        case InstanceState::failed:
        case InstanceState::completed:
        case InstanceState::gone: return false;
    }
    return false;
}

bool is_parked(const Instance& instance) {
    return instance.ending == Ending::park && !has_process(instance);
}

bool is_proven(const Service& service, const Instance& instance, Millis now) {
    return instance.state == InstanceState::ready && now - instance.since >= proves_after(spec_of(service, instance));
}

bool is_available(const Service& service, const Instance& instance, Millis now) {
    if (must_prove_itself(service, instance) && !is_proven(service, instance, now)) return false;
    return instance.state == InstanceState::ready && now - instance.since >= spec_of(service, instance).rollout.min_ready;
}

}  // namespace baton::plan
