#include "sys/user.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::sys {
namespace {

TEST(User, IsFoundByNameAndByUid) {
    const auto root = find_user("root");
    ASSERT_TRUE(root) << root.error().message();
    EXPECT_EQ(root->uid, 0U);
    EXPECT_EQ(root->gid, 0U);
    EXPECT_EQ(root->name, "root");
    EXPECT_EQ(root->home, "/root");
    EXPECT_FALSE(root->shell.empty());
    EXPECT_NE(std::find(root->groups.begin(), root->groups.end(), 0U), root->groups.end());
    const auto daemon = find_user("1");
    ASSERT_TRUE(daemon) << daemon.error().message();
    EXPECT_EQ(daemon->name, "daemon");
    EXPECT_EQ(daemon->uid, 1U);
}

TEST(User, AnUnknownOneIsAnErrorThatNamesIt) {
    for (const char* const name :
         {"no-such-user", "4294967295", "4294967296", "-1", "1x", "3999999999", ""}) {
        const auto user = find_user(name);
        ASSERT_FALSE(user) << name;
        EXPECT_EQ(user.error().message(), "user " + std::string(name) + ": no such user");
    }
}

}  // namespace
}  // namespace baton::sys
