// Connections that are given to instances, which speak by the SDK (baton/service.hpp) or badly: they are the
// instance's alone, counted while they are open, and nobody's loss when an instance or a worker ends.
#include "loop.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/gateway_limits.h"
#include "base/handoff_limits.h"
#include "baton/service.hpp"

namespace baton::gateway {
namespace {

// An instance on the SDK.
struct Instance {
    Listening hidden;
    std::optional<service::Connections> clients;
    std::vector<service::Connection> has;

    explicit Instance(const std::string& name) : hidden(listen_unix(name)) {
        const sys::UniqueFd copy = hidden.copy();
        std::vector<std::pair<int, std::string>> sockets{{::dup(copy.get()), "web"}};
        clients.emplace(std::move(sockets));
    }
    // All that were given to it.
    std::size_t take() {
        while (auto one = clients->next()) has.push_back(std::move(*one));
        return has.size();
    }
    // The process is gone.
    void die() {
        clients.reset();
        has.clear();
        hidden.socket.reset();
    }
};

class HandedOver : public Loop {
  protected:
    using Endpoints = std::vector<std::pair<std::uint64_t, model::Address>>;
    Running& serve(const Endpoints& endpoints, std::uint32_t worker = 0) {
        Running& made = start(worker);
        follow(made, endpoints);
        return made;
    }
    void follow(const Running& running, const Endpoints& endpoints, bool drains = false) {
        model::Route web = route("web", endpoints);
        for (model::Endpoint& endpoint : web.endpoints) {
            endpoint.handoff = true;
            endpoint.draining = drains;
        }
        std::map<std::string, sys::UniqueFd> listeners;
        if (std::exchange(known_, &running) != &running) listeners["web"] = front_.copy();
        running.follow(++revision_, {web}, std::move(listeners));
    }
    std::vector<Wire> clients(std::size_t count) const {
        std::vector<Wire> made;
        for (std::size_t i = 0; i < count; ++i) made.push_back(connect_to(front_.address));
        return made;
    }

