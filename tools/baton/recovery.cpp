#include "recovery.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <thread>

#include <fmt/core.h>

#include "base/limits.h"
#include "base/time.h"
#include "event_stream.h"
#include "model/codec.h"
#include "model/views.h"

namespace baton::cli {
namespace {

Result<std::vector<model::EventView>> events_after(const Client& client, std::uint64_t after) {
    EventStream stream;
    std::vector<model::EventView> events;
    const auto take = [&](std::string_view piece) {
        for (const auto& event : stream.feed(piece)) {
            const auto view = model::decode<model::EventView>(event.data);
            if (event.name.empty() && view) events.push_back(*view);
        }
    };
    Call call;
    call.target = fmt::format("/v1/events?follow=false&after={}", after);
    const auto reply = client.stream(std::move(call), take);
    if (!reply) return reply.error();
    if (reply->status != 200) return failed(complaint_of(*reply).message);
    if (!reply->whole) return failed("read the events: the connection broke");
    return events;
}

Result<std::vector<model::GenerationView>> generations(const Client& client) {
    Call call;
    call.target = "/v1/generations";
    const auto reply = client.ask(std::move(call));
    if (!reply) return reply.error();
    if (reply->status != 200 || !reply->whole) return failed(complaint_of(*reply).message);
    return model::decode<std::vector<model::GenerationView>>(reply->body);
}

bool settled(const std::vector<model::GenerationView>& all) {
    return all.size() == 1 && all.front().phase == "idle";
}

std::optional<Verdict> told_by(const std::vector<model::EventView>& events) {
    for (auto event = events.rbegin(); event != events.rend(); ++event) {
        const bool committed = event->kind == "upgrade.committed";
        if (!committed && event->kind != "upgrade.returned") continue;
        Verdict verdict;
        verdict.phase = committed ? "committed" : "returned";
        verdict.text = event->text;
        verdict.percent = 100;
        verdict.done = true;
        verdict.succeeded = committed;
        return verdict;
    }
    return {};
}

// Where the upgrade is, as far as the generations show it.
void show(const std::vector<model::GenerationView>& all, Progress& progress) {
    model::ProgressView view;
    view.phase = all.empty() ? "waiting" : all.front().phase;
    view.text = fmt::format("{} generations", all.size());
    progress.step(view);
}

}  // namespace

Result<std::uint64_t> last_event(const Client& client) {
    const auto events = events_after(client, 0);
    if (!events) return events.error();
    return events->empty() ? 0 : events->back().number;
}

Result<Verdict> verdict_of_upgrade(const Client& client, std::uint64_t before, Progress& progress) {
    progress.step({"reconnect", "the connection broke; asking for the verdict"});
    Millis deadline = monotonic_now() + limits::client_reconnect;
    std::string trouble;
    while (monotonic_now() < deadline) {
        const auto all = generations(client);
        if (!all) {
            trouble = all.error().message();
        } else if (!settled(*all)) {
            // An upgrade has deadlines of its own; as long as somebody answers, it is on.
            deadline = monotonic_now() + limits::client_reconnect;
            show(*all, progress);
        } else if (const auto events = events_after(client, before); events) {
            if (auto verdict = told_by(*events)) return *verdict;
            trouble = "no upgrade is on, and no event tells how it ended";
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(limits::client_retry_interval));
    }
    return failed(
        fmt::format("the connection broke, and whether the upgrade succeeded is unknown: {}", trouble));
}

}  // namespace baton::cli
