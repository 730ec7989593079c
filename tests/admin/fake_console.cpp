#include "fake_console.h"

#include <algorithm>

#include <fmt/core.h>

namespace baton::test {

namespace asio = boost::asio;

FakeConsole::FakeConsole(asio::io_context& context)
    : events(context),
      lines(context),
      context_(context),
      gate_(context, asio::steady_timer::time_point::max()) {}

asio::awaitable<std::vector<std::string>> FakeConsole::health(bool as_owner) {
    if (health_hangs) {
        asio::steady_timer forever(context_, asio::steady_timer::time_point::max());
        co_await forever.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return as_owner ? no_owner : ill;
}

const Script& FakeConsole::script_of(const engine::Command& command) const {
    std::string service;
    if (const auto* scale = std::get_if<engine::ScaleCommand>(&command)) service = scale->service;
    if (const auto* power = std::get_if<engine::PowerCommand>(&command)) service = power->service;
    if (const auto* weight = std::get_if<engine::WeightCommand>(&command)) service = weight->service;
    if (const auto* admin = std::get_if<engine::AdminCommand>(&command)) service = admin->service;
    const auto found = scripts.find(service);
    return found == scripts.end() ? script : found->second;
}

asio::awaitable<std::optional<engine::CommandFailure>> FakeConsole::execute(engine::Command command,
                                                                            engine::Progress progress) {
    commands.push_back(command);
    const Script chosen = script_of(command);
    for (const auto& step : chosen.steps) progress(step);
    try {
        while (chosen.hold && !open_) {
            co_await gate_.async_wait(asio::as_tuple(asio::use_awaitable));
        }
    } catch (...) {
        ++cancelled;
        throw;
    }
    if (chosen.before_end) chosen.before_end();
    ++finished;
    co_return chosen.failure;
}

void FakeConsole::release() {
    open_ = true;
    gate_.cancel();
}

std::unique_ptr<engine::Subscription<model::EventView>> FakeConsole::follow_events(std::uint64_t after) {
    std::deque<model::EventView> first;
    for (const auto& event : events.kept) {
        if (event.number > after) first.push_back(event);
    }
    return std::make_unique<FeedSubscription<model::EventView>>(events.follow(std::move(first)),
                                                                [](const model::EventView&) { return true; });
}

std::unique_ptr<engine::Subscription<model::LogLineView>> FakeConsole::follow_logs(
    std::string service, std::optional<std::uint32_t> ordinal, std::size_t count) {
    const std::string prefix = ordinal ? fmt::format("{}/{}", service, *ordinal) : service + "/";
    auto wanted = [prefix, all = service.empty()](const model::LogLineView& line) {
        return all || (prefix.ends_with('/') ? line.instance.starts_with(prefix) : line.instance == prefix);
    };
    std::deque<model::LogLineView> first;
    for (auto line = lines.kept.rbegin(); line != lines.kept.rend() && first.size() < count; ++line) {
        if (wanted(*line)) first.push_front(*line);
    }
    return std::make_unique<FeedSubscription<model::LogLineView>>(lines.follow(std::move(first)), wanted);
}

void FakeConsole::publish_event(std::string kind, std::string subject, std::string text) {
    const auto number = next_event++;
    std::string time = fmt::format("2026-01-31T12:00:{:02}.000Z", number % 60);
    if (present_time) time = format_wall(wall_now());
    events.publish({number, std::move(time), std::move(kind), std::move(subject), std::move(text)});
}

void FakeConsole::publish_line(std::string instance, std::string text) {
    const auto number = next_line++;
    lines.publish({number, fmt::format("2026-01-31T12:00:{:02}.000Z", number % 60), std::move(instance),
                   std::move(text)});
}

void furnish(FakeConsole& console) {
    console.shown.node = {"alpha",  "running", 100, 101, 4, "0.1.0", "kernel", "v2", "/etc/baton/baton.toml",
                          3'723'000};
    console.shown.generations = {{4, 101, "owner", "/usr/sbin/batond", "0.1.0", "idle", 3'723'000}};
    console.shown.services = {
        {"db", "running", "9", 1, 1, 1, "inherit", "-", "", {}},
        {"web",
         "degraded",
         "2",
         3,
         2,
         1,
         "inherit",
         "kernel",
         "rolling to revision 3: 1 of 2 ready",
         {"web"}},
    };
    console.shown.instances = {
        {"db/1", "db", "ready", "9", 1, 7, 201, 0, 3'600'000, 1, "", ""},
        {"web/1", "web", "ready", "2", 3, 8, 202, 0, 61'000, 1, "serving", ""},
        {"web/2", "web", "backoff", "2", 3, 9, 0, 5, 400, 1, "", "killed by signal 9"},
    };
    console.shown.workers = {{"4.0", 4, 301, "ready", 3'600'000, 7, 1'000, 1, 3, 2, 65'536, 1'048'576, 0, 5, 6, 4},
                             {"4.1", 4, 302, "starting", 400, 0, 0, 0, 0, 0, 0, 0}};
    console.shown_listeners = {{"web", "tcp:127.0.0.1:8080", "http", "web", "kernel", 2, 0, "listening"}};
    console.shown_revisions = {{"db", 1, "9", "current", "/bin/db", ""},
                               {"web", 3, "2", "current", "/bin/web", ""}};
}

}  // namespace baton::test
