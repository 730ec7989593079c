// One gateway: who is accepted, which instance gets a client, what moves between the two and how it ends.
#include "loop.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/gateway_limits.h"

namespace baton::gateway {
namespace {

class OneGateway : public Loop {
  protected:
    // "web" leads to one instance, child 7.
    void SetUp() override { serve(instance_); }
    void serve(const Listening& instance) {
        running_.clear();
        gateway_ = &start();
        std::map<std::string, sys::UniqueFd> listeners;
        listeners["web"] = front_.copy();
        gateway_->follow(1, {route("web", {{7, instance.address}})}, std::move(listeners));
    }

    Listening front_ = listen_tcp();
    Listening instance_ = listen_tcp();
    Running* gateway_ = nullptr;
};

TEST_F(OneGateway, CarriesBytesBothWays) {
    auto [client, instance] = connect(front_, instance_);
    EXPECT_TRUE(carries(client, *instance, "hello"));
    EXPECT_TRUE(carries(*instance, client, "good day"));
    EXPECT_TRUE(carries(client, *instance, pattern(300'000)));
    EXPECT_EQ(gateway_->totals().accepted, 1U);
    EXPECT_EQ(gateway_->totals().open, 1U);
    EXPECT_EQ(gateway_->totals().to_instances, 300'005U);
    EXPECT_EQ(gateway_->totals().to_clients, 8U);
    EXPECT_EQ(gateway_->open_to(7), 1U);
    client.socket.reset();
    EXPECT_TRUE(ends(*instance));
    instance->socket.reset();
    EXPECT_TRUE(until([&] { return gateway_->totals().open == 0; }));
    EXPECT_EQ(gateway_->totals().closed, 1U);
    EXPECT_EQ(gateway_->open_to(7), 0U);
    EXPECT_EQ(gateway_->totals().failed, 0U);
}

TEST_F(OneGateway, AnInstanceThatSpeaksFirstIsHeard) {
    auto [client, instance] = connect(front_, instance_);
    EXPECT_TRUE(carries(*instance, client, "220 ready"));
}

TEST_F(OneGateway, WhatWasSentAtOnceArrives) {
    Wire client = connect_to(front_.address);
    ASSERT_TRUE(client.send("GET /").empty());
    sys::end_output(client.socket);
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = instance_.accept()) != nullptr; }));
    EXPECT_TRUE(ends(*instance));
    EXPECT_EQ(instance->got, "GET /");
    EXPECT_TRUE(carries(*instance, client, "late answer"));
    instance->socket.reset();
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(client.error, 0);
}

// The slow side holds up the fast one, and nothing is lost or mixed up.
class SlowReader : public OneGateway, public testing::WithParamInterface<bool> {};

TEST_P(SlowReader, GetsEverything) {
    const bool down = GetParam();
    auto [client, instance] = connect(front_, instance_);
    Wire& from = down ? *instance : client;
    Wire& to = down ? client : *instance;
    const std::string bytes = pattern(40U << 20U);
    std::string_view left = bytes;
    turns(3);
    ASSERT_TRUE(until([&] {
        const std::size_t before = left.size();
        left = from.send(left);
        turns(20);
        return left.size() == before;
    }));
    EXPECT_FALSE(left.empty()) << "nobody held it up";
    const std::uint64_t moved = down ? gateway_->totals().to_clients : gateway_->totals().to_instances;
    turns(50);
    EXPECT_EQ(down ? gateway_->totals().to_clients : gateway_->totals().to_instances, moved) << "it goes on reading what nobody takes";
    // Meanwhile the other direction works.
    EXPECT_TRUE(carries(to, from, "go on"));
    bool told = false;
    ASSERT_TRUE(until(
        [&] {
            left = from.send(left);
            if (left.empty() && !told) {
                sys::end_output(from.socket);
                told = true;
            }
            to.read(40'000);
            return to.over();
        },
        30'000));
    EXPECT_EQ(to.error, 0);
    EXPECT_EQ(to.got.size(), bytes.size());
    EXPECT_TRUE(to.got == bytes);
    EXPECT_TRUE(carries(to, from, "the other half is open still"));
    to.socket.reset();
    EXPECT_TRUE(ends(from));
    EXPECT_TRUE(until([&] { return gateway_->totals().open == 0; }));
}
INSTANTIATE_TEST_SUITE_P(Gateway, SlowReader, testing::Bool(), [](const auto& way) { return way.param ? "client" : "instance"; });

TEST_F(OneGateway, EitherHalfMayEndFirst) {
    for (const bool client_first : {true, false}) {
        auto [client, instance] = connect(front_, instance_);
        Wire& first = client_first ? client : *instance;
        Wire& second = client_first ? *instance : client;
        EXPECT_TRUE(carries(first, second, "last words"));
        sys::end_output(first.socket);
        EXPECT_TRUE(ends(second));
        EXPECT_EQ(second.error, 0);
        EXPECT_TRUE(carries(second, first, pattern(100'000)));
        sys::end_output(second.socket);
        EXPECT_TRUE(ends(first));
        EXPECT_EQ(first.error, 0);
        EXPECT_TRUE(until([&] { return gateway_->totals().open == 0; }));
    }
}

TEST_F(OneGateway, AResetOfOneIsAResetOfTheOther) {
    for (const bool client_first : {true, false}) {
        auto [client, instance] = connect(front_, instance_);
        ASSERT_TRUE(carries(client, *instance, "x"));
        Wire& first = client_first ? client : *instance;
        Wire& second = client_first ? *instance : client;
        sys::break_on_close(first.socket);
        first.socket.reset();
        EXPECT_TRUE(ends(second));
        EXPECT_EQ(second.error, ECONNRESET);
        EXPECT_TRUE(until([&] { return gateway_->totals().open == 0; }));
        EXPECT_EQ(gateway_->open_to(7), 0U);
    }
}

// It answers before it has read everything, and closes: the answer is what the client needs.
TEST_F(OneGateway, AnEarlyAnswerArrives) {
    auto [client, instance] = connect(front_, instance_);
    const std::string upload = pattern(40U << 20U);
    std::string_view left = upload;
    turns(3);
    for (int i = 0; i < 20; ++i) {
        left = client.send(left);
        turns(2);
    }
    ASSERT_FALSE(left.empty());
    ASSERT_TRUE(instance->send("413 too large").empty());
    turns(5);
    instance->socket.reset();  // with bytes unread: the kernel resets
    EXPECT_TRUE(until([&] {
        client.error = 0;
        left = client.send(left);
        client.error = 0;
        client.read();
        return client.over();
    }));
    EXPECT_EQ(client.got, "413 too large");
    // What it still sends is dropped until it closes: a reset could overtake the answer.
    client.socket.reset();
    EXPECT_TRUE(until([&] { return gateway_->totals().open == 0; }));
}

TEST_F(OneGateway, AnotherInstanceIsTriedWhereOneRefuses) {
    const model::Address refuses = listen_tcp().address;
    gateway_->follow(2, {route("web", {{8, refuses}, {7, instance_.address}})});
    for (int i = 0; i < 6; ++i) {
        auto [client, instance] = connect(front_, instance_);
        EXPECT_TRUE(carries(client, *instance, "x"));
        EXPECT_EQ(gateway_->open_to(8), 0U);
    }
    EXPECT_EQ(gateway_->totals().failed, 0U);
}

TEST_F(OneGateway, AFullQueueOfAUnixSocketIsNotTheEnd) {
    const Listening full = listen_unix("full", 0);
    std::vector<Wire> waiting;
    for (int i = 0; i < 2; ++i) {
        const auto target = sys::to_socket_address(full.address);
        sys::Connected made = sys::connect_stream(*target);
        if (made.error != 0) break;
        waiting.emplace_back().socket = std::move(made.socket);
    }
    gateway_->follow(2, {route("web", {{8, full.address}})});
    Wire client = connect_to(front_.address);
    ASSERT_TRUE(client.send("x").empty());
    ASSERT_TRUE(until([&] { return gateway_->totals().accepted == 1; }));
    turns(10);
    EXPECT_EQ(gateway_->totals().open, 1U);
    for (std::size_t i = 0; i < waiting.size(); ++i) EXPECT_NE(full.accept(), nullptr);
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = full.accept()) != nullptr; }));
    EXPECT_TRUE(completes(client, *instance, "y", "xy"));
}

TEST_F(OneGateway, WhoFindsNobodyWaitsForTheNextTable) {
    const model::Address refuses = listen_tcp().address;
    gateway_->follow(2, {route("web", {{8, refuses}})});
    Wire client = connect_to(front_.address);
    ASSERT_TRUE(client.send("x").empty());
    ASSERT_TRUE(until([&] { return gateway_->totals().accepted == 1; }));
    turns(50);
    client.read();
    EXPECT_FALSE(client.over());
    gateway_->follow(3, {route("web", {{9, instance_.address}})});
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = instance_.accept()) != nullptr; }));
    EXPECT_TRUE(completes(client, *instance, "y", "xy"));
    EXPECT_EQ(gateway_->open_to(9), 1U);
    EXPECT_EQ(gateway_->totals().failed, 0U);
}

