// Writes that are made together at the end of a turn: by themselves, and through a gateway whose clients do not
// read what comes.
#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/gateway_limits.h"
#include "front.h"
#include "gateway/outbox.h"
#include "gateway/stream.h"
#include "sys/send_batch.h"

namespace baton::gateway {
namespace {

using Tokens = std::vector<std::uint64_t>;

class Posting : public testing::Test {
  protected:
    struct Ends {
        Stream mine;
        Wire theirs;
    };
    static Ends stream() {
        int both[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both), 0);
        Ends ends;
        ends.mine = Stream(sys::UniqueFd(both[0]));
        ends.theirs.socket = sys::UniqueFd(both[1]);
        return ends;
    }
    void SetUp() override {
        auto made = sys::SendBatch::create(limits::posted_writes);
        if (!made) GTEST_SKIP() << "SKIPPED: " << made.error().message();
        box_ = std::make_unique<Outbox>(std::move(*made));
    }
    bool post(Stream& stream, std::string_view bytes, std::uint64_t token = 0) { return stream.post(*box_, token, {&bytes, 1}); }
    static void fill(Stream& stream) {
        const std::string much(1 << 20, 'f');
        while (stream.write(much).error == 0) {}
        while (stream.write(std::string_view("f")).error == 0) {}
    }
    static std::string read(Wire& wire) {
        wire.got.clear();
        wire.read();
        return wire.got;
    }
    // Who was told that it is late; each settles.
    Tokens flush(const std::vector<Stream*>& streams = {}) {
        Tokens told;
        box_->flush([&](std::uint64_t token) {
            told.push_back(token);
            static_cast<void>(streams.at(token)->settle());
        });
        return told;
    }

    std::unique_ptr<Outbox> box_;
};

TEST_F(Posting, GoesOutAtTheEnd) {
    Ends one = stream();
    Ends two = stream();
    EXPECT_TRUE(post(one.mine, "to one"));
    EXPECT_TRUE(post(two.mine, "to two"));
    EXPECT_TRUE(one.mine.posted());
    EXPECT_EQ(read(one.theirs), "");
    EXPECT_EQ(flush(), Tokens());
    EXPECT_FALSE(one.mine.posted());
    EXPECT_EQ(read(one.theirs), "to one");
    EXPECT_EQ(read(two.theirs), "to two");
}

TEST_F(Posting, AddsToWhatIsThere) {
    Ends one = stream();
    const std::string large(limits::posted_bytes - 10, 'l');
    EXPECT_TRUE(post(one.mine, large));
    EXPECT_TRUE(post(one.mine, "0123456789"));
    EXPECT_FALSE(post(one.mine, "x")) << "there is no room";
    EXPECT_EQ(flush(), Tokens());
    EXPECT_EQ(read(one.theirs), large + "0123456789");
}

TEST_F(Posting, IsForWhatIsSmall) {
    Ends one = stream();
    EXPECT_FALSE(post(one.mine, std::string(limits::posted_bytes + 1, 'l')));
    EXPECT_FALSE(one.mine.posted());
    EXPECT_TRUE(post(one.mine, "")) << "nothing is written at once";
    EXPECT_FALSE(one.mine.posted());
    box_ = std::make_unique<Outbox>(std::nullopt);
    EXPECT_FALSE(post(one.mine, "x")) << "without a batch all is written by itself";
}

TEST_F(Posting, HasSoManyPlaces) {
    std::vector<Ends> all;
    for (std::size_t i = 0; i <= limits::posted_writes; ++i) all.push_back(stream());
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < limits::posted_writes; ++i) ASSERT_TRUE(post(all[i].mine, std::to_string(i)));
        EXPECT_FALSE(post(all.back().mine, "one too many"));
        EXPECT_EQ(flush(), Tokens());
        for (std::size_t i = 0; i < limits::posted_writes; ++i) EXPECT_EQ(read(all[i].theirs), std::to_string(i));
    }
}

TEST_F(Posting, ASettledStreamIsWrittenOnce) {
    Ends one = stream();
    EXPECT_TRUE(post(one.mine, "posted"));
    EXPECT_EQ(one.mine.settle().error, 0);
    EXPECT_EQ(one.mine.write(std::string_view(" and more")).bytes, 9U);
    EXPECT_EQ(flush(), Tokens());
    EXPECT_EQ(read(one.theirs), "posted and more");
}

TEST_F(Posting, FollowsItsStream) {
    Ends one = stream();
    EXPECT_TRUE(post(one.mine, "posted"));
    Stream other = std::move(one.mine);
    EXPECT_TRUE(other.posted());
    EXPECT_EQ(flush(), Tokens());
    EXPECT_EQ(read(one.theirs), "posted");
}

