#include "sys/readiness.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <gtest/gtest.h>

#include "network.h"
#include "sys/channel.h"
#include "sys/listen.h"

namespace baton::sys {
namespace {

struct Ends {
    UniqueFd mine;
    UniqueFd theirs;
};

Ends stream() {
    int both[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both), 0);
    return {UniqueFd(both[0]), UniqueFd(both[1])};
}

class Told : public testing::Test {
  protected:
    void SetUp() override {
        auto made = Epoll::create(8);
        ASSERT_TRUE(made);
        epoll_.emplace(std::move(*made));
    }
    // "7r", "7rwe": what is told of each token, in the order of the kernel.
    std::string told(int timeout_ms = 0) {
        std::string text;
        for (const Readiness& one : epoll_->wait(timeout_ms)) {
            text += (text.empty() ? "" : " ") + std::to_string(one.token) + (one.readable ? "r" : "") + (one.writable ? "w" : "") + (one.ended ? "e" : "");
        }
        return text;
    }
    static void say(const UniqueFd& socket) { EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), 1); }

    std::optional<Epoll> epoll_;
};

TEST_F(Told, OfAStreamIsToldOnceForWhatIsNew) {
    const Ends ends = stream();
    ASSERT_TRUE(epoll_->add(ends.mine, Epoll::Watch::stream, 7));
    EXPECT_EQ(told(), "");
    say(ends.theirs);
    EXPECT_EQ(told(), "7r");
    EXPECT_EQ(told(), "");
    say(ends.theirs);
    EXPECT_EQ(told(), "7r");
    ::shutdown(ends.theirs.get(), SHUT_WR);
    EXPECT_EQ(told(), "7re");
    EXPECT_EQ(told(), "");
}

// What was there before it is watched is told of too: nothing is missed between the two.
TEST_F(Told, OfAStreamIncludesWhatWasThere) {
    const Ends ends = stream();
    say(ends.theirs);
    ASSERT_TRUE(epoll_->add(ends.mine, Epoll::Watch::stream_writing, 7));
    EXPECT_EQ(told(), "7rw");
    EXPECT_EQ(told(), "");
    epoll_->change(ends.mine, Epoll::Watch::stream_writing, 8);
    EXPECT_EQ(told(), "8rw");
}

TEST_F(Told, OfABrokenStreamIsEverything) {
    Ends ends = stream();
    ASSERT_TRUE(epoll_->add(ends.mine, Epoll::Watch::stream, 7));
    ends.theirs.reset();
    EXPECT_EQ(told(), "7rwe");
}

TEST_F(Told, OfAChannelIsToldAsLongAsItIsSo) {
    auto pair = make_channel();
    ASSERT_TRUE(epoll_->add(pair->first, Epoll::Watch::channel, 3));
    EXPECT_EQ(told(), "");
    ASSERT_TRUE(send_message(pair->second, "one"));
    EXPECT_EQ(told(), "3r");
    EXPECT_EQ(told(), "3r");
    ASSERT_TRUE(receive_message(pair->first));
    EXPECT_EQ(told(), "");
    epoll_->change(pair->first, Epoll::Watch::channel_writing, 3);
    EXPECT_EQ(told(), "3w");
    EXPECT_EQ(told(), "3w");
    epoll_->change(pair->first, Epoll::Watch::channel, 3);
    EXPECT_EQ(told(), "");
    pair->second.reset();
    EXPECT_EQ(told(), "3rwe");
    epoll_->remove(pair->first);
    EXPECT_EQ(told(), "");
}

TEST_F(Told, OfAListenerWakesOneOfThoseWhoWait) {
    const auto spec = sys_test::free_listener(model::Family::inet4, "127.0.0.1", model::Protocol::tcp);
    const auto listener = open_listener(spec, Sharing::single, true);
    ASSERT_TRUE(listener);
    ASSERT_TRUE(epoll_->add(*listener, Epoll::Watch::listener, 1));
    EXPECT_EQ(told(), "");
    const UniqueFd client = sys_test::connect_to(spec.address);
    EXPECT_EQ(told(1'000), "1r");
    EXPECT_EQ(told(), "1r");
}

TEST_F(Told, IsToldForAsManyAsThereIsRoomFor) {
    std::vector<Ends> all;
    for (std::uint64_t i = 0; i < 20; ++i) {
        all.push_back(stream());
        ASSERT_TRUE(epoll_->add(all.back().mine, Epoll::Watch::stream, i));
        say(all.back().theirs);
    }
    EXPECT_EQ(epoll_->wait(0).size(), 8U);
    EXPECT_EQ(epoll_->wait(0).size(), 8U);
    EXPECT_EQ(epoll_->wait(0).size(), 4U);
    EXPECT_EQ(epoll_->wait(0).size(), 0U);
}

TEST_F(Told, CannotBeToldOfWhatIsNoStream) {
    const UniqueFd none;
    EXPECT_FALSE(epoll_->add(none, Epoll::Watch::stream, 1));
    const Ends ends = stream();
    ASSERT_TRUE(epoll_->add(ends.mine, Epoll::Watch::stream, 1));
    const auto twice = epoll_->add(ends.mine, Epoll::Watch::stream, 1);
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code(), EEXIST);
}

}  // namespace
}  // namespace baton::sys