TEST_F(OneGateway, WhoFindsNobodyInTimeIsReset) {
    gateway_->follow(2, {route("web", {{8, listen_tcp().address}})});
    Wire client = connect_to(front_.address);
    const Millis began = monotonic_now();
    EXPECT_TRUE(until(
        [&] {
            client.read();
            return client.over();
        },
        limits::upstream_wait + 5'000));
    EXPECT_EQ(client.error, ECONNRESET);
    EXPECT_GE(monotonic_now() - began, limits::upstream_wait - 100);
    EXPECT_EQ(gateway_->totals().failed, 1U);
    EXPECT_EQ(gateway_->totals().open, 0U);
}

TEST_F(OneGateway, WithoutInstancesNobodyIsAccepted) {
    gateway_->follow(2, {route("web", {})});
    Wire client = connect_to(front_.address);
    turns(20);
    EXPECT_EQ(gateway_->totals().accepted, 0U);
    gateway_->follow(3, {route("web", {{7, instance_.address}})});
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = instance_.accept()) != nullptr; }));
    // One of weight 0 is nobody.
    model::Route none = route("web", {{7, instance_.address}});
    none.endpoints[0].weight = 0;
    gateway_->follow(4, {none});
    Wire second = connect_to(front_.address);
    turns(20);
    EXPECT_EQ(gateway_->totals().accepted, 1U);
}

