// The keys of TLS tickets through the life of masters: made once, held, taken over, turned, and gone when they are not needed.
#include "engine/tickets.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "base/http_limits.h"
#include "keeper/message.h"
#include "sys/channel.h"

namespace baton::engine {
namespace {

constexpr Millis turn = limits::tls_ticket_turn;

struct TicketsTest : testing::Test {
    TicketsTest() {
        auto channel = sys::make_channel();
        keeper = std::move(channel->first);
        link.emplace(context, std::move(channel->second));
        tickets.emplace(*link, log);
        EXPECT_TRUE(log.open("", LogFormat::text, LogLevel::off));
        secure.entrances.emplace_back().tls = model::TlsSpec{};
        plain.entrances.emplace_back();
    }
    // What the keeper was asked since the last call; what it holds then is in `held`.
    std::string asked() {
        std::string all;
        while (auto received = sys::receive_message(keeper)) {
            const auto message = keeper::Message::open(received->bytes);
            const std::string name(message->strings()->front());
            const bool holds = message->type() == keeper::Hold::type;
            if (holds) held[name] = std::move(received->descriptors.front());
            else held.erase(name);
            all += (holds ? "hold " : "release ") + name + "\n";
        }
        return all;
    }
    // Another master, which finds what is held.
    void replace() {
        std::map<std::string, sys::UniqueFd> copies;
        for (const auto& [name, fd] : held) copies[name] = *sys::duplicate(fd);
        tickets.emplace(*link, log);
        tickets->adopt(copies);
    }

    boost::asio::io_context context;
    Log log{"test"};
    sys::UniqueFd keeper;
    std::optional<KeeperLink> link;
    std::optional<Tickets> tickets;
    std::map<std::string, sys::UniqueFd> held;
    model::RouteTable secure;
    model::RouteTable plain;
};

TEST_F(TicketsTest, AreMadeForTheFirstListenerThatSpeaksTls) {
    tickets->settle(plain, 0);
    EXPECT_EQ(asked(), "");
    EXPECT_EQ(tickets->id(), 0U);
    EXPECT_EQ(tickets->find(), nullptr);
    EXPECT_EQ(tickets->due(), never);
    tickets->settle(secure, 0);
    EXPECT_EQ(asked(), "hold ticket-keys\n");
    EXPECT_EQ(gateway::TicketKeys::load(*tickets->find())->id(), tickets->id());
    EXPECT_EQ(tickets->due(), turn);
    const std::uint64_t id = tickets->id();
    tickets->settle(secure, turn - 1);
    EXPECT_EQ(tickets->id(), id);
    EXPECT_EQ(asked(), "");
    tickets->settle(plain, turn);
    EXPECT_EQ(asked(), "release ticket-keys\n");
    EXPECT_EQ(tickets->find(), nullptr);
}

TEST_F(TicketsTest, PassFromMasterToMaster) {
    tickets->settle(secure, 0);
    asked();
    const std::uint64_t id = tickets->id();
    replace();
    EXPECT_EQ(tickets->id(), id);
    tickets->settle(secure, 1);
    EXPECT_EQ(tickets->id(), id);
    EXPECT_EQ(asked(), "");
    // One that comes late turns them at once.
    replace();
    tickets->settle(secure, turn + 5);
    EXPECT_NE(tickets->id(), id);
    EXPECT_EQ(asked(), "hold ticket-keys\n");
    EXPECT_EQ(tickets->due(), 2 * turn);
    EXPECT_EQ(gateway::TicketKeys::load(held.at("ticket-keys"))->id(), tickets->id());
}

TEST_F(TicketsTest, WhatTheKeeperDidNotTakeItIsGivenAgain) {
    tickets->settle(secure, 0);
    asked();
    tickets->not_held("state/counters");
    tickets->settle(secure, 1);
    EXPECT_EQ(asked(), "");
    tickets->not_held("ticket-keys");
    tickets->settle(secure, 2);
    EXPECT_EQ(asked(), "hold ticket-keys\n");
}

TEST_F(TicketsTest, WhatCannotBeReadIsMadeAnew) {
    held["ticket-keys"] = *sys::sealed_memory("test", "hello");
    replace();
    EXPECT_EQ(tickets->find(), nullptr);
    tickets->settle(secure, 0);
    EXPECT_EQ(asked(), "hold ticket-keys\n");
    EXPECT_NE(tickets->id(), 0U);
}

}  // namespace
}  // namespace baton::engine