    Listening front_ = listen_tcp();
    Instance a_{"a"};
    Instance b_{"b"};
    const Endpoints to_a_{{7, a_.hidden.address}};
    const Endpoints to_b_{{8, b_.hidden.address}};
    const Endpoints to_both_{to_a_[0], to_b_[0]};
    const Running* known_ = nullptr;
    std::uint64_t revision_ = 0;
};

std::string read_from(const service::Connection& connection) {
    std::array<char, 100> block{};
    const ssize_t got = ::read(connection.fd(), block.data(), block.size());
    return got < 0 ? "" : std::string(block.data(), static_cast<std::size_t>(got));
}

TEST_F(HandedOver, AConnectionIsTheInstancesAlone) {
    Running& worker = serve(to_a_);
    Wire client = connect_to(front_.address);
    EXPECT_TRUE(client.send("hello").empty());
    ASSERT_TRUE(until([&] { return a_.take() == 1; }));
    EXPECT_EQ(a_.has[0].listener(), "web");
    EXPECT_EQ(read_from(a_.has[0]), "hello");
    EXPECT_EQ(::send(a_.has[0].fd(), "hi", 2, 0), 2);
    EXPECT_TRUE(until([&] { client.read(); return client.got == "hi"; }));
    EXPECT_TRUE(until([&] { return worker.totals().open == 1 && worker.gateway->open_sessions() == 0; })) << "the worker has let go of it";
    EXPECT_EQ(worker.open_to(7), 1U);
    a_.has.clear();
    EXPECT_TRUE(until([&] { a_.take(); return worker.totals().open == 0; }));
    EXPECT_EQ(worker.open_to(7), 0U);
    EXPECT_EQ(worker.totals().accepted, 1U);
    EXPECT_EQ(worker.totals().closed, 1U);
    EXPECT_TRUE(ends(client));
}

TEST_F(HandedOver, WhoWasNotTakenGoesToAnother) {
    Running& worker = serve(to_both_);
    auto wires = clients(6);
    ASSERT_TRUE(until([&] { return b_.take() == 3; }));
    EXPECT_EQ(worker.open_to(7), 3U) << "they wait at one that does not look";
    a_.die();
    ASSERT_TRUE(until([&] { return b_.take() == 6; }));
    EXPECT_EQ(worker.open_to(7), 0U);
    EXPECT_EQ(worker.open_to(8), 6U);
    EXPECT_EQ(worker.totals().failed, 0U);
}

TEST_F(HandedOver, WhatAnInstanceHasTakenEndsWithIt) {
    Running& worker = serve(to_both_);
    auto wires = clients(4);
    ASSERT_TRUE(until([&] { return a_.take() == 2 && b_.take() == 2; }));
    ASSERT_TRUE(until([&] { return worker.gateway->open_sessions() == 0; }));
    a_.die();
    EXPECT_TRUE(until([&] { return worker.open_to(7) == 0; }));
    EXPECT_EQ(worker.totals().open, 2U);
    EXPECT_EQ(worker.totals().closed, 2U);
    auto later = clients(1);
    EXPECT_TRUE(until([&] { return b_.take() == 3; }));
}

TEST_F(HandedOver, OneThatDoesNotLookIsGivenSoManyAndNoMore) {
    Running& worker = serve(to_a_);
    auto wires = clients(BATON_HANDOFF_UNTAKEN + 10);
    ASSERT_TRUE(until([&] { return worker.gateway->open_sessions() == wires.size(); }));
    EXPECT_EQ(worker.open_to(7), static_cast<std::uint64_t>(BATON_HANDOFF_UNTAKEN));
    EXPECT_TRUE(until([&] { return a_.take() == wires.size(); }));
    EXPECT_EQ(worker.open_to(7), wires.size());
    EXPECT_EQ(worker.totals().failed, 0U);
}

TEST_F(HandedOver, AWorkerThatLeavesHasItsConnectionsCountedByAnother) {
    Running& old = serve(to_a_);
    auto wires = clients(5);
    ASSERT_TRUE(until([&] { return a_.take() == 5; }));
    ASSERT_TRUE(until([&] { return old.gateway->open_sessions() == 0; }));
    Running& fresh = serve(to_a_, 1);
    auto pair = sys::make_channel();
    fresh.gateway->take(std::move(pair->first));
    old.gateway->give(std::move(pair->second), heir_id);
    bool gap = false;
    ASSERT_TRUE(until([&] {
        a_.take();
        gap = gap || old.open_to(7) + fresh.open_to(7) < 5;
        return old.gateway->finished();
    }));
    EXPECT_FALSE(gap) << "for a moment they looked as if they had ended";
    end(old);
    EXPECT_EQ(fresh.open_to(7), 5U);
    EXPECT_EQ(fresh.totals().open, 5U);
    EXPECT_EQ(fresh.totals().taken, 5U);
    a_.has.pop_back();
    EXPECT_TRUE(until([&] { a_.take(); return fresh.open_to(7) == 4; }));
    EXPECT_TRUE(wires[0].send("still").empty());
    EXPECT_TRUE(until([&] { return read_from(a_.has[0]) == "still"; }));
}

TEST_F(HandedOver, OnesOfAWorkerThatWasKilledAreCountedByTheNext) {
    Running& first = serve(to_a_);
    auto wires = clients(3);
    ASSERT_TRUE(until([&] { return a_.take() == 3; }));
    end(first);
    a_.take();
    a_.has.pop_back();
    Running& next = serve(to_a_, 1);
    EXPECT_TRUE(until([&] { a_.take(); return next.open_to(7) == 2; }));
    a_.has.clear();
    EXPECT_TRUE(until([&] { a_.take(); return next.open_to(7) == 0; }));
}

TEST_F(HandedOver, AnInstanceIsToldToDrain) {
    Running& worker = serve(to_a_);
    const auto drains = [&](bool so) {
        return until([&] { a_.take(); return a_.clients->draining() == so; });
    };
    EXPECT_TRUE(drains(false));
    follow(worker, to_a_, true);
    EXPECT_TRUE(drains(true));
    // A worker that comes meanwhile says so too, and what the instance has stays.
    follow(worker, to_a_, false);
    EXPECT_TRUE(drains(false));
}

TEST_F(HandedOver, ALineStaysUntilItsConnectionsHaveEnded) {
    Running& worker = serve(to_a_);
    auto wires = clients(1);
    ASSERT_TRUE(until([&] { return a_.take() == 1; }));
    follow(worker, to_b_);
    turns(3);
    EXPECT_EQ(worker.open_to(7), 1U);
    a_.has.clear();
    EXPECT_TRUE(until([&] { a_.take(); return worker.open_to(7) == 0; }));
    EXPECT_EQ(worker.totals().closed, 1U);
}

TEST_F(HandedOver, WithoutDescriptorsNobodyIsLost) {
    Running& worker = serve(to_a_);
    auto wires = clients(1);
    ASSERT_TRUE(until([&] { return a_.take() == 1; }));
    wires.push_back(connect_to(front_.address));
    ASSERT_TRUE(until([&] { return worker.open_to(7) == 2; }));
    turns(2);
    // As many as are open: the next one that the instance is given has no room.
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int lowest = ::dup(0);
    ::close(lowest);
    const rlimit none{static_cast<rlim_t>(lowest), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_EQ(a_.take(), 1U);
    turns(3);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_TRUE(until([&] { return a_.take() == 2; }));
    EXPECT_TRUE(until([&] { return worker.open_to(7) == 2; })) << worker.open_to(7);
    EXPECT_EQ(worker.totals().failed, 0U);
}

TEST_F(HandedOver, AConnectionMayEndInAnyThreadAndAfterItsSource) {
    Running& worker = serve(to_a_);
    auto wires = clients(40);
    ASSERT_TRUE(until([&] { return a_.take() == 40; }));
    std::vector<service::Connection> half(std::make_move_iterator(a_.has.begin() + 20), std::make_move_iterator(a_.has.end()));
    a_.has.erase(a_.has.begin() + 20, a_.has.end());
    std::thread other([&half] { half.clear(); });
    a_.has.erase(a_.has.begin(), a_.has.begin() + 19);
    other.join();
    EXPECT_TRUE(until([&] { a_.take(); return worker.open_to(7) == 1; }));
    a_.clients.reset();
    EXPECT_TRUE(wires[19].send("x").empty());
    EXPECT_TRUE(until([&] { return read_from(a_.has[0]) == "x"; }));
    a_.has.clear();
    EXPECT_TRUE(ends(wires[19]));
}

// An instance that speaks for itself.
class BadInstance : public HandedOver {
  protected:
    void SetUp() override {
        follow(worker_, {{7, hidden_.address}});
        line_ = hidden_.accept();
        ASSERT_TRUE(line_);
    }
    void say(const baton_handoff_report& report) const {
        ASSERT_EQ(::send(line_->socket.get(), &report, sizeof(report), MSG_NOSIGNAL), static_cast<ssize_t>(sizeof(report)));
    }
    bool is_cut() {
        return until([&] { line_->read(); return line_->over(); });
    }

    Listening hidden_ = listen_unix("bad");
    Running& worker_ = start();
    std::unique_ptr<Wire> line_;
};

TEST_F(BadInstance, ThatTakesWhatItWasNotGivenLosesItsLine) {
    say({sizeof(baton_handoff_report), 1, 0, 0});
    EXPECT_TRUE(is_cut());
}

TEST_F(BadInstance, ThatEndsWhatItHasNotLosesItsLine) {
    say({sizeof(baton_handoff_report), 0, 1, 0});
    EXPECT_TRUE(is_cut());
}

TEST_F(BadInstance, ThatOwnsTooManyLosesItsLine) {
    say({sizeof(baton_handoff_report), 0, 0, UINT32_MAX});
    EXPECT_TRUE(is_cut());
    EXPECT_EQ(worker_.open_to(7), 0U);
}

TEST_F(BadInstance, ThatSaysNonsenseLosesItsLineAndGetsAnother) {
    say({3, 0, 0, 0});
    ASSERT_TRUE(is_cut());
    auto wires = clients(1);
    ASSERT_TRUE(until([&] { return (line_ = hidden_.accept()) != nullptr; }));
    EXPECT_TRUE(until([&] { return worker_.open_to(7) == 1; }));
}

TEST_F(BadInstance, ThatClosesEachLineIsOfferedAClientSoOftenAndNoMore) {
    line_.reset();
    turns(5);
    auto wires = clients(1);
    std::size_t lines = 0;
    EXPECT_TRUE(until([&] {
        if (hidden_.accept()) ++lines;
        wires[0].read();
        return wires[0].over();
    }));
    EXPECT_EQ(lines, limits::guest_offers);
    EXPECT_EQ(worker_.totals().failed, 1U);
    EXPECT_EQ(worker_.totals().closed, 1U);
    EXPECT_EQ(worker_.open_to(7), 0U);
    EXPECT_EQ(worker_.gateway->open_sessions(), 0U);
    // The next one is a client like any other.
    auto later = clients(1);
    EXPECT_TRUE(until([&] { return (line_ = hidden_.accept()) != nullptr; }));
    EXPECT_TRUE(until([&] { return worker_.open_to(7) == 1; }));
}

TEST_F(BadInstance, ReportsMayComeInPiecesAndBeLonger) {
    std::string bytes(24, '\0');
    const baton_handoff_report report{24, 0, 0, 3};
    std::memcpy(bytes.data(), &report, sizeof(report));
    for (const char byte : bytes) {
        ASSERT_TRUE(line_->send(std::string_view(&byte, 1)).empty());
        turns(1);
    }
    EXPECT_TRUE(until([&] { return worker_.open_to(7) == 3; }));
    say({sizeof(baton_handoff_report), 0, 3, 0});
    EXPECT_TRUE(until([&] { return worker_.open_to(7) == 0; }));
}

}  // namespace
}  // namespace baton::gateway