TEST_F(OneGateway, InstancesHaveTheirTurnsAndKeepThem) {
    std::vector<Listening> instances;
    model::Route to = route("web", {});
    for (std::uint64_t id = 1; id <= 3; ++id) {
        instances.push_back(listen_tcp());
        to.endpoints.push_back({id, "", instances.back().address, id == 1 ? 5U : 1U});
    }
    gateway_->follow(2, {to});
    std::string order;
    std::vector<Wire> clients;
    std::vector<std::unique_ptr<Wire>> accepted;
    for (int i = 0; i < 7; ++i) {
        if (i == 3) gateway_->follow(3, {to});
        clients.push_back(connect_to(front_.address));
        EXPECT_TRUE(until([&] {
            for (std::size_t k = 0; k < instances.size(); ++k) {
                auto one = instances[k].accept();
                if (!one) continue;
                order += static_cast<char>('a' + k);
                accepted.push_back(std::move(one));
                return true;
            }
            return false;
        }));
    }
    EXPECT_EQ(order, "abcabca") << "a new table begins anew";
    EXPECT_EQ(gateway_->open_to(1), 3U);
}

// Whoever was on its way to an instance when the service left has nobody to be sent to, and what comes of its
// connection is of no interest any more.
TEST_F(OneGateway, WhoIsOnTheWayWhenItsServiceLeavesIsReset) {
    // A queue that is full: the kernel neither makes the connection nor refuses it.
    Listening full = listen_tcp(0);
    std::vector<Wire> waiting;
    for (int i = 0; i < 4; ++i) waiting.push_back(connect_to(full.address));
    gateway_->follow(2, {route("web", {{8, full.address}, {9, full.address}})});
    Wire client = connect_to(front_.address);
    ASSERT_TRUE(until([&] { return gateway_->open_to(8) + gateway_->open_to(9) == 1; }));
    gateway_->follow(3, {});
    full.socket.reset();  // it is refused from here on
    for (Wire& one : waiting) one.socket.reset();
    EXPECT_TRUE(until([&] {
        client.read();
        return client.over();
    }, 20'000));
    EXPECT_TRUE(until([&] { return gateway_->totals().open == 0; }));
    EXPECT_EQ(gateway_->totals().failed, 1U);
}

// The first attempt is under way for a moment, the next one is made at once: what is heard of one is not of the other.
TEST_F(OneGateway, AfterOneThatRefusesAUnixSocketIsHeard) {
    Listening refuses = listen_tcp();
    refuses.socket.reset();
    const Listening hidden = listen_unix("second");
    gateway_->follow(2, {route("web", {{8, refuses.address}, {9, hidden.address}})});
    for (int i = 0; i < 4; ++i) {
        Wire client = connect_to(front_.address);
        std::unique_ptr<Wire> instance;
        ASSERT_TRUE(until([&] { return (instance = hidden.accept()) != nullptr; }));
        EXPECT_TRUE(carries(client, *instance, "question"));
        EXPECT_TRUE(carries(*instance, client, "answer"));
    }
}

TEST_F(OneGateway, AnInstanceWhoseQueueIsFullIsNotToBlame) {
    const Listening slow = listen_unix("slow", 1);
    const Listening other = listen_unix("other");
    gateway_->follow(2, {route("web", {{8, slow.address}, {9, other.address}})});
    std::vector<Wire> clients;
    for (int i = 0; i < 12; ++i) clients.push_back(connect_to(front_.address));
    ASSERT_TRUE(until([&] { return gateway_->open_to(8) + gateway_->open_to(9) == 12; }));
    ASSERT_GT(gateway_->open_to(9), 6U) << "what the one had no room for, the other got";
    while (slow.accept() != nullptr) {}
    const auto before = gateway_->open_to(8);
    clients.push_back(connect_to(front_.address));
    clients.push_back(connect_to(front_.address));
    EXPECT_TRUE(until([&] { return gateway_->open_to(8) == before + 1; })) << "it has its turn again";
}

TEST_F(OneGateway, AListenerThatLeavesTheTableIsNotAcceptedFrom) {
    auto [client, instance] = connect(front_, instance_);
    const Listening other_front = listen_tcp();
    std::map<std::string, sys::UniqueFd> listeners;
    listeners["other"] = other_front.copy();
    gateway_->follow(2, {route("other", {{7, instance_.address}})}, std::move(listeners));
    Wire late = connect_to(front_.address);
    turns(20);
    EXPECT_EQ(gateway_->totals().accepted, 1U);
    EXPECT_NE(front_.accept(), nullptr) << "it waits for somebody else";
    // Who was connected is still, and the other listener is served.
    EXPECT_TRUE(carries(client, *instance, "still here"));
    auto [second, second_instance] = connect(other_front, instance_);
    EXPECT_TRUE(carries(second, *second_instance, "x"));
    // An instance that left the table is counted while somebody is connected to it.
    gateway_->follow(3, {});
    EXPECT_EQ(gateway_->open_to(7), 2U);
    EXPECT_TRUE(carries(*instance, client, "to the end"));
}

TEST_F(OneGateway, WhoWaitsAtAListenerThatLeavesIsReset) {
    gateway_->follow(2, {route("web", {{8, listen_tcp().address}})});
    Wire client = connect_to(front_.address);
    ASSERT_TRUE(until([&] { return gateway_->totals().accepted == 1; }));
    gateway_->follow(3, {});
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(gateway_->totals().failed, 1U);
}

TEST_F(OneGateway, AsManyAsThereIsRoomForAreAccepted) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    std::vector<Wire> clients;
    std::vector<std::unique_ptr<Wire>> instances;
    for (int i = 0; i < 40; ++i) clients.push_back(connect_to(front_.address));
    const rlimit few{128, before.rlim_max};  // 64 of them for itself, and two for each connection
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    gateway_->follow(2, {route("web", {{7, instance_.address}})});
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    const auto accept_all = [&] {
        while (auto one = instance_.accept()) instances.push_back(std::move(one));
    };
    EXPECT_TRUE(until([&] { return gateway_->totals().open >= 31; }));
    turns(20);
    accept_all();
    const std::uint64_t most = gateway_->totals().open;
    EXPECT_LE(most, 32U);
    EXPECT_LT(gateway_->totals().accepted, 40U);
    // With each that ends there is room for another.
    clients.erase(clients.begin(), clients.begin() + 20);
    EXPECT_TRUE(until([&] {
        accept_all();
        for (auto& one : instances) {
            one->read();
            if (one->over()) one->socket.reset();
        }
        std::erase_if(instances, [](const auto& one) { return !one->socket.valid(); });
        return gateway_->totals().accepted == 40;
    }));
    EXPECT_EQ(gateway_->totals().failed, 0U);
}

TEST_F(OneGateway, LeavesWithItsLastConnection) {
    auto [client, instance] = connect(front_, instance_);
    gateway_->gateway->leave();
    Wire late = connect_to(front_.address);
    turns(10);
    EXPECT_EQ(gateway_->totals().accepted, 1U);
    EXPECT_FALSE(gateway_->gateway->finished());
    EXPECT_TRUE(carries(client, *instance, "x"));
    client.socket.reset();
    EXPECT_TRUE(ends(*instance));
    instance->socket.reset();
    EXPECT_TRUE(until([&] { return gateway_->gateway->finished(); }));
    EXPECT_NE(front_.accept(), nullptr);
}

TEST_F(OneGateway, ProxiesToUnixSockets) {
    const Listening hidden = listen_unix("hidden");
    gateway_->follow(2, {route("web", {{8, hidden.address}})});
    auto [client, instance] = connect(front_, hidden);
    EXPECT_TRUE(carries(client, *instance, pattern(700'000)));
    EXPECT_TRUE(carries(*instance, client, pattern(700'000, 5)));
    instance->socket.reset();
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(client.error, 0);
}

}  // namespace
}  // namespace baton::gateway
