#include "sys/lock.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace baton::sys {
namespace {

struct LockTest : testing::Test {
    LockTest() {
        std::string pattern = testing::TempDir() + "lock-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        path = folder + "/lock";
    }
    ~LockTest() override { std::filesystem::remove_all(folder); }
    std::string folder;
    std::string path;
};

TEST_F(LockTest, WhoComesLaterIsToldWhoHasIt) {
    auto mine = lock_file(path, 4711);
    ASSERT_TRUE(mine) << mine.error().message();
    const auto other = lock_file(path, 4712);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code(), EWOULDBLOCK);
    EXPECT_EQ(other.error().message(), "lock " + path + ": process 4711 has it");
    mine->reset();
    EXPECT_TRUE(lock_file(path, 4712));
}

TEST_F(LockTest, ACopyKeepsIt) {
    auto mine = lock_file(path, 4711);
    ASSERT_TRUE(mine);
    auto copy = duplicate(*mine);
    ASSERT_TRUE(copy);
    mine->reset();
    EXPECT_FALSE(lock_file(path, 4712));
    copy->reset();
    EXPECT_TRUE(lock_file(path, 4712));
}

TEST_F(LockTest, AShorterPidLeavesNothingOfALongerOne) {
    lock_file(path, 1234567).value().reset();
    const auto mine = lock_file(path, 12);
    const auto other = lock_file(path, 13);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message(), "lock " + path + ": process 12 has it");
}

TEST_F(LockTest, WhatIsNoFileOfOursIsNotLocked) {
    std::filesystem::create_symlink("/etc/passwd", path);
    const auto linked = lock_file(path, 1);
    ASSERT_FALSE(linked);
    EXPECT_EQ(linked.error().code(), ELOOP);
    EXPECT_FALSE(lock_file(folder + "/nowhere/lock", 1));
}

}  // namespace
}  // namespace baton::sys
