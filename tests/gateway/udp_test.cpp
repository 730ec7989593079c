// Flows of datagrams through gateways: they stay with their instance through tables, workers and time, and leave
// one that is gone.
#include "loop.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <set>

#include "base/gateway_limits.h"
#include "base/udp_limits.h"
#include "network.h"
#include "sys/channel.h"
#include "sys/datagram_batch.h"

namespace baton::gateway {
namespace {

constexpr std::uint64_t first_worker = 101;
constexpr std::uint64_t second_worker = 102;

// A datagram socket at an address of its own.
struct Mouth {
    sys::UniqueFd socket;
    model::Address address;
};

Mouth open_mouth(const std::string& host) {
    sys_test::enter_own_network();
    const auto target = sys::to_socket_address({model::Family::inet4, host, 0});
    Mouth made{sys::UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), {}};
    EXPECT_EQ(::bind(made.socket.get(), target->get(), target->length), 0);
    made.address = *sys::from_socket_address(sys::local_address(made.socket));
    return made;
}

// Answers each datagram with its own name before it.
struct Instance {
    std::string name;
    Mouth mouth = open_mouth("127.0.0.1");
    int heard = 0;

    void serve() {
        std::array<char, 2048> buffer{};
        sys::SocketAddress from;
        for (;;) {
            from.length = sizeof(from.storage);
            const ssize_t got = ::recvfrom(mouth.socket.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from.storage), &from.length);
            if (got < 0) return;
            ++heard;
            const std::string answer = name + ":" + std::string(buffer.data(), static_cast<std::size_t>(got));
            ::sendto(mouth.socket.get(), answer.data(), answer.size(), 0, from.get(), from.length);
        }
    }
};

// Hears only from where it sends to.
class Client {
  public:
    explicit Client(const model::Address& to) : made_(sys::connect_datagrams(*sys::to_socket_address(to))) { EXPECT_EQ(made_.error, 0); }
    void send(const std::string& text) const { EXPECT_EQ(::send(made_.socket.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size())); }
    // The last answer, if there is one now.
    bool hear() {
        std::array<char, 2048> buffer{};
        const ssize_t got = ::recv(made_.socket.get(), buffer.data(), buffer.size(), 0);
        if (got >= 0) heard = std::string(buffer.data(), static_cast<std::size_t>(got));
        return got >= 0;
    }
    std::string heard;

  private:
    sys::Connected made_;
};

class Datagrams : public Loop {
  protected:
    using Endpoints = std::vector<std::pair<std::uint64_t, model::Address>>;
    // A worker that reads, and sends to all of them in turn.
    Running& serve(const Endpoints& endpoints) {
        Running& worker = start();
        follow(worker, endpoints);
        return worker;
    }
    void follow(const Running& running, const Endpoints& endpoints, std::uint64_t self = first_worker, std::uint64_t reader = first_worker,
                std::uint64_t before = 0) {
        model::RouteTable table;
        table.worker = self;
        model::Entrance entrance;
        entrance.listener = entrance.name = "dns";
        entrance.protocol = model::Protocol::udp;
        entrance.reader = reader;
        entrance.reader_before = before;
        table.entrances = {entrance};
        table.routes = {route("dns", endpoints)};
        table.routes.front().timeouts.idle = idle_;
        for (model::Endpoint& endpoint : table.routes.front().endpoints) {
            endpoint.draining = draining_.contains(endpoint.id);
            endpoint.down = down_.contains(endpoint.id);
        }
        std::map<std::string, sys::UniqueFd> listeners;
        if (heard_of_.insert(&running).second) listeners["dns"] = std::move(*sys::duplicate(front_.socket));
        running.gateway->follow(table, std::move(listeners));
    }
    // Its answer: "NAME:text"; empty: none came.
    std::string ask(Client& client, const std::string& text, Millis at_most = 5'000) {
        client.send(text);
        return hear(client, at_most);
    }
    std::string hear(Client& client, Millis at_most = 5'000) {
        const bool answered = until(
            [&] {
                a_.serve();
                b_.serve();
                return client.hear();
            },
            at_most);
        return answered ? client.heard : std::string();
    }

    Mouth front_ = open_mouth("127.0.0.1");
    Instance a_{.name = "a"};
    Instance b_{.name = "b"};
    const Endpoints to_a_{{7, a_.mouth.address}};
    const Endpoints to_b_{{8, b_.mouth.address}};
    const Endpoints to_both_{to_a_[0], to_b_[0]};
    std::set<const Running*> heard_of_;
    std::set<std::uint64_t> draining_;
    std::set<std::uint64_t> down_;
    Millis idle_ = 60'000;
};

