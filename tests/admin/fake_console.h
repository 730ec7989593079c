// A Console that shows what a test put into it, records what it is told to do, and does what the test
// wrote down for it. Used by the tests of the API and, as a program, by those of the command line.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/console.h"

namespace baton::test {

// Keeps views and hands them to those who follow; one who falls behind by more than `backlog` loses the
// oldest, as the engine's own does.
template <class View>
class Feed {
  public:
    explicit Feed(boost::asio::io_context& context) : context_(context) {}

    struct Follower {
        explicit Follower(boost::asio::io_context& context) : timer(context) {}
        std::deque<View> waiting;
        boost::asio::steady_timer timer;
        bool closed = false;
    };

    void publish(View view) {
        kept.push_back(view);
        for (const auto& weak : followers_) {
            const auto follower = weak.lock();
            if (!follower) continue;
            follower->waiting.push_back(view);
            if (follower->waiting.size() > backlog) follower->waiting.pop_front();
            follower->timer.cancel();
        }
    }
    void close() {
        for (const auto& weak : followers_) {
            if (const auto follower = weak.lock()) {
                follower->closed = true;
                follower->timer.cancel();
            }
        }
    }
    std::shared_ptr<Follower> follow(std::deque<View> first) {
        auto follower = std::make_shared<Follower>(context_);
        follower->waiting = std::move(first);
        followers_.push_back(follower);
        return follower;
    }
    std::size_t following() const {
        std::size_t count = 0;
        for (const auto& weak : followers_) count += weak.expired() ? 0 : 1;
        return count;
    }

    std::deque<View> kept;
    std::size_t backlog = 1024;

  private:
    boost::asio::io_context& context_;
    std::vector<std::weak_ptr<Follower>> followers_;
};

template <class View>
class FeedSubscription final : public engine::Subscription<View> {
  public:
    using Follower = typename Feed<View>::Follower;
    FeedSubscription(std::shared_ptr<Follower> follower, std::function<bool(const View&)> wanted)
        : follower_(std::move(follower)), wanted_(std::move(wanted)) {}

    boost::asio::awaitable<std::optional<View>> next(Millis wait) override {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait);
        for (;;) {
            while (!follower_->waiting.empty()) {
                View view = follower_->waiting.front();
                follower_->waiting.pop_front();
                if (wanted_(view)) co_return view;
            }
            if (follower_->closed || std::chrono::steady_clock::now() >= deadline) co_return std::nullopt;
            follower_->timer.expires_at(deadline);
            co_await follower_->timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
        }
    }
    bool closed() const override { return follower_->closed; }

  private:
    std::shared_ptr<Follower> follower_;
    std::function<bool(const View&)> wanted_;
};

// How one command goes: its steps, then perhaps a wait for the test, then its end.
struct Script {
    std::vector<model::ProgressView> steps;
    bool hold = false;
    std::optional<engine::CommandFailure> failure;
    std::function<void()> before_end;
};

class FakeConsole final : public engine::Console {
  public:
    explicit FakeConsole(boost::asio::io_context& context);

    model::StatusView status() const override { return shown; }
    std::vector<model::ServiceView> services() const override { return shown.services; }
    std::vector<model::InstanceView> instances() const override { return shown.instances; }
    std::vector<model::ListenerView> listeners() const override { return shown_listeners; }
    std::vector<model::GenerationView> generations() const override { return shown.generations; }
    std::vector<model::RevisionView> revisions() const override { return shown_revisions; }
    std::vector<model::NodeView> nodes() const override { return {shown.node}; }
    std::vector<model::WorkerView> workers() const override { return shown.workers; }
    std::vector<model::PluginView> plugins() const override { return shown_plugins; }
    boost::asio::awaitable<std::vector<std::string>> health(bool as_owner) override;
    boost::asio::awaitable<std::optional<engine::CommandFailure>> execute(engine::Command command,
                                                                          engine::Progress progress) override;
    std::unique_ptr<engine::Subscription<model::EventView>> follow_events(std::uint64_t after) override;
    std::unique_ptr<engine::Subscription<model::LogLineView>> follow_logs(
        std::string service, std::optional<std::uint32_t> ordinal, std::size_t lines) override;

    void publish_event(std::string kind, std::string subject, std::string text);
    void publish_line(std::string instance, std::string text);
    // Lets the commands that are held go on.
    void release();

    model::StatusView shown;
    std::vector<model::ListenerView> shown_listeners;
    std::vector<model::RevisionView> shown_revisions;
    std::vector<model::PluginView> shown_plugins;
    std::vector<std::string> ill;       // why health() says no
    std::vector<std::string> no_owner;  // and why when it should be the owner
    bool health_hangs = false;

    Script script;                          // of the commands to come
    std::map<std::string, Script> scripts;  // instead of it, by the service a command names
    std::vector<engine::Command> commands;
    std::size_t finished = 0;
    std::size_t cancelled = 0;

    Feed<model::EventView> events;
    Feed<model::LogLineView> lines;
    std::uint64_t next_event = 1;
    std::uint64_t next_line = 1;
    bool present_time = false;  // events are of now, not of a fixed day

  private:
    const Script& script_of(const engine::Command& command) const;

    boost::asio::io_context& context_;
    boost::asio::steady_timer gate_;
    bool open_ = false;
};

// A node with two services, as most tests want it.
void furnish(FakeConsole& console);

}  // namespace baton::test
