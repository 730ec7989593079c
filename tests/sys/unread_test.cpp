#include "sys/unread.h"

#include <gtest/gtest.h>

#include "sys/channel.h"

namespace baton::sys {
namespace {

TEST(Unread, WhatTheOtherSideHasNotReadIsCounted) {
    auto channel = make_channel();
    ASSERT_TRUE(channel);
    const auto& [here, there] = *channel;
    EXPECT_EQ(unread(here), 0U);
    ASSERT_TRUE(send_message(here, "one"));
    ASSERT_TRUE(send_message(here, "two"));
    EXPECT_GT(unread(here), 0U);
    EXPECT_EQ(unread(there), 0U);
    ASSERT_TRUE(receive_message(there));
    EXPECT_GT(unread(here), 0U);
    ASSERT_TRUE(receive_message(there));
    EXPECT_EQ(unread(here), 0U);
}

}  // namespace
}  // namespace baton::sys