// A client whose flow is with `a`, the only instance in the table so far.
class AFlow : public Datagrams {
  protected:
    void SetUp() override { ASSERT_EQ(ask(client_, "x"), "a:x"); }

    Running& worker_ = serve(to_a_);
    Client client_{front_.address};
};

TEST_F(Datagrams, AFlowStaysWithItsInstance) {
    Running& worker = serve(to_both_);
    std::vector<Client> clients;
    for (int i = 0; i < 20; ++i) clients.emplace_back(front_.address);
    for (int round = 0; round < 5; ++round) {
        for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(clients[static_cast<std::size_t>(i)], "x"), i % 2 == 0 ? "a:x" : "b:x");
    }
    EXPECT_EQ(a_.heard, 50);
    EXPECT_EQ(worker.open_to(7), 10U);
    EXPECT_EQ(worker.open_to(8), 10U);
    EXPECT_EQ(worker.totals().open, 20U);
    EXPECT_EQ(worker.totals().dropped, 0U);
}

TEST_F(Datagrams, ManyOfOneClientAreSentOnInTheirOrder) {
    serve(to_a_);
    Client client(front_.address);
    EXPECT_EQ(ask(client, "first"), "a:first");
    for (int i = 0; i < 100; ++i) client.send(std::to_string(i));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(hear(client), "a:" + std::to_string(i));
    client.send("");  // an empty one is one too
    EXPECT_EQ(hear(client), "a:");
}

TEST_F(Datagrams, NobodyHearsOfAnInstanceThatWasNeverThere) {
    const model::Address nobody = open_mouth("127.0.0.1").address;
    Running& worker = serve({{7, nobody}, {8, a_.mouth.address}});
    for (int i = 0; i < 10; ++i) {
        Client client(front_.address);
        EXPECT_EQ(ask(client, "x"), "a:x");
    }
    EXPECT_EQ(worker.open_to(7), 0U);
    EXPECT_EQ(worker.totals().dropped, 0U);
}

TEST_F(AFlow, OfAnInstanceThatDiedGoesToAnother) {
    follow(worker_, to_both_);
    a_.mouth.socket.reset();
    client_.send("lost");  // the kernel took it for somebody who is gone
    EXPECT_TRUE(until([&] { return worker_.open_to(7) == 0; }));
    EXPECT_EQ(ask(client_, "y"), "b:y");
    EXPECT_EQ(ask(client_, "z"), "b:z");
    EXPECT_EQ(worker_.open_to(8), 1U);
}

TEST_F(AFlow, OneThatDrainsKeepsItsFlowsUntilItLeavesTheTable) {
    draining_ = {7};
    follow(worker_, to_both_);
    EXPECT_EQ(ask(client_, "y"), "a:y");
    Client other(front_.address);
    EXPECT_EQ(ask(other, "x"), "b:x");
    EXPECT_EQ(worker_.open_to(7), 1U);
    follow(worker_, to_b_);
    EXPECT_EQ(ask(client_, "z"), "b:z");
    EXPECT_EQ(worker_.open_to(7), 0U);
    EXPECT_EQ(worker_.open_to(8), 2U);
    EXPECT_EQ(worker_.totals().dropped, 0U);
}

TEST_F(AFlow, OneThatIsDownLosesItsFlowsAtOnce) {
    down_ = {7};
    follow(worker_, to_both_);
    EXPECT_EQ(ask(client_, "y"), "b:y");
    EXPECT_EQ(worker_.open_to(7), 0U);
}

TEST_F(AFlow, OneThatDiesWhileItDrainsLosesNothing) {
    draining_ = {7};
    follow(worker_, to_both_);
    a_.mouth.socket.reset();
    EXPECT_EQ(ask(client_, "y"), "b:y") << "it is asked whether it is there still";
    EXPECT_EQ(worker_.totals().dropped, 0U);
}

TEST_F(Datagrams, SilenceEndsAFlow) {
    idle_ = 60;
    Running& worker = serve(to_a_);
    Client client(front_.address);
    ASSERT_EQ(ask(client, "x"), "a:x");
    EXPECT_EQ(worker.totals().open, 1U);
    EXPECT_TRUE(until([&] { return worker.totals().open == 0; }));
    EXPECT_EQ(worker.open_to(7), 0U);
    EXPECT_EQ(worker.totals().closed, worker.totals().accepted);
    EXPECT_EQ(ask(client, "y"), "a:y");
}

