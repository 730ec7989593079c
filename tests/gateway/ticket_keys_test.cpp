// The keys of tickets: a session that one worker began goes on at another one, and for how long.
#include "gateway/ticket_keys.h"

#include <map>
#include <memory>
#include <string>

#include "base/http_limits.h"
#include "golden.h"
#include "gateway/tls.h"
#include "loop.h"
#include "tls_peer.h"

namespace baton::gateway {
namespace {

constexpr Millis turn = limits::tls_ticket_turn;

TEST(TicketKeys, ComeBackAsTheyWere) {
    const TicketKeys keys = TicketKeys::make(7);
    const auto file = keys.save();
    ASSERT_TRUE(file);
    const auto read = TicketKeys::load(*file);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->id(), keys.id());
    EXPECT_EQ(read->due(), 7 + turn);
    ASSERT_NE(read->find(keys.current().name), nullptr);
    EXPECT_EQ(read->find(keys.current().name)->mac, keys.current().mac);
    EXPECT_NE(TicketKeys::make(7).id(), keys.id());
}

TEST(TicketKeys, WhatIsNoneIsSaid) {
    const auto problem = [](const std::string& bytes) {
        const auto read = TicketKeys::load(*sys::sealed_memory("test", bytes));
        return read ? std::string() : read.error().message();
    };
    std::string bytes = *sys::read_all(*TicketKeys::make(7).save(), 1'000);
    EXPECT_EQ(problem(bytes), "");
    EXPECT_EQ(problem(""), "the keys of tickets: there are not as many bytes as they have");
    EXPECT_EQ(problem(bytes.substr(1)), "the keys of tickets: there are not as many bytes as they have");
    EXPECT_NE(problem(bytes + "x"), "");
    bytes[8] = 2;
    EXPECT_EQ(problem(bytes), "the keys of tickets are of another version");
}

// What a binary of this version has handed to the keeper, the next one reads.
TEST(TicketKeys, TheFormatStays) {
    const std::string golden = test::golden_bytes("ticket_keys");
    auto keys = TicketKeys::load(*sys::sealed_memory("test", golden));
    ASSERT_TRUE(keys) << keys.error().message();
    EXPECT_EQ(keys->due(), 1'000 + turn);
    EXPECT_EQ(keys->id(), 0x1010'1010'1010'1010ULL);
    EXPECT_EQ(keys->current().cipher.back(), 0x22);
    EXPECT_EQ(*sys::read_all(*keys->save(), 1'000), golden);
}

TEST(TicketKeys, AKeyLivesForThreeTurns) {
    TicketKeys keys = TicketKeys::make(0);
    const auto first = keys.current().name;
    EXPECT_FALSE(keys.turn(turn - 1));
    const std::uint64_t id = keys.id();
    EXPECT_TRUE(keys.turn(turn));
    EXPECT_NE(keys.id(), id);
    EXPECT_NE(keys.current().name, first);
    ASSERT_NE(keys.find(first), nullptr);
    EXPECT_TRUE(keys.is_old(*keys.find(first)));
    // That one was known for a turn before it is used.
    TicketKeys later = keys;
    EXPECT_TRUE(later.turn(2 * turn + 5));
    EXPECT_NE(keys.find(later.current().name), nullptr);
    EXPECT_EQ(later.find(first), nullptr);
    EXPECT_EQ(later.due(), 3 * turn);
    // Where nobody was there to turn them.
    EXPECT_TRUE(keys.turn(1'000 * turn));
    EXPECT_EQ(keys.find(later.current().name), nullptr);
    EXPECT_EQ(keys.due(), 1'001 * turn);
}

// Workers with a listening socket each, so that a client chooses its worker.
class Tickets : public Loop {
  protected:
    struct Place {
        Listening front = listen_tcp();
        Running* gateway = nullptr;
        model::RouteTable table;
    };
    // `keys`: none come.
    void follow(Place& place, const TicketKeys* keys) {
        std::map<std::string, sys::UniqueFd> descriptors;
        ++place.table.revision;
        if (place.gateway == nullptr) {
            place.gateway = &start();
            model::Entrance entrance;
            entrance.listener = entrance.name = "web";
            entrance.protocol = model::Protocol::http;
            entrance.tls = model::TlsSpec{"/c", "/k", model::TlsVersion::tls12, fingerprint_};
            place.table.entrances = {entrance};
            place.table.routes = {route("web", {{7, nobody_.address}})};
            descriptors["web"] = place.front.copy();
            descriptors[model::certificate_of(entrance)] = *sys::sealed_memory("test", pair_.certificate);
            descriptors[model::key_of(entrance)] = *sys::sealed_memory("test", pair_.key);
        }
        if (keys != nullptr) {
            place.table.tickets = keys->id();
            descriptors[model::tickets_of(place.table)] = *keys->save();
        }
        place.gateway->gateway->follow(place.table, std::move(descriptors));
    }
    struct Visit {
        bool resumed = false;
        TlsPeer::Session session;
    };
    // A client comes, asks for what cannot be, and goes.
    Visit visit(const Place& place, const TlsPeer::Session& session = {}) {
        TlsPeer peer(connect_to(place.front.address), {}, version_, session);
        peer.say("GET / HTTP/1.1\r\n\r\n");
        EXPECT_TRUE(until([&] {
            peer.turn();
            return peer.got.starts_with("HTTP/1.1 400 ") && peer.ended;
        })) << peer.got;
        return {peer.resumed(), peer.session()};
    }

    KeyPair pair_ = make_key_pair("web");
    Listening nobody_ = listen_tcp();
    std::string fingerprint_ = "1";
    int version_ = TLS1_3_VERSION;
};

TEST_F(Tickets, WhatOneWorkerSealedAnotherOneOpens) {
    const TicketKeys keys = TicketKeys::make(0);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        version_ = version;
        Place one;
        Place two;
        follow(one, &keys);
        follow(two, &keys);
        const Visit first = visit(one);
        EXPECT_FALSE(first.resumed);
        const Visit second = visit(two, first.session);
        EXPECT_TRUE(second.resumed) << version;
        EXPECT_TRUE(visit(one, second.session).resumed) << version;
    }
}

TEST_F(Tickets, WorkersWithoutKeysOfTheirMasterHaveTheirOwn) {
    Place one;
    Place two;
    follow(one, nullptr);
    follow(two, nullptr);
    const Visit first = visit(one);
    EXPECT_TRUE(visit(one, first.session).resumed);
    EXPECT_FALSE(visit(two, first.session).resumed);
    // And go on with them until others come.
    follow(one, nullptr);
    EXPECT_TRUE(visit(one, first.session).resumed);
    const TicketKeys keys = TicketKeys::make(0);
    follow(one, &keys);
    EXPECT_FALSE(visit(one, first.session).resumed);
}

TEST_F(Tickets, AnOldTicketIsReplacedAndAnOlderOneRefused) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        version_ = version;
        TicketKeys keys = TicketKeys::make(0);
        Place place;
        follow(place, &keys);
        const Visit first = visit(place);
        ASSERT_TRUE(keys.turn(turn));
        follow(place, &keys);
        const Visit renewed = visit(place, first.session);
        EXPECT_TRUE(renewed.resumed) << version;
        ASSERT_TRUE(keys.turn(2 * turn));
        follow(place, &keys);
        EXPECT_FALSE(visit(place, first.session).resumed) << version;
        EXPECT_TRUE(visit(place, renewed.session).resumed) << version;
    }
}

// One that has heard of the turn first must not make tickets that the others cannot open.
TEST_F(Tickets, NobodyMeetsAKeyThatItDoesNotKnow) {
    const TicketKeys before = TicketKeys::make(0);
    TicketKeys after = before;
    ASSERT_TRUE(after.turn(turn));
    Place early;
    Place late;
    follow(early, &after);
    follow(late, &before);
    EXPECT_TRUE(visit(late, visit(early).session).resumed);
    EXPECT_TRUE(visit(early, visit(late).session).resumed);
}

// Who was shown one certificate has not seen the other one, though the same keys seal for both.
TEST_F(Tickets, SessionsAreOfTheCertificateTheyBeganWith) {
    const TicketKeys keys = TicketKeys::make(0);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        version_ = version;
        Place one;
        Place other;
        follow(one, &keys);
        fingerprint_ += "2";
        follow(other, &keys);
        EXPECT_FALSE(visit(other, visit(one).session).resumed) << version;
    }
}

TEST_F(Tickets, KeysThatCannotBeReadChangeNothing) {
    const TicketKeys keys = TicketKeys::make(0);
    Place place;
    follow(place, &keys);
    const Visit first = visit(place);
    place.table.tickets = 5;
    std::map<std::string, sys::UniqueFd> descriptors;
    descriptors[model::tickets_of(place.table)] = *sys::sealed_memory("test", "hello");
    place.gateway->gateway->follow(place.table, std::move(descriptors));
    EXPECT_TRUE(visit(place, first.session).resumed);
}

}  // namespace
}  // namespace baton::gateway
