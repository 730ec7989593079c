// How connections go from one worker to another: what arrives, in which pieces, and what is refused.
#include "gateway/passing.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <gtest/gtest.h>

#include "base/gateway_limits.h"
#include "gateway/proxy_header.h"
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

std::string bytes_of(const PassedHead& head) { return {reinterpret_cast<const char*>(&head), sizeof(head)}; }

class Passing : public testing::Test {
  protected:
    void SetUp() override {
        auto pair = sys::make_channel();
        ASSERT_TRUE(pair);
        channel_ = std::move(pair->first);
        taker_.emplace(std::move(pair->second));
    }
    void send(const std::string& bytes, const std::vector<int>& descriptors) { ASSERT_TRUE(sys::send_message(channel_, bytes, descriptors)); }
    // Clients that wait for an instance, each from the listener that `name` says of its number.
    template <class Name>
    static std::vector<Ends> add_clients(Giver& giver, int count, Name name) {
        std::vector<Ends> clients;
        for (int i = 0; i < count; ++i) {
            clients.push_back(stream());
            Passed passed;
            passed.client.stream = Stream(std::move(clients.back().theirs));
            passed.listener = name(i);
            giver.add(std::move(passed));
        }
        return clients;
    }
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
    Giver giver(std::move(channel_), 5);
    EXPECT_TRUE(giver.empty());
    Passed passed;
    Ends client = stream();
    passed.client.stream = Stream(std::move(client.theirs));
    passed.listener = "shared/tcp4:127.0.0.1:80";
    giver.add(std::move(passed));
    ASSERT_EQ(giver.flush(), Giver::Flushed::all);
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
    // The giver has it still, until it hears that it is the other's.
    EXPECT_FALSE(giver.empty());
    ASSERT_FALSE(giver.answered());
    ASSERT_EQ(*taker_->confirm(), 1U);
    const auto answered = giver.answered();
    ASSERT_TRUE(answered);
    EXPECT_EQ(answered->taken.size(), 1U);
    EXPECT_TRUE(giver.empty());
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
    Giver giver(std::move(channel_), 5);
    giver.add(std::move(passed));
    giver.add(relaying(client, upstream, ""));
    std::vector<Passed> all;
    for (int i = 0; i < 100 && all.size() < 2; ++i) {
        ASSERT_NE(giver.flush(), Giver::Flushed::gone);
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
    Giver giver(std::move(channel_), 5);
    const std::vector<Ends> clients = add_clients(giver, 300, [](int i) { return std::string(10'000, 'p') + std::to_string(i); });
    bool was_full = false;
    int arrived = 0;
    while (arrived < 300) {
        was_full = giver.flush() == Giver::Flushed::full || was_full;
        auto taken = taker_->take();
        ASSERT_TRUE(taken && *taken);
        ASSERT_EQ((*taken)->listener.substr(10'000), std::to_string(arrived));
        ++arrived;
    }
    EXPECT_TRUE(was_full);
    EXPECT_EQ(*taker_->confirm(), 300U);
    EXPECT_EQ(giver.answered()->taken.size(), 300U);
    EXPECT_TRUE(giver.empty());
}

TEST_F(Passing, AGiverWithoutATakerIsTold) {
    taker_.reset();
    Giver giver(std::move(channel_), 5);
    Passed passed;
    Ends client = stream();
    passed.client.stream = Stream(std::move(client.theirs));
    passed.listener = "";
    giver.add(std::move(passed));
    EXPECT_EQ(giver.flush(), Giver::Flushed::gone);
    const auto answered = giver.answered();
    ASSERT_FALSE(answered);
    EXPECT_NE(answered.error().code(), EAGAIN);
    // It has all of it still.
    const auto back = giver.take_back();
    ASSERT_EQ(back.size(), 1U);
    EXPECT_TRUE(back[0].client.stream.socket().valid());
    EXPECT_FALSE(is_closed(client.mine));
}

TEST_F(Passing, WhatAProxyHeaderToldGoesAlong) {
    auto pair = sys::make_channel();
    Giver giver(std::move(pair->first), 5);
    Taker taker(std::move(pair->second));
    const std::array<std::uint8_t, 4> from{192, 0, 2, 1};
    Ends client;
    Ends upstream;
    Passed passed = relaying(client, upstream, "pool");
    passed.address = ClientAddress(from, 4711);
    passed.address.announced = true;
    passed.address.to = {10, 0, 0, 9};
    passed.address.to_port = 80;
    giver.add(std::move(passed));
    ASSERT_EQ(giver.flush(), Giver::Flushed::all);
    const auto taken = taker.take();
    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ(write_proxy_header(model::ProxyProtocol::v1, (*taken)->address, ClientAddress()), "PROXY TCP4 192.0.2.1 10.0.0.9 4711 80\r\n");
}

// What a worker of another version reads. It may only grow at its end.
TEST_F(Passing, TheHeadIsAsPublished) {
    auto pair = sys::make_channel();
    Giver giver(std::move(pair->first), 5);
    Ends client;
    Ends upstream;
    Passed passed = relaying(client, upstream, "pool");
    passed.endpoint = 0x0102030405060708;
    passed.upstream.unsent = unsent("0123456789");
    passed.client.unsent = unsent("abc");
    passed.client.ended = passed.upstream.told = true;
    passed.listener = "shared/tcp4:127.0.0.1:80";
    giver.add(std::move(passed));
    ASSERT_EQ(giver.flush(), Giver::Flushed::all);
    std::string all;
    for (int i = 0; i < 3; ++i) {
        const auto received = sys::receive_message(pair->second);
        ASSERT_TRUE(received);
        EXPECT_EQ(received->descriptors.size(), i == 0 ? 2U : 0U);
        all += received->bytes;
    }
    EXPECT_EQ(test::differs_from_golden_bytes("passed_connection", all), "");
}

TEST_F(Passing, TheAnswerIsAsPublished) {
    PassedHead unusable;
    unusable.kind = static_cast<PassedKind>(77);
    Ends client = stream();
    send(bytes_of(PassedHead()), {client.theirs.get()});
    send(bytes_of(unusable), {});
    ASSERT_TRUE(*taker_->take());
    ASSERT_FALSE(*taker_->take());
    ASSERT_EQ(*taker_->confirm(), 1U);
    EXPECT_EQ(test::differs_from_golden_bytes("passed_answer", sys::receive_message(channel_)->bytes), "");
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

// What arrives: raw messages with so many descriptors each, whose other ends show what became of them.
class Arriving {
  public:
    Arriving() {
        auto pair = sys::make_channel();
        channel = std::move(pair->first);
        taker.emplace(std::move(pair->second));
    }
    void send(const std::string& bytes, std::size_t descriptors) {
        std::vector<int> raw;
        for (std::size_t i = 0; i < descriptors; ++i) {
            Ends made = stream();
            raw.push_back(made.theirs.get());
            peers.push_back(std::move(made.mine));
            copies.push_back(std::move(made.theirs));
        }
        EXPECT_TRUE(sys::send_message(channel, bytes, raw));
        copies.clear();
    }
    bool all_closed() const {
        return std::all_of(peers.begin(), peers.end(), [](const sys::UniqueFd& peer) { return is_closed(peer); });
    }
    PassedAnswer answer() const {
        PassedAnswer answer{UINT32_MAX, UINT32_MAX};
        const auto received = sys::receive_message(channel);
        if (received && received->bytes.size() == sizeof(answer)) std::memcpy(&answer, received->bytes.data(), sizeof(answer));
        return answer;
    }

    sys::UniqueFd channel;
    std::optional<Taker> taker;
    std::vector<sys::UniqueFd> peers;

  private:
    std::vector<sys::UniqueFd> copies;
};

// Where the next one begins cannot be known then.
TEST_F(Passing, WhatCannotBeReadEndsTheChannel) {
    const auto ends = [](const std::string& bytes, std::size_t descriptors, const std::string& more = {}) {
        Arriving arriving;
        arriving.send(bytes, descriptors);
        if (!more.empty()) arriving.send(more, 0);
        const bool failed = !arriving.taker->take().has_value();
        // Whose connection was refused hears of it once the taker is gone.
        arriving.taker.reset();
        return failed && arriving.all_closed();
    };
    const auto head = [](auto change) {
        PassedHead made;
        change(made);
        return bytes_of(made);
    };
    EXPECT_TRUE(ends("abc", 1));
    EXPECT_TRUE(ends(head([](PassedHead& h) { h.size = offsetof(PassedHead, client_ended) - 1; }), 1));
    EXPECT_TRUE(ends(head([](PassedHead& h) { h.size = sizeof(h) + 1; }), 1));
    EXPECT_TRUE(ends(head([](PassedHead& h) { h.size = UINT32_MAX; }), 1));
    EXPECT_TRUE(ends(head([](PassedHead& h) { h.for_upstream = 3; }), 1, "four"));
}

// It is closed here, and the giver is told that it has it still; what comes behind it arrives.
TEST_F(Passing, WhatCannotBeUsedIsRefusedAlone) {
    const auto refused = [](auto change, std::size_t descriptors, std::size_t bytes = 0) {
        PassedHead head;
        change(head);
        head.for_upstream = std::max<std::uint64_t>(head.for_upstream, bytes);
        Arriving arriving;
        arriving.send(bytes_of(PassedHead()), 1);
        arriving.send(bytes_of(head), descriptors);
        for (std::size_t sent = 0; sent < bytes; sent += limits::passed_piece_bytes) {
            arriving.send(std::string(std::min(limits::passed_piece_bytes, bytes - sent), 'x'), 0);
            const auto taken = arriving.taker->take();
            EXPECT_TRUE(taken && taken->has_value() == (sent == 0));
        }
        arriving.send(bytes_of(PassedHead()) + "last", 1);
        std::string taken = bytes == 0 ? "" : ",";
        while (true) {
            auto next = arriving.taker->take();
            EXPECT_TRUE(next);
            if (!next || !*next) break;
            taken += (*next)->listener + ",";
        }
        EXPECT_EQ(taken, ",last,");
        EXPECT_EQ(*arriving.taker->confirm(), 2U);
        const PassedAnswer first = arriving.answer();
        const PassedAnswer second = arriving.answer();
        EXPECT_EQ(second.count, 1U);
        EXPECT_EQ(second.refused, 0U);
        return first.count == 2 && first.refused == 1 && arriving.all_closed();
    };
    EXPECT_TRUE(refused([](PassedHead&) {}, 0));
    EXPECT_TRUE(refused([](PassedHead&) {}, 2));
    EXPECT_TRUE(refused([](PassedHead& h) { h.endpoint = 1; }, 1));
    EXPECT_TRUE(refused([](PassedHead& h) { h.endpoint = 1; }, 3));
    EXPECT_TRUE(refused([](PassedHead& h) { h.address_size = 5; }, 1));
    EXPECT_TRUE(refused([](PassedHead& h) { h.kind = static_cast<PassedKind>(77); }, 1));
    EXPECT_TRUE(refused([](PassedHead& h) { h.kind = PassedKind::flow; }, 1, 10));
    EXPECT_TRUE(refused([](PassedHead&) {}, 1, limits::passed_bytes + 1));
}

// The largest head of a request that may be half read.
TEST_F(Passing, AsMuchAsAConnectionMayHoldArrives) {
    Giver giver(std::move(channel_), 5);
    Passed passed;
    Ends client = stream();
    passed.client.stream = Stream(std::move(client.theirs));
    const std::string bytes = pattern(limits::passed_bytes, 4);
    passed.upstream.unsent = unsent(bytes);
    giver.add(std::move(passed));
    std::optional<Passed> whole;
    for (std::size_t i = 0; i <= limits::passed_bytes / limits::passed_piece_bytes && !whole; ++i) {
        ASSERT_NE(giver.flush(), Giver::Flushed::gone);
        auto taken = taker_->take();
        ASSERT_TRUE(taken) << taken.error().message();
        whole = std::move(*taken);
    }
    ASSERT_TRUE(whole);
    EXPECT_TRUE(text_of(whole->upstream) == bytes);
}

TEST_F(Passing, WhatIsRefusedIsTheGiversAgain) {
    Giver giver(std::move(channel_), 5);
    const std::vector<Ends> clients = add_clients(giver, 5, [](int i) { return std::to_string(i); });
    ASSERT_EQ(giver.flush(), Giver::Flushed::all);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(*taker_->take());
    const auto answer = [&](PassedAnswer told, std::size_t size = sizeof(PassedAnswer)) {
        EXPECT_TRUE(sys::send_message(taker_->channel(), std::string_view(reinterpret_cast<const char*>(&told), size)));
        return giver.answered();
    };
    auto answered = answer({3, 1});
    ASSERT_TRUE(answered && answered->refused);
    EXPECT_EQ(answered->taken.size(), 2U);
    EXPECT_EQ(answered->refused->listener, "2");
    EXPECT_TRUE(answered->refused->refused);
    EXPECT_TRUE(answered->refused->client.stream.socket().valid());
    // One of a version that knows only the count, and more than there are.
    answered = answer({1, 77}, sizeof(std::uint32_t));
    ASSERT_TRUE(answered);
    EXPECT_EQ(answered->taken.size(), 1U);
    EXPECT_FALSE(answered->refused);
    answered = answer({1'000, 0});
    ASSERT_TRUE(answered);
    EXPECT_EQ(answered->taken.size(), 1U);
    EXPECT_TRUE(giver.empty());
}

// What it has confirmed before is gone with it; that is read although it left something unread.
TEST_F(Passing, ATakerThatDiesLeavesWhatItHasNotConfirmed) {
    Giver giver(std::move(channel_), 5);
    const std::vector<Ends> clients = add_clients(giver, 5, [](int) { return std::string(); });
    ASSERT_EQ(giver.flush(), Giver::Flushed::all);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(*taker_->take());
    ASSERT_EQ(*taker_->confirm(), 2U);
    ASSERT_TRUE(*taker_->take());
    taker_.reset();
    const auto answered = giver.answered();
    ASSERT_TRUE(answered) << answered.error().message();
    EXPECT_EQ(answered->taken.size(), 2U);
    const auto over = giver.answered();
    ASSERT_FALSE(over);
    EXPECT_NE(over.error().code(), EAGAIN);
    EXPECT_EQ(giver.take_back().size(), 3U);
}

TEST_F(Passing, WhoseGiverDiesInTheMiddleIsClosed) {
    Ends client;
    Ends upstream;
    Passed passed = relaying(client, upstream, "pool");
    passed.upstream.unsent = unsent(pattern(limits::passed_piece_bytes * 2, 3));
    auto pair = sys::make_channel();
    {
        Giver giver(std::move(pair->first), 5);
        giver.add(std::move(passed));
        ASSERT_EQ(giver.flush(), Giver::Flushed::all);
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
    ASSERT_TRUE(taken);
    EXPECT_FALSE(*taken);
    EXPECT_EQ(*taker_->confirm(), 0U);
    const auto told = sys::receive_message(channel_);
    ASSERT_TRUE(told);
    PassedAnswer answer;
    ASSERT_EQ(told->bytes.size(), sizeof(answer));
    std::memcpy(&answer, told->bytes.data(), sizeof(answer));
    EXPECT_EQ(answer.count, 1U);
    EXPECT_EQ(answer.refused, 1U);
}

}  // namespace
}  // namespace baton::gateway