TEST_F(Datagrams, WithoutAnInstanceTheyWaitInTheSocket) {
    Running& worker = serve({});
    Client client(front_.address);
    client.send("early");
    turns(20);
    EXPECT_EQ(worker.totals().dropped, 0U);
    follow(worker, to_a_);
    EXPECT_EQ(hear(client), "a:early");
    // The same for clients whose instance is gone.
    follow(worker, {});
    client.send("late");
    turns(20);
    EXPECT_EQ(worker.totals().dropped, 0U);
    follow(worker, to_b_);
    EXPECT_EQ(hear(client), "b:late");
}

TEST_F(Datagrams, OneWorkerReadsAndTheNextGoesOnWithItsFlows) {
    Running& old = start();
    Running& fresh = start(1);
    follow(old, to_both_, first_worker, first_worker);
    follow(fresh, to_both_, second_worker, first_worker);
    std::vector<Client> clients;
    std::vector<std::string> served;
    for (int i = 0; i < 50; ++i) {
        clients.emplace_back(front_.address);
        served.push_back(ask(clients.back(), "x").substr(0, 1));
    }
    EXPECT_EQ(old.totals().open, 50U);
    EXPECT_EQ(fresh.totals().open, 0U);

    // The table comes before the order to give: nobody reads in between, and nothing is lost.
    follow(fresh, to_both_, second_worker, second_worker, first_worker);
    follow(old, to_both_, first_worker, second_worker, first_worker);
    for (Client& client : clients) client.send("y");
    turns(20);
    EXPECT_EQ(fresh.totals().accepted, 0U);
    auto pair = sys::make_channel();
    fresh.gateway->take(std::move(pair->first));
    old.gateway->give(std::move(pair->second), heir_id);
    ASSERT_TRUE(until([&] { return old.gateway->finished(); }));
    for (std::size_t i = 0; i < clients.size(); ++i) EXPECT_EQ(hear(clients[i]), served[i] + ":y");
    EXPECT_EQ(old.totals().given, 50U);
    EXPECT_EQ(fresh.totals().taken, 50U);
    EXPECT_EQ(fresh.totals().accepted, 0U) << "no flow was made anew";
    EXPECT_EQ(old.open_to(7) + old.open_to(8), 0U);
    EXPECT_EQ(fresh.open_to(7) + fresh.open_to(8), 50U);
    end(old);
    for (std::size_t i = 0; i < clients.size(); ++i) EXPECT_EQ(ask(clients[i], "z"), served[i] + ":z");
    Client newcomer(front_.address);
    EXPECT_NE(ask(newcomer, "x"), "");
}

// None of its flows has ended, and who comes after it has them all, and knows that it has.
TEST_F(Datagrams, AReaderThatDiesBeforeItHasTheFlowsLosesNone) {
    Running& old = start();
    follow(old, to_a_, first_worker, first_worker);
    std::vector<Client> clients;
    for (int i = 0; i < 20; ++i) {
        clients.emplace_back(front_.address);
        ASSERT_EQ(ask(clients.back(), "x"), "a:x");
    }
    auto dies = sys::make_channel();
    follow(old, to_a_, first_worker, second_worker, first_worker);
    old.gateway->give(std::move(dies->second), heir_id);
    turns(5);
    EXPECT_EQ(old.totals().open, 0U) << "all are on their way, and that there are no more";
    dies->first.reset();
    turns(5);
    EXPECT_EQ(old.totals().open, 20U);
    EXPECT_EQ(old.open_to(7), 20U);
    Running& fresh = start(1);
    follow(fresh, to_a_, second_worker, second_worker, first_worker);
    auto pair = sys::make_channel();
    fresh.gateway->take(std::move(pair->first));
    old.gateway->give(std::move(pair->second), heir_id);
    ASSERT_TRUE(until([&] { return old.gateway->finished(); }));
    EXPECT_EQ(fresh.totals().open, 20U);
    for (Client& client : clients) ASSERT_EQ(ask(client, "y"), "a:y");
    EXPECT_EQ(fresh.totals().accepted, 0U) << "no flow was made anew";
    EXPECT_EQ(a_.heard, 40);
}

