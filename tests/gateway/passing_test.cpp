// How connections go from one worker to another: what arrives, in which pieces, and what is refused.
#include "gateway/passing.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <gtest/gtest.h>

#include "base/gateway_limits.h"
#include "golden.h"
#include "loop.h"
#include "sys/channel.h"

namespace baton::gateway {
namespace {

struct Ends {
    sys::UniqueFd mine;
    sys::UniqueFd theirs;
};

Ends stream() {
    int both[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both), 0);
    return {sys::UniqueFd(both[0]), sys::UniqueFd(both[1])};
}

std::unique_ptr<Unsent> unsent(std::string_view bytes, std::size_t from = 0) {
    auto made = std::make_unique<Unsent>();
    made->bytes.assign(bytes.begin(), bytes.end());
    made->from = from;
    return made;
}

std::string text_of(const Leg& leg) {
    return leg.unsent ? std::string(leg.unsent->bytes.begin() + static_cast<std::ptrdiff_t>(leg.unsent->from), leg.unsent->bytes.end()) : std::string();
}

bool is_closed(const sys::UniqueFd& peer) {
    char one = 0;
    return ::recv(peer.get(), &one, 1, 0) == 0;
}

class Passing : public testing::Test {
  protected:
    void SetUp() override {
        auto pair = sys::make_channel();
        ASSERT_TRUE(pair);
        channel_ = std::move(pair->first);
        taker_.emplace(std::move(pair->second));
    }
    void send(const std::string& bytes, const std::vector<int>& descriptors) { ASSERT_TRUE(sys::send_message(channel_, bytes, descriptors)); }
    static std::string bytes_of(const PassedHead& head) { return {reinterpret_cast<const char*>(&head), sizeof(head)}; }
    // Both of its descriptors lead here.
    Passed relaying(Ends& client, Ends& upstream, const std::string& listener) {
        Passed passed;
        client = stream();
        upstream = stream();
        passed.listener = listener;
        passed.client.stream = Stream(std::move(client.theirs));
        passed.upstream.stream = Stream(std::move(upstream.theirs));
        passed.endpoint = 42;
        return passed;
    }

