#include "recovery.h"

#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "base/limits.h"
#include "base/time.h"
#include "event_stream.h"
#include "model/codec.h"
#include "model/views.h"
#include "patience.h"

namespace baton::cli {
namespace {

Result<std::vector<model::EventView>> all_events(const Client& client) {
    EventStream stream;
    std::vector<model::EventView> events;
    const auto take = [&](std::string_view piece) {
        for (const auto& event : stream.feed(piece)) {
            const auto view = model::decode<model::EventView>(event.data);
            if (event.name.empty() && view) events.push_back(*view);
        }
    };
    Call call;
    call.target = "/v1/events?follow=false";
    const auto reply = client.stream(std::move(call), take);
    if (!reply) return reply.error();
    if (reply->status != 200) return failed(complaint_of(*reply).message);
    if (!reply->whole) return failed("read the events: the connection broke");
    return events;
}

template <class View>
Result<View> look(const Client& client, std::string target) {
    Call call;
    call.target = std::move(target);
    const auto reply = client.ask(std::move(call));
    if (!reply) return reply.error();
    if (reply->status != 200 || !reply->whole) return failed(complaint_of(*reply).message);
    return model::decode<View>(reply->body);
}

bool settled(const std::vector<model::GenerationView>& all) {
    return all.size() == 1 && all.front().phase == "idle";
}

// A master that keeps no history counts its events from 1 again; then their time tells.
bool later(const model::EventView& event, const Moment& before) {
    return event.number > before.event || event.time >= before.time;
}

std::optional<Verdict> told_by(const std::vector<model::EventView>& events, const Moment& before) {
    for (auto event = events.rbegin(); event != events.rend(); ++event) {
        const bool committed = event->kind == "upgrade.committed";
        if ((!committed && event->kind != "upgrade.returned") || !later(*event, before)) continue;
        Verdict verdict;
        verdict.phase = committed ? "committed" : "returned";
        verdict.text = event->subject + ": " + event->text;
        verdict.percent = 100;
        verdict.done = true;
        verdict.succeeded = committed;
        return verdict;
    }
    return {};
}

// Those of one service, or one of them.
std::vector<model::InstanceView> those_of(std::vector<model::InstanceView> all, const std::string& subject) {
    std::erase_if(all, [&](const auto& view) { return view.name != subject && view.service != subject; });
    return all;
}

bool rests(const model::InstanceView& view) {
    return view.state == "ready" || view.state == "completed" || view.state == "failed";
}

// Where the upgrade is, as far as the generations show it.
void show(const std::vector<model::GenerationView>& all, Progress& progress) {
    model::ProgressView view;
    view.phase = all.empty() ? "waiting" : all.front().phase;
    view.text = fmt::format("{} generations", all.size());
    progress.step(view);
}

}  // namespace

Result<Moment> present(const Client& client) {
    const auto events = all_events(client);
    if (!events) return events.error();
    return Moment{events->empty() ? 0 : events->back().number, format_wall(wall_now())};
}

Result<Verdict> verdict_of_upgrade(const Client& client, const Moment& before, Progress& progress) {
    progress.step({"reconnect", "the connection broke; asking for the verdict"});
    Patience patience;
    Millis quiet_since = never;
    std::string trouble;
    do {
        const auto all = look<std::vector<model::GenerationView>>(client, "/v1/generations");
        if (!all) {
            trouble = all.error().message();
        } else if (!settled(*all)) {
            // An upgrade has deadlines of its own; as long as somebody answers, it is on.
            patience.renew();
            show(*all, progress);
        } else if (const auto events = all_events(client); events) {
            if (auto verdict = told_by(*events, before)) return *verdict;
            // It may have died with the master that was asked, before that one had begun.
            trouble = "no upgrade is on, and no event tells how it ended";
            if (quiet_since == never) quiet_since = monotonic_now();
            if (monotonic_now() - quiet_since >= limits::client_quiet) break;
        }
    } while (patience.try_again());
    return failed(
        fmt::format("the connection broke, and whether the upgrade succeeded is unknown: {}", trouble));
}

void await_settled(const Client& client) {
    Patience patience;
    do {
        const auto all = look<std::vector<model::GenerationView>>(client, "/v1/generations");
        if (all && settled(*all)) return;
    } while (patience.try_again());
}

std::string workers_left(const Client& client) {
    const auto node = look<std::vector<model::NodeView>>(client, "/v1/nodes");
    const auto all = look<std::vector<model::WorkerView>>(client, "/v1/workers");
    if (!node || node->empty() || !all) return "";
    const auto count = std::ranges::count_if(*all, [&](const auto& view) { return view.generation < node->front().generation; });
    if (count == 0) return "";
    return fmt::format("{} of generations before {} not ended yet (baton get worker)", count == 1 ? "a worker" : fmt::format("{} workers", count),
                       count == 1 ? "has" : "have");
}

Result<std::set<std::uint64_t>> starts_of(const Client& client, const std::string& subject) {
    const auto all = look<std::vector<model::InstanceView>>(client, "/v1/instances");
    if (!all) return all.error();
    std::set<std::uint64_t> starts;
    for (const auto& view : those_of(*all, subject)) starts.insert(view.id);
    return starts;
}

Result<Verdict> verdict_of_restart(const Client& client, const std::string& subject, const std::set<std::uint64_t>& before, Progress& progress) {
    progress.step({"waiting", "another generation took over; looking whether it goes on with the restart"});
    Patience patience;
    Millis quiet_since = never;
    std::string trouble;
    do {
        const auto all = look<std::vector<model::InstanceView>>(client, "/v1/instances");
        const auto now = all ? those_of(*all, subject) : std::vector<model::InstanceView>();
        const auto left = std::ranges::count_if(now, [&](const auto& view) { return before.contains(view.id); });
        const auto failed_one = std::ranges::find_if(now, [&](const auto& view) { return view.state == "failed" && !before.contains(view.id); });
        trouble = all ? fmt::format("{} of {} instances are those of before", left, now.size()) : all.error().message();
        if (!all || !std::ranges::all_of(now, rests)) {
            quiet_since = never;
            continue;
        }
        Verdict verdict;
        verdict.percent = 100;
        verdict.done = true;
        verdict.succeeded = left == 0 && !now.empty() && failed_one == now.end();
        verdict.text = verdict.succeeded ? "another generation has seen it through" : "";
        if (failed_one != now.end()) verdict.text = failed_one->name + ": " + failed_one->last_exit;
        if (!verdict.text.empty()) return verdict;
        if (quiet_since == never) quiet_since = monotonic_now();
        if (monotonic_now() - quiet_since >= limits::client_quiet) break;
    } while (patience.try_again());
    return failed("another generation took over before it was done, and " + trouble + "; ask again");
}

Result<std::int64_t> keeper_of(const Client& client) {
    const auto nodes = look<std::vector<model::NodeView>>(client, "/v1/nodes");
    if (!nodes) return nodes.error();
    if (nodes->empty()) return failed("the supervisor names no node");
    return nodes->front().keeper_pid;
}

Result<void> await_end(const Client& client, std::int64_t keeper, Progress& progress) {
    Patience patience;
    while (client.reach()) {
        const auto status = look<model::StatusView>(client, "/v1/status");
        if (status) {
            // Restarted already, by whoever watches over it.
            if (status->node.keeper_pid != keeper) return {};
            patience.renew();
            // Servers that somebody else runs are listed, too; nothing of them ends here.
            const auto left = std::ranges::count_if(status->instances, [](const auto& instance) { return instance.pid != 0; });
            progress.step({"stopping", left == 0 ? "its workers finish" : fmt::format("{} instances to end", left), 50});
        }
        if (!patience.try_again()) {
            return failed(fmt::format("the supervisor has neither ended nor answered for {}",
                                      format_duration(limits::client_reconnect)));
        }
    }
    return {};
}

}  // namespace baton::cli