// The listener is read elsewhere from now on.
TEST_F(Datagrams, AFlowThatIsRefusedEnds) {
    Running& old = start();
    follow(old, to_a_, first_worker, first_worker);
    Client client(front_.address);
    ASSERT_EQ(ask(client, "x"), "a:x");
    auto pair = sys::make_channel();
    old.gateway->give(std::move(pair->second), heir_id);
    turns(5);
    const PassedAnswer answers[] = {{1, 1}, {1, 0}};
    for (const PassedAnswer& answer : answers) {
        ASSERT_TRUE(sys::send_message(pair->first, std::string_view(reinterpret_cast<const char*>(&answer), sizeof(answer))));
    }
    ASSERT_TRUE(until([&] { return old.gateway->finished(); }));
    EXPECT_EQ(old.open_to(7), 0U);
}

TEST_F(Datagrams, WhatTheReaderBeforeAskedIsAnsweredAlsoWhereItsClientHasAnotherFlow) {
    Running& one = start();
    Running& other = start(1);
    follow(one, to_a_, first_worker, first_worker);
    follow(other, to_a_, second_worker, first_worker);
    Client client(front_.address);
    ASSERT_EQ(ask(client, "x"), "a:x");
    // Another number of workers: nothing is handed over between two that stay.
    follow(one, to_a_, first_worker, second_worker);
    follow(other, to_a_, second_worker, second_worker);
    client.send("y");
    ASSERT_TRUE(until([&] { return other.totals().open == 1; }));
    // And back, as the other one leaves.
    follow(one, to_a_, first_worker, first_worker);
    follow(other, to_a_, second_worker, first_worker);
    auto pair = sys::make_channel();
    one.gateway->take(std::move(pair->first));
    other.gateway->give(std::move(pair->second), heir_id);
    ASSERT_TRUE(until([&] { return other.gateway->finished(); }));
    EXPECT_EQ(one.totals().open, 2U);
    EXPECT_EQ(hear(client), "a:y");
    EXPECT_EQ(ask(client, "z"), "a:z");
    EXPECT_TRUE(until([&] { return one.totals().open == 1; })) << "what is not asked any more is not kept";
    EXPECT_EQ(one.open_to(7), 1U);
    EXPECT_EQ(one.totals().dropped, 0U);
}

TEST_F(Datagrams, AReaderThatGivesNothingIsNotWaitedForForEver) {
    Running& worker = start(0, false);
    follow(worker, to_a_, second_worker, second_worker, first_worker);
    Client client(front_.address);
    client.send("x");
    turns(1);
    EXPECT_EQ(a_.heard, 0);
    EXPECT_EQ(hear(client, limits::flows_hand_over * 5), "a:x");
    // The same table again: it was waited for once.
    follow(worker, to_a_, second_worker, second_worker, first_worker);
    EXPECT_EQ(ask(client, "y", limits::flows_hand_over / 2), "a:y");
}

TEST_F(Datagrams, AnswersComeFromTheAddressThatWasAsked) {
    front_ = open_mouth("0.0.0.0");
    serve(to_a_);
    for (const char* host : {"127.0.0.1", "127.0.0.2"}) {
        Client client({model::Family::inet4, host, front_.address.port});
        EXPECT_EQ(ask(client, host), std::string("a:") + host);
    }
}

TEST_F(Datagrams, AFlowTooManyEndsTheOldest) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit few{256, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    Running& worker = serve(to_a_);
    std::vector<Client> clients;
    for (int i = 0; i < 100; ++i) {
        clients.emplace_back(front_.address);
        EXPECT_EQ(ask(clients.back(), "x"), "a:x");
    }
    EXPECT_LE(worker.totals().open, 256U / limits::flows_share);
    EXPECT_GE(worker.totals().open, 256U / limits::flows_share / 2);
    EXPECT_EQ(worker.totals().dropped, 0U);
    EXPECT_EQ(worker.open_to(7), worker.totals().open);
    EXPECT_EQ(ask(clients.front(), "y"), "a:y");
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(AFlow, AListenerThatLeavesEndsItsFlows) {
    worker_.gateway->follow({}, {});
    turns(2);
    EXPECT_EQ(worker_.totals().open, 0U);
    EXPECT_EQ(worker_.open_to(7), 0U);
}

TEST_F(Datagrams, OneThatLeavesAloneWaitsForAnswersOnly) {
    Running& worker = serve(to_a_);
    Client client(front_.address);
    client.send("x");
    ASSERT_TRUE(until([&] { return worker.totals().open == 1; }));
    worker.gateway->leave();
    EXPECT_EQ(hear(client), "a:x");
    EXPECT_TRUE(until([&] { return worker.gateway->finished(); }, limits::flow_leaving * 5));
}

}  // namespace
}  // namespace baton::gateway
