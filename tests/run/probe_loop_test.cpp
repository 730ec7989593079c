#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "run/probe.h"
#include "server.h"

namespace baton::run {
namespace {

using model::ProbeType;

struct ProbeLoopTest : testing::Test {
    ProbeLoopTest() {
        spec.type = ProbeType::tcp;
        spec.interval = 20;
        spec.failure = 2;
        target.timeout = 5'000;
    }
    void start() {
        auto factory = [this]() -> Result<Attempt> {
            ++asked;
            if (on_ask) on_ask();
            if (refuse) return failed("no room in the map");
            Attempt attempt;
            attempt.socket = socket_for(target.address);
            attempt.target = target;
            attempt.done = [this] { ++done; };
            return attempt;
        };
        auto changed = [this](bool passed, std::string why) {
            verdicts.push_back(passed ? "passed" : why);
            if (on_verdict) on_verdict();
        };
        loop = std::make_unique<ProbeLoop>(context, spec, factory, changed);
    }
    void run_until(const std::function<bool()>& reached) {
        while (!reached()) ASSERT_EQ(context.run_one_for(std::chrono::seconds(20)), 1U);
    }

    std::unique_ptr<Server> mute;  // outlives the connections that the context holds
    boost::asio::io_context context;
    model::ProbeSpec spec;
    ProbeTarget target;
    bool refuse = false;
    int asked = 0;
    int done = 0;
    std::vector<std::string> verdicts;
    std::function<void()> on_ask;
    std::function<void()> on_verdict;
    std::unique_ptr<ProbeLoop> loop;
};

TEST_F(ProbeLoopTest, TellsTheFirstVerdictAndEachOther) {
    auto server = std::make_unique<Server>([](const sys::UniqueFd&, const std::string&) {});
    target.address = server->address();
    start();
    run_until([&] { return verdicts.size() == 1; });
    const int before = asked;
    run_until([&] { return asked >= before + 3; });
    EXPECT_EQ(verdicts, std::vector<std::string>{"passed"}) << "the same again is no news";
    server.reset();
    run_until([&] { return verdicts.size() == 2; });
    EXPECT_EQ(verdicts[1], "connection refused");
    loop.reset();
    context.run();
    EXPECT_EQ(done, asked);
}

TEST_F(ProbeLoopTest, EveryAttemptIsDoneAtOnceWhenTheLoopIsDestroyed) {
    mute = std::make_unique<Server>([](const sys::UniqueFd&, const std::string&) {});
    target.address = mute->address();
    target.type = ProbeType::http;
    target.timeout = 60'000;
    start();
    run_until([&] { return asked == 1; });
    EXPECT_EQ(done, 0);
    loop.reset();
    EXPECT_EQ(done, 1);
    const Millis began = monotonic_now();
    context.run();
    EXPECT_LT(monotonic_now() - began, 10'000) << "it did not wait for the answer";
    EXPECT_EQ(done, 1);
    EXPECT_TRUE(verdicts.empty());
}

TEST_F(ProbeLoopTest, MayBeDestroyedByItsVerdict) {
    target.address = nowhere();
    spec.failure = 1;
    on_verdict = [this] { loop.reset(); };
    start();
    context.run();
    EXPECT_EQ(verdicts, std::vector<std::string>{"connection refused"});
    EXPECT_EQ(done, 1);
}

TEST_F(ProbeLoopTest, MayBeDestroyedByItsFactory) {
    target.address = nowhere();
    on_ask = [this] { loop.reset(); };
    start();
    context.run();
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(done, 1);
    EXPECT_TRUE(verdicts.empty());
}

TEST_F(ProbeLoopTest, MayBeDestroyedBeforeItsFirstAttempt) {
    spec.initial_delay = 60'000;
    start();
    for (int i = 0; i < 5; ++i) context.poll();
    loop.reset();
    context.run();
    start();
    loop.reset();
    context.restart();
    context.run();
    EXPECT_EQ(asked, 0);
}

TEST_F(ProbeLoopTest, MayOutliveTheRunOfItsContext) {
    mute = std::make_unique<Server>([](const sys::UniqueFd&, const std::string&) {});
    target.address = mute->address();
    start();
    run_until([&] { return asked > 0; });
}

TEST_F(ProbeLoopTest, WhatTheFactoryCannotMakeIsNoVerdict) {
    refuse = true;
    spec.failure = 1;
    start();
    run_until([&] { return asked >= 3; });
    EXPECT_TRUE(verdicts.empty());
    Server server([](const sys::UniqueFd&, const std::string&) {});
    target.address = server.address();
    refuse = false;
    run_until([&] { return !verdicts.empty(); });
    EXPECT_EQ(verdicts.front(), "passed");
    loop.reset();
}

// The ports of this host are busy with other tests, so the place of a late server is reserved
// first.
TEST_F(ProbeLoopTest, ALateProgramIsSeenSoon) {
    const std::string path = testing::TempDir() + "late-" + std::to_string(::getpid());
    target.address = {model::Family::unix_path, path, 0};
    spec.interval = 60'000;
    spec.failure = 3;
    std::unique_ptr<Server> server;
    Millis opened = 0;
    on_ask = [&] {
        if (asked != 4) return;
        server = std::make_unique<Server>([](const sys::UniqueFd&, const std::string&) {}, path);
        opened = monotonic_now();
    };
    start();
    run_until([&] { return !verdicts.empty(); });
    EXPECT_EQ(verdicts.front(), "passed");
    EXPECT_LT(monotonic_now() - opened, 10'000) << "long before the interval";
    loop.reset();
    ::unlink(path.c_str());
}

}  // namespace
}  // namespace baton::run