TEST_F(Posting, NobodyElseGetsWhatAStreamThatEndedHadPosted) {
    Ends one = stream();
    EXPECT_TRUE(post(one.mine, "secret"));
    const int number = one.mine.socket().get();
    one.mine = Stream();
    Ends next = stream();
    ASSERT_EQ(next.mine.socket().get(), number) << "the kernel gives the lowest number";
    EXPECT_EQ(flush(), Tokens());
    EXPECT_EQ(read(next.theirs), "");
}

TEST_F(Posting, WhatIsNotTakenIsStillPosted) {
    Ends full = stream();
    Ends other = stream();
    fill(full.mine);
    EXPECT_TRUE(post(full.mine, "late", 0));
    EXPECT_TRUE(post(other.mine, "now", 1));
    Tokens told;
    box_->flush([&](std::uint64_t token) {
        told.push_back(token);
        EXPECT_TRUE(full.mine.posted());
        const Stream::Late late = full.mine.settle();
        EXPECT_EQ(late.rest, "late");
        EXPECT_EQ(late.error, 0);
    });
    EXPECT_EQ(told, Tokens{0});
    EXPECT_EQ(read(other.theirs), "now");
}

TEST_F(Posting, WhoHasClosedIsToldOf) {
    Ends closed = stream();
    Ends other = stream();
    closed.theirs.socket.reset();
    EXPECT_TRUE(post(closed.mine, "to nobody", 0));
    EXPECT_TRUE(post(other.mine, "now", 1));
    EXPECT_EQ(flush({&closed.mine, &other.mine}), Tokens{0});
    EXPECT_EQ(read(other.theirs), "now");
}

TEST_F(Posting, WhoIsSettledByAnotherIsNotToldOf) {
    Ends one = stream();
    Ends two = stream();
    fill(one.mine);
    fill(two.mine);
    EXPECT_TRUE(post(one.mine, "x", 0));
    EXPECT_TRUE(post(two.mine, "y", 1));
    Tokens told;
    box_->flush([&](std::uint64_t token) {
        told.push_back(token);
        static_cast<void>(one.mine.settle());
        static_cast<void>(two.mine.settle());
    });
    EXPECT_EQ(told, Tokens{0});
}

TEST_F(Posting, WhatIsPostedMeanwhileGoesOutToo) {
    Ends full = stream();
    Ends other = stream();
    fill(full.mine);
    EXPECT_TRUE(post(full.mine, "x", 0));
    EXPECT_TRUE(post(other.mine, "first", 1));
    box_->flush([&](std::uint64_t) {
        static_cast<void>(full.mine.settle());
        EXPECT_TRUE(post(other.mine, " second", 1));
    });
    EXPECT_EQ(read(other.theirs), "first second");
}

// --- through a gateway ---

class Together : public Front {};

