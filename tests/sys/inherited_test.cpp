#include "sys/inherited.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "sys/datagram.h"

namespace baton::sys {
namespace {

// In a child, whose descriptors from 3 on are this test's to arrange. 0: `check` said yes.
int in_child(const std::function<bool()>& check) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(check() ? 0 : 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

void offer(int count, const char* names, pid_t pid = ::getpid()) {
    for (int i = 0; i < count; ++i) ::dup2(STDIN_FILENO, 3 + i);
    ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
    ::setenv("LISTEN_PID", std::to_string(pid).c_str(), 1);
    ::setenv("LISTEN_FDNAMES", names, 1);
}

TEST(Inherited, DescriptorsComeWithTheirNamesAndOnce) {
    EXPECT_EQ(in_child([] {
                  offer(2, "one:two");
                  const auto taken = take_inherited();
                  return taken.size() == 2 && taken[0].name == "one" && taken[0].descriptor.get() == 3 && taken[1].name == "two" &&
                         std::getenv("LISTEN_FDS") == nullptr && std::getenv("LISTEN_PID") == nullptr && take_inherited().empty();
              }),
              0);
}

TEST(Inherited, FewerNamesThanDescriptors) {
    EXPECT_EQ(in_child([] {
                  offer(2, "one");
                  const auto taken = take_inherited();
                  return taken.size() == 2 && taken[1].name.empty();
              }),
              0);
}

TEST(Inherited, WhatIsAnothersIsLeftAlone) {
    EXPECT_EQ(in_child([] {
                  offer(1, "one", 1);
                  return take_inherited().empty() && std::getenv("LISTEN_FDS") == nullptr;
              }),
              0);
    EXPECT_EQ(in_child([] {
                  offer(1, "one");
                  ::close(4);
                  ::setenv("LISTEN_FDS", "1000", 1);  // more than there are
                  return take_inherited().size() == 1;
              }),
              0);
    EXPECT_EQ(in_child([] {
                  ::setenv("LISTEN_FDS", "x", 1);
                  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
                  return take_inherited().empty();
              }),
              0);
}

TEST(Watchdog, IsSilentWhereNobodyAsks) {
    EXPECT_EQ(in_child([] {
                  ::unsetenv("WATCHDOG_USEC");
                  ::setenv("NOTIFY_SOCKET", "@nobody", 1);
                  return Watchdog().next() == never;
              }),
              0);
    EXPECT_EQ(in_child([] {
                  ::setenv("NOTIFY_SOCKET", "@nobody", 1);
                  ::setenv("WATCHDOG_USEC", "2000000", 1);
                  ::setenv("WATCHDOG_PID", "1", 1);
                  return Watchdog().next() == never;
              }),
              0);
}

TEST(Watchdog, SpeaksTwiceInTheTimeItHas) {
    const std::string path = std::filesystem::temp_directory_path() / ("baton-watchdog-" + std::to_string(::getpid()));
    const auto manager = open_datagram_socket(path, 0600);
    ASSERT_TRUE(manager) << manager.error().message();
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "2000000", 1);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    Watchdog watchdog;
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);

    const Millis start = watchdog.next();
    watchdog.beat(start - 1);
    EXPECT_FALSE(*receive_datagram(*manager, 100)) << "too early";
    watchdog.beat(start);
    const auto said = receive_datagram(*manager, 100);
    ASSERT_TRUE(said && *said);
    EXPECT_EQ((*said)->bytes, "WATCHDOG=1");
    EXPECT_EQ(watchdog.next(), start + 1000);

    // A manager that cannot be told now is told again soon.
    std::filesystem::remove(path);
    watchdog.beat(start + 1000);
    EXPECT_EQ(watchdog.next(), start + 1100);
}

}  // namespace
}  // namespace baton::sys
