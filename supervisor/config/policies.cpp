// How a service is rolled over, restarted, stopped: [service.NAME.rollout] and its siblings.
#include <limits>

#include <fmt/core.h>

#include "base/limits.h"
#include "config/groups.h"
#include "config/later.h"
#include "config/values.h"

namespace baton::config {
namespace {

constexpr std::int64_t any_count = std::numeric_limits<std::int32_t>::max();

// A count of instances, or a percentage of the replicas.
void read_share(Table& table, std::string_view key, model::Share& to) {
    const Node* found = table.find(key);
    if (found == nullptr) return;
    if (const std::string* text = found->as<std::string>()) {
        const auto share = parse_percentage(*text);
        if (!share) return table.fault(key, share.error());
        to = *share;
    } else if (found->as<std::int64_t>() != nullptr) {
        std::uint32_t count = 0;
        if (table.integer(key, count, 0, limits::replicas)) to = model::Share{count, false};
    } else {
        table.problem(key, "must be an integer or a percentage like \"25%\", not " + describe_kind(*found));
    }
}

void read_analysis(Table table) {
    later_number(table, "max_error_rate", 1);
    later_duration(table, "max_latency_p99");
    later_integer(table, "min_requests", any_count);
    table.finish();
}

}  // namespace

void read_rollout(Table table, model::RolloutSpec& spec) {
    enum class Way { rolling };
    Way way{};
    table.choice<Way>("strategy", way,
                      {{"rolling", Way::rolling},
                       {"canary", {}, false},
                       {"blue_green", {}, false},
                       {"recreate", {}, false}},
                      "strategy");
    read_share(table, "max_surge", spec.max_surge);
    read_share(table, "max_unavailable", spec.max_unavailable);
    table.duration("min_ready", spec.min_ready);
    table.duration("deadline", spec.deadline, 1);
    table.boolean("auto_rollback", spec.auto_rollback);
    later_texts(table, "steps");
    later_duration(table, "pause");
    later_integer(table, "history", any_count);
    if (auto analysis = table.table("analysis")) read_analysis(*analysis);
    table.finish();
}

void read_failover(Table table) {
    enum class Way { restart };
    Way way{};
    table.choice<Way>("strategy", way, {{"restart", Way::restart}, {"active_standby", {}, false}},
                      "strategy");
    later_table(table, "options");
    table.finish();
}

void read_restart(Table table, model::RestartSpec& spec) {
    using Policy = model::RestartPolicy;
    table.choice<Policy>(
        "policy", spec.policy,
        {{"always", Policy::always}, {"on_failure", Policy::on_failure}, {"never", Policy::never}});
    // Not 0: a program that cannot start would be started without a pause.
    table.duration("backoff", spec.backoff, 1);
    const bool most = table.duration("backoff_max", spec.backoff_max, 1);
    table.integer("limit", spec.limit, 0, any_count);
    const bool restarts = spec.policy != Policy::never;
    for (const std::string_view key : {"backoff", "backoff_max", "limit"}) {
        table.needs(key, restarts, "policy = \"always\" or \"on_failure\"");
    }
    if (restarts && spec.backoff > spec.backoff_max) {
        table.problem(most ? "backoff_max" : "backoff",
                      fmt::format("makes backoff ({}) longer than backoff_max ({})",
                                  format_duration(spec.backoff), format_duration(spec.backoff_max)));
    }
    table.finish();
}

void read_drain(Table table, model::StopSpec& spec) {
    for (const std::string_view key : {"signal", "pre_stop", "kill_timeout"}) {
        if (table.find(key) != nullptr) table.problem(key, "has no effect with runtime = \"external\"");
    }
    table.duration("drain_timeout", spec.drain_timeout);
    table.finish();
}

void read_stop(Table table, model::StopSpec& spec) {
    std::string signal;
    if (table.text("signal", signal)) {
        const auto number = parse_signal(signal);
        if (number) {
            spec.signal = *number;
        } else {
            table.fault("signal", number.error());
        }
    }
    later_texts(table, "pre_stop");
    table.duration("drain_timeout", spec.drain_timeout);
    table.duration("kill_timeout", spec.kill_timeout);
    table.finish();
}

void read_schedule(Table table) {
    enum class Way { none };
    Way way{};
    table.choice<Way>("strategy", way, {{"least_instances", Way::none, false}}, "strategy");
    later_texts(table, "nodes");
    later_table(table, "constraints");
    table.finish();
}

}  // namespace baton::config
