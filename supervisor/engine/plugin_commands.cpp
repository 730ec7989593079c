// `baton plugin`: what an operator asks of plugins. Checks run beside the master's loop, which goes on.
#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/core.h>

#include "base/gateway_limits.h"
#include "engine/operator.h"
#include "strategy/check.h"
#include "sys/process.h"

namespace baton::engine {

namespace asio = boost::asio;

namespace {

constexpr Millis look_interval = 1'000;

model::ProgressView step_of(std::string phase, std::string text, std::uint32_t percent) {
    model::ProgressView view;
    view.phase = std::move(phase);
    view.text = std::move(text);
    view.percent = percent;
    return view;
}

// Until the check says something, or must be over.
asio::awaitable<void> await_word(asio::io_context& context, const strategy::Check& check) {
    auto copy = sys::duplicate(check.output());
    if (!copy) co_return;
    const auto output = std::make_shared<asio::posix::stream_descriptor>(context, copy->release());
    asio::steady_timer limit(context, std::chrono::milliseconds(std::max<Millis>(0, check.deadline() - monotonic_now())));
    limit.async_wait([output](boost::system::error_code ec) {
        if (!ec) output->cancel();
    });
    co_await output->async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<model::PluginReport> checked(asio::io_context& context, const strategy::Image& image) {
    model::PluginReport report;
    report.file = image.file;
    auto copy = strategy::duplicate(image);
    auto check = copy ? strategy::Check::start(std::move(*copy)) : Result<strategy::Check>(copy.error());
    if (!check) {
        report.problems.push_back(check.error().message());
        co_return report;
    }
    while (!check->advance() && monotonic_now() < check->deadline()) co_await await_word(context, *check);
    report = check->finish();
    co_return report;
}

std::vector<std::string> sentences(const model::PluginReport& report) {
    std::vector<std::string> all;
    for (const std::string& problem : report.problems) all.push_back(problem.find(report.file) == std::string::npos ? report.file + ": " + problem : problem);
    return all;
}

CommandFailure failed_in(std::string phase, std::string message, std::vector<std::string> details) {
    return {409, std::move(message), std::move(details), std::move(phase)};
}

std::string praise(const model::PluginReport& report) {
    std::string text = fmt::format("{} {}: it can be used", report.name, report.version);
    for (const model::PluginFactory& factory : report.factories) {
        text += fmt::format("; {} ({})", factory.name, factory.kind);
        if (factory.pick_ns_of_100 > 0) text += fmt::format(", {:.0f} ns a pick of 100 endpoints", factory.pick_ns_of_100);
    }
    for (const std::string& note : report.notes) text += "; " + note;
    return text;
}

}  // namespace

std::vector<model::PluginView> Operator::plugins() const {
    return engine_.plugins().views(engine_.configuration().plugins.directories, engine_.runner().state().gateway.plugins);
}

// What is new in the directories, checked.
boost::asio::awaitable<void> Operator::look_at_plugins(bool shipped, Progress progress) {
    Plugins& plugins = engine_.plugins();
    std::vector<strategy::Image> fresh = plugins.look(engine_.configuration().plugins.directories, shipped);
    for (std::size_t i = 0; i < fresh.size(); ++i) {
        progress(step_of("check", fresh[i].file, static_cast<std::uint32_t>(80 * i / fresh.size())));
        model::PluginReport report = co_await checked(engine_.context(), fresh[i]);
        plugins.settle(std::move(report), std::move(fresh[i]));
    }
}

Operator::Outcome Operator::check_plugin(PluginCheckCommand command, Progress progress) {
    auto image = strategy::read_image(command.file);
    if (!image) co_return failed_in("check", image.error().message(), {});
    progress(step_of("check", command.file, 20));
    model::PluginReport report = co_await checked(engine_.context(), *image);
    if (!report.good()) co_return failed_in("check", command.file + " cannot be used", sentences(report));
    progress(step_of("check", praise(report), 100));
    co_return std::nullopt;
}

Operator::Outcome Operator::reload_plugins(Progress progress) {
    co_await look_at_plugins(true, progress);
    if (!engine_.runner().active()) co_return CommandFailure{503, "another generation took over; ask it", {}};
    const std::vector<std::string> refused = engine_.plugins().refusals();
    const auto before = engine_.runner().state().gateway.plugins;
    const bool changed = engine_.runner().bring_plugins();
    for (const model::PluginRef& plugin : engine_.runner().state().gateway.plugins) {
        const bool known = std::any_of(before.begin(), before.end(), [&](const auto& one) { return one.fingerprint == plugin.fingerprint; });
        for (const std::string& name : plugin.strategies) {
            if (!known) progress(step_of("swap", fmt::format("{} is that of {} now", name, plugin.file), 90));
        }
    }
    const Millis deadline = monotonic_now() + limits::worker_hang;
    Workers::Followed followed = engine_.runner().workers().followed();
    while (!followed.all && monotonic_now() < deadline && engine_.runner().active()) {
        co_await engine_.runner().changed().wait(look_interval);
        followed = engine_.runner().workers().followed();
    }
    if (!followed.all) co_return failed_in("swap", "not every worker has said that it follows", {});
    if (!followed.problems.empty()) co_return failed_in("swap", "workers go on with what they had", followed.problems);
    if (!refused.empty()) co_return failed_in("check", "not all plugins can be used; those before them go on", refused);
    progress(step_of("swap", changed ? "in force" : "nothing has changed", 100));
    co_return std::nullopt;
}

}  // namespace baton::engine
