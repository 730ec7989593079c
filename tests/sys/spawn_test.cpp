#include "sys/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "sys/process.h"

namespace baton::sys {
namespace {

// As in the keeper: no signal may reach the child while it is being prepared.
struct SpawnTest : testing::Test {
    SpawnTest() {
        sigset_t all;
        ::sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, &before);
    }
    ~SpawnTest() override { ::sigprocmask(SIG_SETMASK, &before, nullptr); }

    // What the shell says to `script`, with these descriptors from 3 on.
    std::string run(const std::string& script, const std::vector<int>& more = {}, std::uint64_t nofile = 0) {
        auto pipe = make_pipe();
        SpawnSpec spec;
        spec.path = "/bin/sh";
        spec.arguments = {"sh", "-c", script};
        spec.environment = {"PATH=/usr/bin:/bin", "A=b", "LISTEN_PID=", "C=d"};
        spec.nofile = nofile;
        spec.descriptors = {null->get(), pipe->write_end.get(), pipe->write_end.get()};
        spec.descriptors.insert(spec.descriptors.end(), more.begin(), more.end());
        auto spawned = spawn(spec);
        pipe->write_end.reset();
        if (!spawned) return spawned.error().message();
        pid = spawned->pid;
        ended = reap(pid);
        std::string text;
        std::array<char, 4096> buffer;
        for (;;) {
            const ssize_t got = ::read(pipe->read_end.get(), buffer.data(), buffer.size());
            if (got <= 0) return text;
            text.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }

    sigset_t before{};
    Result<UniqueFd> null = open_null();
    pid_t pid = 0;
    Ended ended;
};

constexpr const char* own_descriptors = "for n in $(seq 0 999); do if [ -e /proc/$$/fd/$n ]; then echo $n; fi; done";

// Where what the parent keeps lies high, and where it lies among what the child gets.
TEST_F(SpawnTest, ItHasItsDescriptorsAndItsParentKeepsItsOwn) {
    std::vector<UniqueFd> held;
    for (int i = 0; i < 300; ++i) {
        held.push_back(std::move(*duplicate(*null)));
        if (i % 2 == 0) held.back() = move_up(std::move(held.back()), 600);
    }
    EXPECT_EQ(run(own_descriptors), "0\n1\n2\n");
    EXPECT_EQ(run(own_descriptors, {held[1].get(), held[0].get(), held[0].get()}), "0\n1\n2\n3\n4\n5\n");
    for (const UniqueFd& fd : held) EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(SpawnTest, AFailureLeavesTheParentsDescriptorsAsTheyAre) {
    const auto held = move_up(std::move(*duplicate(*null)), 600);
    ASSERT_GE(held.get(), 600);
    SpawnSpec spec;
    spec.path = "/nowhere/to/be/found";
    spec.arguments = {"x"};
    spec.descriptors = {null->get(), null->get(), null->get()};
    const auto spawned = spawn(spec);
    ASSERT_FALSE(spawned);
    EXPECT_NE(spawned.error().message().find("execute"), std::string::npos) << spawned.error().message();
    EXPECT_EQ(::fcntl(held.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::fcntl(null->get(), F_GETFD), FD_CLOEXEC);
}

// What root may execute, the user of the child may not: then the next folder of PATH has its turn.
TEST_F(SpawnTest, ABareNameIsLookedUpAsTheUserItRunsAs) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    std::string pattern = "/tmp/spawn-XXXXXX";
    const std::string folder = ::mkdtemp(pattern.data());
    ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
    for (const char* name : {"closed", "denied", "open"}) {
        std::filesystem::create_directory(folder + "/" + name);
        const std::string program = folder + "/" + name + "/said";
        std::ofstream(program) << "#!/bin/sh\necho " << name << "\n";
        ASSERT_EQ(::chmod(program.c_str(), 0755), 0);
    }
    ASSERT_EQ(::chmod((folder + "/closed").c_str(), 0700), 0);
    ASSERT_EQ(::chmod((folder + "/denied/said").c_str(), 0700), 0);
    const auto said = [&](const std::string& path) {
        auto pipe = make_pipe();
        SpawnSpec spec;
        spec.path = "said";
        spec.arguments = {"said"};
        spec.environment = {"PATH=" + path};
        spec.uid = spec.gid = 65'534;
        spec.descriptors = {null->get(), pipe->write_end.get(), pipe->write_end.get()};
        auto spawned = spawn(spec);
        pipe->write_end.reset();
        if (!spawned) return spawned.error().message();
        reap(spawned->pid);
        std::array<char, 64> buffer;
        const auto got = read_some(pipe->read_end, buffer);
        return std::string(buffer.data(), got ? *got : 0);
    };
    EXPECT_EQ(said(folder + "/nowhere:" + folder + "/closed:" + folder + "/denied:" + folder + "/open"), "open\n");
    EXPECT_EQ(said(folder + "/denied:" + folder + "/nowhere"), "start said: execute: Permission denied");
    EXPECT_EQ(said(folder + "/nowhere::"), "start said: execute: No such file or directory");
    std::filesystem::remove_all(folder);
}

TEST_F(SpawnTest, ItsLimitMayBeLowerThanTheNumbersInItsParent) {
    std::vector<UniqueFd> held;
    for (int i = 0; i < 100; ++i) held.push_back(std::move(*duplicate(*null)));
    EXPECT_EQ(run("ulimit -n; " + std::string(own_descriptors), {held.back().get()}, 32), "32\n0\n1\n2\n3\n");
}

TEST_F(SpawnTest, ItLearnsItsOwnPid) {
    const std::string said = run("echo $LISTEN_PID $A $C");
    EXPECT_EQ(said, std::to_string(pid) + " b d\n");
}

TEST_F(SpawnTest, HowItEndedIsSeenBeforeItIsReaped) {
    for (const auto& [script, status] : {std::pair{"exit 3", 3 << 8}, {"kill -KILL $$", SIGKILL}}) {
        SpawnSpec spec;
        spec.path = "/bin/sh";
        spec.arguments = {"sh", "-c", script};
        spec.descriptors = {null->get(), null->get(), null->get()};
        const auto spawned = spawn(spec);
        ASSERT_TRUE(spawned);
        siginfo_t info{};
        ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(spawned->pid), &info, WEXITED | WNOWAIT), 0);
        const auto seen = peek_ended_child(spawned->pid);
        ASSERT_TRUE(seen);
        EXPECT_EQ(seen->status, status);
        EXPECT_EQ(reap(spawned->pid).status, status);
        EXPECT_FALSE(peek_ended_child(spawned->pid));
    }
}

}  // namespace
}  // namespace baton::sys
