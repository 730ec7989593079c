#include "sys/entrance.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace baton::sys {
namespace {

namespace fs = std::filesystem;

struct EntranceTest : testing::Test {
    EntranceTest() {
        std::string pattern = "/tmp/entrance-XXXXXX";
        folder = fs::canonical(::mkdtemp(pattern.data()));
        fs::create_directories(folder + "/outer/inner");
        for (const char* one : {"", "/outer", "/outer/inner"}) ::chmod((folder + one).c_str(), 0755);
    }
    ~EntranceTest() override { fs::remove_all(folder); }

    // What stands against this user's way to `inner`.
    std::string hindrance(const std::string& user, const std::string& way = "/outer/inner") const {
        const auto found = find_user(user);
        EXPECT_TRUE(found);
        const auto tested = test_entrance(folder + way, *found);
        return tested ? "" : tested.error().message();
    }
    std::string folder;
};

TEST_F(EntranceTest, TheFirstClosedFolderIsNamed) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can try it for others";
    EXPECT_EQ(hindrance("nobody"), "");
    ::chmod((folder + "/outer/inner").c_str(), 0700);
    EXPECT_EQ(hindrance("nobody"), "user nobody cannot enter the folder " + folder + "/outer/inner (mode 0700, of uid 0 and gid 0)");
    ::chmod((folder + "/outer").c_str(), 0700);
    EXPECT_EQ(hindrance("nobody"), "user nobody cannot enter the folder " + folder + "/outer (mode 0700, of uid 0 and gid 0)");
    EXPECT_EQ(hindrance("root"), "");
}

TEST_F(EntranceTest, AGroupMayEnter) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can try it for others";
    const auto user = find_user("nobody");
    ASSERT_EQ(::chown((folder + "/outer").c_str(), 0, user->gid), 0);
    ::chmod((folder + "/outer").c_str(), 0710);
    EXPECT_EQ(hindrance("nobody"), "");
    ASSERT_EQ(::chown((folder + "/outer").c_str(), user->uid, 0), 0);
    ::chmod((folder + "/outer").c_str(), 0055);
    EXPECT_NE(hindrance("nobody"), "") << "the owner's own rights count";
}

TEST_F(EntranceTest, WhatIsNotThereYetIsNoHindrance) {
    EXPECT_EQ(hindrance("nobody", "/outer/new/newer"), "");
    if (::geteuid() != 0) return;
    ::chmod((folder + "/outer").c_str(), 0700);
    EXPECT_NE(hindrance("nobody", "/outer/new/newer"), "");
}

TEST_F(EntranceTest, ALinkIsFollowed) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can try it for others";
    fs::create_symlink(folder + "/outer", folder + "/link");
    EXPECT_EQ(hindrance("nobody", "/link/inner"), "");
    ::chmod((folder + "/outer").c_str(), 0700);
    EXPECT_NE(hindrance("nobody", "/link/inner").find(folder + "/outer ("), std::string::npos);
}

}  // namespace
}  // namespace baton::sys