// Two at once, so that their writes are made together. They read only what is theirs, and all of it.
TEST_F(Together, ClientsThatDoNotReadGetAllSmallMessages) {
    entrance_.protocol = model::Protocol::tcp;
    begin();
    std::vector<Pair> pairs;
    for (int i = 0; i < 2; ++i) pairs.push_back(connect(front_, instance_));
    // Until nothing more goes in at the one end.
    std::string sent[2];
    bool full = false;
    for (unsigned number = 0; !full && number < 20'000; ++number) {
        for (int i = 0; i < 2; ++i) {
            const std::string piece = pattern(3'900, number + static_cast<unsigned>(i));
            const std::string_view left = pairs[i].instance->send(piece);
            sent[i] += piece.substr(0, piece.size() - left.size());
            full = full || !left.empty();
        }
        turns(1);
    }
    ASSERT_TRUE(full);
    for (int i = 0; i < 2; ++i) {
        Wire& client = pairs[i].client;
        EXPECT_TRUE(until([&] {
            client.read();
            return client.got.size() >= sent[i].size() || client.over();
        }));
        EXPECT_TRUE(client.got == sent[i]) << client.got.size() << " of " << sent[i].size();
    }
}

TEST_F(Together, AResetClientIsItsOwnMatter) {
    entrance_.protocol = model::Protocol::tcp;
    begin();
    Pair gone = connect(front_, instance_);
    Pair stays = connect(front_, instance_);
    EXPECT_TRUE(gone.instance->send("never read").empty());
    EXPECT_TRUE(stays.instance->send("read").empty());
    sys::break_on_close(gone.client.socket);
    gone.client.socket.reset();
    EXPECT_TRUE(until([&] {
        stays.client.read();
        return stays.client.got == "read";
    }));
    EXPECT_TRUE(ends(*gone.instance));
    EXPECT_TRUE(until([&] { return gateway_->totals().open == 1; }));
}

TEST_F(Together, WhatComesWithTheEndArrives) {
    entrance_.protocol = model::Protocol::tcp;
    begin();
    std::vector<Pair> pairs;
    for (int i = 0; i < 3; ++i) pairs.push_back(connect(front_, instance_));
    for (Pair& pair : pairs) {
        EXPECT_TRUE(pair.instance->send("the last words").empty());
        pair.instance->socket.reset();
    }
    for (Pair& pair : pairs) {
        EXPECT_TRUE(ends(pair.client));
        EXPECT_EQ(pair.client.got, "the last words");
        EXPECT_EQ(pair.client.error, 0);
    }
}

// Each asks thousands of times ahead and reads nothing before all that fits is answered.
TEST_F(Together, ClientsThatAskAheadGetEveryAnswerInItsOrder) {
    begin();
    constexpr std::size_t asked = 6'000;
    const auto answer_to = [](const std::string& path) {
        const std::string body = path + pattern(3'900);
        return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    };
    std::vector<Wire> clients;
    std::vector<std::unique_ptr<Wire>> instances;
    std::vector<std::string> requests(2);
    std::vector<std::string> expected(2);
    for (std::size_t i = 0; i < 2; ++i) {
        for (std::size_t number = 0; number < asked; ++number) {
            const std::string path = "/" + std::to_string(i) + "/" + std::to_string(number);
            requests[i] += "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n";
            expected[i] += answer_to(path);
        }
        clients.push_back(connect_to(front_.address));
    }
    std::size_t answered = 0;
    const auto serve = [&] {
        for (std::size_t i = 0; i < 2; ++i) requests[i] = clients[i].send(requests[i]);
        if (auto instance = instance_.accept()) instances.push_back(std::move(instance));
        for (const auto& instance : instances) {
            instance->read();
            if (instance->got.find("\r\n\r\n") == std::string::npos) continue;
            EXPECT_TRUE(instance->send(answer_to(instance->got.substr(4, instance->got.find(' ', 4) - 4))).empty());
            instance->got.clear();
            ++answered;
        }
    };
    // Where nobody was served for some turns, everything is full.
    for (std::size_t still = 0, before = 0; still < 50; still = answered == before ? still + 1 : 0, before = answered) {
        serve();
        turns(1);
    }
    EXPECT_LT(answered, 2 * asked) << "it never was full";
    EXPECT_TRUE(until([&] {
        serve();
        for (Wire& client : clients) client.read();
        return clients[0].got.size() >= expected[0].size() && clients[1].got.size() >= expected[1].size();
    }, 30'000));
    for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(clients[i].got == expected[i]) << clients[i].got.size() << " of " << expected[i].size();
}

// Its last response and the end of what it sends are told of together, at each possible fill of its socket.
TEST_F(Together, WhoEndsWithTheResponseGetsAllOfIt) {
    front_ = listen_unix("ends-with-the-response");
    begin();
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 3900\r\n\r\n" + pattern(3'900);
    std::vector<std::unique_ptr<Wire>> instances;
    Wire* asked = nullptr;
    const auto asks = [&](Wire& client) {
        asked = nullptr;
        EXPECT_TRUE(client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").empty());
        turns(2);
        if (auto instance = instance_.accept()) instances.push_back(std::move(instance));
        turns(1);
        for (const auto& instance : instances) {
            instance->read();
            if (instance->got.empty()) continue;
            instance->got.clear();
            asked = instance.get();
        }
        return asked != nullptr;
    };
    std::size_t unread = 0;
    for (;; ++unread) {
        Wire client = connect_to(front_.address);
        std::size_t answered = 0;
        while (answered < unread && asks(client)) {
            EXPECT_TRUE(asked->send(response).empty());
            turns(2);
            ++answered;
        }
        if (answered < unread || !asks(client)) break;  // it takes no more
        EXPECT_TRUE(asked->send(response).empty());
        sys::end_output(client.socket);
        turns(1);
        ASSERT_TRUE(ends(client));
        ASSERT_EQ(client.got.size(), (unread + 1) * response.size());
    }
    EXPECT_GT(unread, 10U);
}

// What it had asked ahead is nobody's any more.
TEST_F(Together, WhoIsResetWithTheResponseAsksForNothingMore) {
    begin();
    Wire client = connect_to(front_.address);
    const std::string request = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    EXPECT_TRUE(client.send(request + request).empty());
    auto instance = accepted();
    EXPECT_TRUE(until([&] {
        instance->read();
        return !instance->got.empty();
    }));
    instance->got.clear();
    EXPECT_TRUE(instance->send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").empty());
    sys::break_on_close(client.socket);
    client.socket.reset();
    EXPECT_TRUE(until([&] { return gateway_->totals().open == 0; }));
    instance->read();
    EXPECT_EQ(instance->got, "");
}

}  // namespace
}  // namespace baton::gateway