    sys::UniqueFd channel_;
    std::optional<Taker> taker_;
};

TEST_F(Passing, AWaitingClientArrivesAlone) {
    Giver giver(std::move(channel_));
    EXPECT_TRUE(giver.empty());
    Passed passed;
    Ends client = stream();
    passed.client.stream = Stream(std::move(client.theirs));
    passed.listener = "shared/tcp4:127.0.0.1:80";
    giver.add(std::move(passed));
    EXPECT_FALSE(giver.empty());
    ASSERT_TRUE(giver.flush());
    EXPECT_TRUE(giver.empty());
    auto taken = taker_->take();
    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ((*taken)->listener, "shared/tcp4:127.0.0.1:80");
    EXPECT_EQ((*taken)->endpoint, 0U);
    EXPECT_TRUE((*taken)->client.stream.socket().valid());
    EXPECT_FALSE((*taken)->upstream.stream.socket().valid());
    ASSERT_EQ(::send((*taken)->client.stream.socket().get(), "x", 1, 0), 1);
    char got = 0;
    EXPECT_EQ(::recv(client.mine.get(), &got, 1, 0), 1);
    taken = taker_->take();
    ASSERT_TRUE(taken);
    EXPECT_FALSE(*taken);
}

TEST_F(Passing, BytesAndFlagsArriveWhole) {
    const std::string for_upstream = pattern(3 * limits::passed_piece_bytes + 17, 1);
    const std::string for_client = pattern(limits::passed_piece_bytes, 2);
    Ends client;
    Ends upstream;
    Passed passed = relaying(client, upstream, "pool");
    passed.upstream.unsent = unsent("written already" + for_upstream, 15);
    passed.client.unsent = unsent(for_client);
    passed.client.ended = passed.upstream.told = passed.upstream.deaf = true;
    Giver giver(std::move(channel_));
    giver.add(std::move(passed));
    giver.add(relaying(client, upstream, ""));
    std::vector<Passed> all;
    for (int i = 0; i < 100 && all.size() < 2; ++i) {
        const auto flushed = giver.flush();
        ASSERT_TRUE(flushed || flushed.error().code() == EAGAIN);
        auto taken = taker_->take();
        ASSERT_TRUE(taken) << taken.error().message();
        if (*taken) all.push_back(std::move(**taken));
    }
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(text_of(all[0].upstream), for_upstream);
    EXPECT_EQ(text_of(all[0].client), for_client);
    EXPECT_TRUE(all[0].client.ended && all[0].upstream.told && all[0].upstream.deaf);
    EXPECT_FALSE(all[1].upstream.deaf);
    EXPECT_FALSE(all[0].client.told || all[0].upstream.ended);
    EXPECT_EQ(all[0].endpoint, 42U);
    EXPECT_EQ(all[1].listener, "");
    EXPECT_FALSE(all[1].client.unsent || all[1].upstream.unsent);
}

TEST_F(Passing, NothingIsLostWhenTheOtherSideIsSlow) {
    Giver giver(std::move(channel_));
    std::vector<Ends> clients;
    for (int i = 0; i < 300; ++i) {
        clients.push_back(stream());
        Passed passed;
        passed.client.stream = Stream(std::move(clients.back().theirs));
        passed.listener = std::string(10'000, 'p') + std::to_string(i);
        giver.add(std::move(passed));
    }
    bool was_full = false;
    int arrived = 0;
    while (arrived < 300) {
        const auto flushed = giver.flush();
        if (!flushed) {
            ASSERT_EQ(flushed.error().code(), EAGAIN);
            was_full = true;
        }
        auto taken = taker_->take();
        ASSERT_TRUE(taken && *taken);
        ASSERT_EQ((*taken)->listener.substr(10'000), std::to_string(arrived));
        ++arrived;
    }
    EXPECT_TRUE(was_full);
    EXPECT_TRUE(giver.empty());
}

TEST_F(Passing, AGiverWithoutATakerIsTold) {
    taker_.reset();
    Giver giver(std::move(channel_));
    Passed passed;
    Ends client = stream();
    passed.client.stream = Stream(std::move(client.theirs));
    passed.listener = "";
    giver.add(std::move(passed));
    const auto flushed = giver.flush();
    ASSERT_FALSE(flushed);
    EXPECT_NE(flushed.error().code(), EAGAIN);
}

// What a worker of another version reads. It may only grow at its end.
TEST_F(Passing, TheHeadIsAsPublished) {
    auto pair = sys::make_channel();
    Giver giver(std::move(pair->first));
    Ends client;
    Ends upstream;
    Passed passed = relaying(client, upstream, "pool");
    passed.endpoint = 0x0102030405060708;
    passed.upstream.unsent = unsent("0123456789");
    passed.client.unsent = unsent("abc");
    passed.client.ended = passed.upstream.told = true;
    passed.listener = "shared/tcp4:127.0.0.1:80";
    giver.add(std::move(passed));
    ASSERT_TRUE(giver.flush());
    std::string all;
    for (int i = 0; i < 3; ++i) {
        const auto received = sys::receive_message(pair->second);
        ASSERT_TRUE(received);
        EXPECT_EQ(received->descriptors.size(), i == 0 ? 2U : 0U);
        all += received->bytes;
    }
    EXPECT_EQ(test::differs_from_golden_bytes("passed_connection", all), "");
}

TEST_F(Passing, AShorterHeadTakesTheDefaults) {
    PassedHead head;
    head.size = offsetof(PassedHead, client_ended);
    head.endpoint = 9;
    head.client_ended = head.upstream_told = 1;  // beyond its end: the pool's name
    Ends client = stream();
    Ends upstream = stream();
    send(bytes_of(head).substr(0, head.size) + "pool", {client.theirs.get(), upstream.theirs.get()});
    const auto taken = taker_->take();
    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ((*taken)->listener, "pool");
    EXPECT_EQ((*taken)->endpoint, 9U);
    EXPECT_FALSE((*taken)->client.ended || (*taken)->upstream.told);
}

TEST_F(Passing, ALongerHeadIsReadAsFarAsItIsKnown) {
    PassedHead head;
    head.size = sizeof(head) + 24;
    head.version = 2;
    head.upstream_ended = 1;
    head.endpoint = 9;
    Ends client = stream();
    Ends upstream = stream();
    send(bytes_of(head) + std::string(24, '\x7f') + "pool", {client.theirs.get(), upstream.theirs.get()});
    const auto taken = taker_->take();
    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ((*taken)->listener, "pool");
    EXPECT_TRUE((*taken)->upstream.ended);
}

TEST_F(Passing, WhatIsMalformedIsRefused) {
    const auto refused = [](const std::string& bytes, std::size_t descriptors, const std::string& more = {}) {
        auto pair = sys::make_channel();
        Taker taker(std::move(pair->second));
        std::vector<Ends> ends;
        std::vector<int> raw;
        for (std::size_t i = 0; i < descriptors; ++i) {
            ends.push_back(stream());
            raw.push_back(ends.back().theirs.get());
        }
        EXPECT_TRUE(sys::send_message(pair->first, bytes, raw));
        EXPECT_TRUE(more.empty() || sys::send_message(pair->first, more));
        for (Ends& one : ends) one.theirs.reset();
        const bool failed = !taker.take().has_value();
        // Whose connection was refused hears of it once the taker is gone.
        { const Taker gone = std::move(taker); }
        for (const Ends& one : ends) EXPECT_TRUE(is_closed(one.mine));
        return failed;
    };
    const auto head = [](auto change) {
        PassedHead made;
        change(made);
        return bytes_of(made);
    };
    EXPECT_TRUE(refused("abc", 1));
    EXPECT_TRUE(refused(head([](PassedHead& h) { h.size = offsetof(PassedHead, client_ended) - 1; }), 1));
    EXPECT_TRUE(refused(head([](PassedHead& h) { h.size = sizeof(h) + 1; }), 1));
    EXPECT_TRUE(refused(head([](PassedHead& h) { h.size = UINT32_MAX; }), 1));
    EXPECT_TRUE(refused(head([](PassedHead&) {}), 0));
    EXPECT_TRUE(refused(head([](PassedHead&) {}), 2));
    EXPECT_TRUE(refused(head([](PassedHead& h) { h.endpoint = 1; }), 1));
    EXPECT_TRUE(refused(head([](PassedHead& h) { h.endpoint = 1; }), 3));
    EXPECT_TRUE(refused(head([](PassedHead& h) { h.for_client = limits::relay_buffer_bytes + 1; }), 1));
    EXPECT_TRUE(refused(head([](PassedHead& h) { h.for_upstream = UINT64_MAX; }), 1));
    EXPECT_TRUE(refused(head([](PassedHead& h) { h.for_upstream = 3; }), 1, "four"));
}

TEST_F(Passing, WhoseGiverDiesInTheMiddleIsClosed) {
    Ends client;
    Ends upstream;
    Passed passed = relaying(client, upstream, "pool");
    passed.upstream.unsent = unsent(pattern(limits::passed_piece_bytes * 2, 3));
    auto pair = sys::make_channel();
    {
        Giver giver(std::move(pair->first));
        giver.add(std::move(passed));
        ASSERT_TRUE(giver.flush());
    }
    // Only the first two messages have left the giver when it died.
    auto fresh = sys::make_channel();
    for (int i = 0; i < 2; ++i) {
        auto received = sys::receive_message(pair->second);
        ASSERT_TRUE(received);
        std::vector<int> raw;
        for (const auto& fd : received->descriptors) raw.push_back(fd.get());
        ASSERT_TRUE(sys::send_message(fresh->first, received->bytes, raw));
    }
    pair->second.reset();
    {
        Taker taker(std::move(fresh->second));
        auto taken = taker.take();
        ASSERT_TRUE(taken);
        EXPECT_FALSE(*taken);
        fresh->first.reset();
        taken = taker.take();
        ASSERT_FALSE(taken);
        EXPECT_NE(taken.error().message().find("ended"), std::string::npos);
    }
    EXPECT_TRUE(is_closed(client.mine));
    EXPECT_TRUE(is_closed(upstream.mine));
}

TEST_F(Passing, WithoutRoomForDescriptorsItIsRefused) {
    Ends client = stream();
    Ends upstream = stream();
    PassedHead head;
    head.endpoint = 1;
    send(bytes_of(head), {client.theirs.get(), upstream.theirs.get()});
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const sys::UniqueFd next(::fcntl(channel_.get(), F_DUPFD_CLOEXEC, 0));
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(next.get() + 1);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto taken = taker_->take();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().message().find("no room"), std::string::npos);
}

}  // namespace
}  // namespace baton::gateway
