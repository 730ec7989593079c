#include "engine/keeper_link.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace baton::engine {
namespace {

// A link whose keeper is this test.
struct KeeperLinkTest : testing::Test {
    KeeperLinkTest() {
        auto channel = sys::make_channel();
        keeper = std::move(channel->first);
        link.emplace(context, std::move(channel->second));
    }

    // How many messages wait to be read, which then are.
    int read_all() {
        int count = 0;
        for (; sys::receive_message(keeper); ++count) {}
        return count;
    }

    boost::asio::io_context context;
    sys::UniqueFd keeper;
    std::optional<KeeperLink> link;
};

TEST_F(KeeperLinkTest, AKeeperThatDoesNotReadIsSentNoMoreBeats) {
    EXPECT_EQ(link->silence(), 0);
    link->beat();
    EXPECT_EQ(read_all(), 1);
    for (int i = 0; i < 10; ++i) link->beat();
    EXPECT_EQ(read_all(), 1);
    link->beat();
    EXPECT_EQ(link->silence(), 0);
    EXPECT_EQ(read_all(), 1);
}

// However long it is stopped: beats alone never fill the channel, so the master does not take it for dead.
TEST_F(KeeperLinkTest, AKeeperThatIsStoppedForLongIsNotLost) {
    for (int i = 0; i < 100'000; ++i) link->beat();
    EXPECT_EQ(read_all(), 1);
    link->beat();
    EXPECT_EQ(read_all(), 1);
}

// The deadline of five seconds for an answer.
TEST_F(KeeperLinkTest, AKeeperThatDoesNotAnswerIsNotWaitedForForEver) {
    const auto held = link->fetch_held();
    ASSERT_FALSE(held);
    EXPECT_EQ(held.error().message(), "the keeper does not answer");
    EXPECT_EQ(read_all(), 1);
}

TEST_F(KeeperLinkTest, AKeeperThatIsGoneIsNotWaitedFor) {
    keeper.reset();
    const auto children = link->fetch_children();
    ASSERT_FALSE(children);
    EXPECT_EQ(children.error().message(), "the keeper is gone");
}

}  // namespace
}  // namespace baton::engine
