#include "sys/cgroup.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include <fmt/core.h>

#include "sys/cgroup_tree.h"

namespace baton::sys {
namespace {

namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
}

// --- finding the own group ---

TEST(OwnCgroup, IsFoundInEachKindOfMount) {
    const std::string pure =
        "26 20 0:23 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
    const auto unit = find_own_cgroup(pure, "0::/system.slice/baton.service\n");
    ASSERT_TRUE(unit);
    EXPECT_EQ(unit->directory, "/sys/fs/cgroup/system.slice/baton.service");
    EXPECT_FALSE(unit->hybrid);
    EXPECT_FALSE(unit->namespace_root);
    const auto contained = find_own_cgroup(pure, "0::/\n");
    EXPECT_EQ(contained->directory, "/sys/fs/cgroup");
    EXPECT_TRUE(contained->namespace_root);

    const std::string hybrid =
        "30 20 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const auto mixed = find_own_cgroup(hybrid, "4:memory:/x\n1:name=systemd:/\n0::/y\n");
    EXPECT_EQ(mixed->directory, "/sys/fs/cgroup/unified/y");
    EXPECT_TRUE(mixed->hybrid);
    EXPECT_FALSE(find_own_cgroup(hybrid, "1:name=systemd:/\n0::/\n")->hybrid);

    const std::string part = "26 20 0:23 /machine/a\\040b /mnt/c\\040d rw - cgroup2 cgroup2 rw\n";
    EXPECT_EQ(find_own_cgroup(part, "0::/machine/a b/c\n")->directory, "/mnt/c d/c");
    EXPECT_EQ(find_own_cgroup(part, "0::/machine/a b\n")->directory, "/mnt/c d");
    EXPECT_FALSE(find_own_cgroup(part, "0::/machine/a bc\n"));
    EXPECT_FALSE(find_own_cgroup(part, "0::/elsewhere\n"));
}

TEST(OwnCgroup, NoneIsAnError) {
    EXPECT_FALSE(find_own_cgroup("", "0::/\n"));
    EXPECT_FALSE(find_own_cgroup("26 20 0:23 / /c rw - cgroup2 cgroup2 rw\n", "1:memory:/\n"));
    EXPECT_FALSE(find_own_cgroup("nonsense\n - cgroup2\n\n", "::\n0::\n:\n"));
}

// --- a directory that looks like cgroup v2 ---

struct FakeTest : testing::Test {
    FakeTest() {
        std::string pattern = testing::TempDir() + "cgroup-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        write_file(folder + "/mountinfo",
                   fmt::format("1 1 0:1 / {}/tree rw - cgroup2 cgroup2 rw\n", folder));
        surroundings.mounts = folder + "/mountinfo";
        surroundings.membership = folder + "/membership";
        surroundings.keeper = ::getpid();
    }
    ~FakeTest() override { fs::remove_all(folder); }

    // A group with the files the kernel would give it.
    void group(const std::string& path, const std::string& procs = "") {
        const std::string directory = folder + "/tree" + path;
        write_file(directory + "/cgroup.procs", procs);
        write_file(directory + "/cgroup.type", "domain\n");
        write_file(directory + "/cgroup.kill", "");
        write_file(directory + "/cgroup.subtree_control", "");
        write_file(directory + "/memory.max", "4096\n");
        write_file(directory + "/cpu.max", "1 2\n");
    }
    void member(const std::string& path) {
        write_file(folder + "/membership", "0::" + path + "\n");
    }

    std::string folder;
    CgroupSurroundings surroundings;
};

TEST_F(FakeTest, AMasterFindsTheBaseOfTheOneBeforeIt) {
    group("/unit");
    group("/unit/baton-supervisor", fmt::format("{}\n", ::getpid()));
    group("/unit/i.web.1.7");
    member("/unit/baton-supervisor");
    surroundings.systemd = true;
    auto groups = Cgroups::probe(surroundings);
    EXPECT_EQ(groups.status(), "v2");
    EXPECT_EQ(groups.base(), folder + "/tree/unit");
    const std::string path = folder + "/tree/unit/i.web.1.7";
    EXPECT_EQ(groups.path_of("web/1.7"), path);

    auto place = groups.make("web/1.7", 256 * 1024 * 1024, 0.5);
    ASSERT_TRUE(place) << place.error().message();
    EXPECT_EQ(place->path, path);
    EXPECT_TRUE(place->directory.valid());
    EXPECT_EQ(read_file(path + "/memory.max"), "268435456");
    EXPECT_EQ(read_file(path + "/cpu.max"), "50000 100000");
    ASSERT_TRUE(groups.make("web/1.7", 0, 0));
    EXPECT_EQ(read_file(path + "/memory.max").substr(0, 3), "max") << "no limit of its past";
    EXPECT_EQ(read_file(path + "/cpu.max").substr(0, 10), "max 100000");
    ASSERT_TRUE(groups.make("web/1.7", 0, 0.000001));
    EXPECT_EQ(read_file(path + "/cpu.max").substr(0, 5), "1000 ") << "the kernel's least";
    ASSERT_TRUE(groups.kill(path));
    EXPECT_EQ(read_file(path + "/cgroup.kill"), "1");

    write_file(path + "/cgroup.procs", "1\n");
    const auto taken = groups.make("web/1.7", 0, 0);
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().message().find("has processes already"), std::string::npos);
}

TEST_F(FakeTest, AShellsGroupIsNotTouched) {
    group("/session", fmt::format("{}\n1\n", ::getpid()));
    member("/session");
    auto groups = Cgroups::probe(surroundings);
    EXPECT_EQ(groups.status().find("none: "), 0U) << groups.status();
    EXPECT_NE(groups.status().find("is shared with others (process 1)"), std::string::npos)
        << groups.status();
    EXPECT_FALSE(fs::exists(folder + "/tree/session/baton-supervisor"));
    const auto place = groups.make("web/1", 0, 0);
    ASSERT_FALSE(place);
    EXPECT_NE(place.error().message().find("web/1"), std::string::npos);
    EXPECT_EQ(groups.path_of("web/1"), "");
    EXPECT_FALSE(groups.kill(folder + "/tree/session"));
}

TEST_F(FakeTest, AUnitWithoutDelegateBelongsToSystemd) {
    group("/system.slice/x.service", fmt::format("{}\n", ::getpid()));
    member("/system.slice/x.service");
    surroundings.systemd = true;
    const auto groups = Cgroups::probe(surroundings);
    EXPECT_NE(groups.status().find("Delegate=yes"), std::string::npos) << groups.status();
    EXPECT_FALSE(fs::exists(folder + "/tree/system.slice/x.service/baton-supervisor"));
}

TEST_F(FakeTest, OnlyGroupsOfOursAreKilledOrRemoved) {
    group("/unit/baton-supervisor");
    group("/unit");
    member("/unit/baton-supervisor");
    auto groups = Cgroups::probe(surroundings);
    const std::string base = folder + "/tree/unit";
    for (const std::string& path :
         {base, base + "/baton-supervisor", base + "/i.x/../baton-supervisor", std::string("/"),
          std::string()}) {
        EXPECT_FALSE(groups.kill(path)) << path;
        EXPECT_FALSE(groups.remove(path)) << path;
    }
    EXPECT_EQ(read_file(base + "/cgroup.kill"), "");
}

// --- the kernel's own ---

// Runs `body` in a child and tells what it returned: empty means well.
std::string in_child(const std::function<std::string()>& body) {
    auto pipe = *make_pipe();
    const pid_t child = ::fork();
    if (child == 0) {
        const std::string said = body();
        const auto written = ::write(pipe.write_end.get(), said.data(), said.size());
        ::_exit(written == static_cast<ssize_t>(said.size()) ? 0 : 1);
    }
    pipe.write_end.reset();
    int status = -1;
    ::waitpid(child, &status, 0);
    std::string said(4'096, '\0');
    const auto got = read_some(pipe.read_end, said);
    said.resize(got ? *got : 0);
    if (status != 0) said += " (ended badly)";
    return said;
}

struct KernelTest : testing::Test {
    void SetUp() override {
        const auto mounts = read_file("/proc/self/mountinfo");
        const auto own = find_own_cgroup(mounts, read_file("/proc/self/cgroup"));
        if (!own) GTEST_SKIP() << own.error().message();
        root = fmt::format("{}/baton-test-{}", own->directory, ::getpid());
        if (::mkdir(root.c_str(), 0755) != 0) GTEST_SKIP() << "may not make cgroups: " << root;
    }
    void TearDown() override {
        if (!root.empty() && fs::exists(root)) {
            EXPECT_TRUE(remove_tree(root));
        }
    }
    std::string root;
};

pid_t start_sleeper(const UniqueFd& directory) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    const int procs = ::openat(directory.get(), "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (::write(procs, "0", 1) != 1) ::_exit(1);
    if (::fork() == 0) ::setsid();  // a grandchild that has left the process group
    for (;;) ::pause();
}

TEST_F(KernelTest, AnInstanceIsKilledWithAllItForkedAndItsGroupRemoved) {
    CgroupSurroundings surroundings = CgroupSurroundings::here();
    surroundings.keeper = ::getpid();
    auto groups = Cgroups::probe(surroundings);
    if (groups.base().empty()) GTEST_SKIP() << groups.status();
    auto place = groups.make("web/1.1", 0, 0);
    ASSERT_TRUE(place) << place.error().message();
    const pid_t child = start_sleeper(place->directory);
    while (read_words(place->path + "/cgroup.procs")->size() < 2) ::usleep(1'000);
    const auto busy = groups.remove(place->path);
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().code(), EBUSY);
    const auto again = groups.make("web/1.1", 0, 0);
    EXPECT_FALSE(again) << "somebody lives there";

    ASSERT_TRUE(groups.kill(place->path));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    for (int i = 0; i < 2'000 && !read_words(place->path + "/cgroup.procs")->empty(); ++i)
        ::usleep(1'000);
    EXPECT_TRUE(groups.remove(place->path));
    EXPECT_TRUE(groups.remove(place->path)) << "what is gone is gone";
    EXPECT_FALSE(fs::exists(place->path));
    const std::string base = groups.base();
    groups.dissolve();
    EXPECT_EQ(fs::exists(base), groups.status() == "v2")
        << "a directory of its own goes, a unit's stays";
}

TEST_F(KernelTest, ALimitThatCannotBeIsRefusedWithTheReason) {
    CgroupSurroundings surroundings = CgroupSurroundings::here();
    surroundings.keeper = ::getpid();
    surroundings.controllers = {"no-such-controller"};
    auto groups = Cgroups::probe(surroundings);
    if (groups.base().empty()) GTEST_SKIP() << groups.status();
    EXPECT_EQ(groups.status().find("v2 without limits: "), 0U) << groups.status();
    const auto place = groups.make("web/1.2", 1 << 20, 0);
    ASSERT_FALSE(place);
    EXPECT_NE(place.error().message().find("no limit of memory: "), std::string::npos)
        << place.error().message();
    EXPECT_FALSE(fs::exists(groups.path_of("web/1.2")));
    EXPECT_NE(groups.make("web/1.2", 0, 1.0).error().message().find("no limit of cpu"),
              std::string::npos);
    groups.dissolve();
}

TEST_F(KernelTest, WhatADeadKeeperLeftIsRemovedAndALivingOnesIsNot) {
    const pid_t dead = ::fork();
    if (dead == 0) ::_exit(0);
    ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);
    const std::string left = root + "/" + keeper_directory(dead);
    const std::string living = root + "/" + keeper_directory(::getpid());
    fs::create_directories(left + "/i.web.1.1/deeper");
    fs::create_directories(living);
    fs::create_directories(root + "/baton-x");
    remove_of_dead_keepers(root);
    EXPECT_FALSE(fs::exists(left));
    EXPECT_TRUE(fs::exists(living));
    EXPECT_TRUE(fs::exists(root + "/baton-x"));
}

struct MountPoint {
    std::string folder;
    ~MountPoint() {
        ::umount2(folder.c_str(), MNT_DETACH);
        fs::remove(folder);
    }
};

// A container's view: a cgroup namespace and a mount of its own, with a controller that v1 does not
// have.
std::string play_container(const std::string& root, bool with_stranger) {
    if (!write_word(root + "/cgroup.procs", "0")) return "could not enter the group";
    if (::unshare(CLONE_NEWCGROUP | CLONE_NEWNS) != 0) return "skip";
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "skip";
    std::string folder = testing::TempDir() + "cgroup-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) return "no folder";
    const MountPoint removed{folder};
    if (::mount("cgroup2", folder.c_str(), "cgroup2", 0, nullptr) != 0) return "skip";
    write_file("/proc/self/comm", "baton");
    CgroupSurroundings surroundings;
    surroundings.keeper = ::getpid();
    const std::string parts = fmt::format("/tmp/membership-{}", ::getpid());
    write_file(parts, "0::/\n");
    surroundings.membership = parts;
    const auto available = read_words(folder + "/cgroup.controllers");
    if (!available) return "no list of controllers";
    surroundings.controllers = *available;
    const std::string procs = read_file(folder + "/cgroup.procs");
    auto groups = Cgroups::probe(surroundings);
    fs::remove(parts);
    if (with_stranger) {
        if (groups.status().find("shared with others") == std::string::npos)
            return "not refused: " + groups.status();
        return fs::exists(folder + "/baton-supervisor") ? "touched" : "";
    }
    if (groups.status() != "v2") return "status: " + groups.status();
    if (!read_file(folder + "/cgroup.procs").empty()) return "somebody stayed: " + procs;
    if (read_words(folder + "/cgroup.subtree_control").value() != *available)
        return "controllers are not enabled";
    const auto place = groups.make("web/1.1", 0, 0);
    if (!place) return place.error().message();
    const pid_t sleeper = start_sleeper(place->directory);
    while (read_words(place->path + "/cgroup.procs")->size() < 2) ::usleep(1'000);
    // The next master is born in the leaf.
    write_file(parts, "0::/baton-supervisor\n");
    const auto next = Cgroups::probe(surroundings);
    fs::remove(parts);
    if (next.base() != groups.base() || next.status() != "v2")
        return "the next master: " + next.status();
    if (!next.kill(place->path)) return "could not be killed";
    ::waitpid(sleeper, nullptr, 0);
    for (int i = 0; i < 2'000 && !groups.remove(place->path); ++i) ::usleep(1'000);
    if (fs::exists(place->path)) return "its group stays";
    return "";
}

TEST_F(KernelTest, AGroupOfOursIsArrangedForControllers) {
    const std::string said = in_child([this] { return play_container(root, false); });
    if (said == "skip") GTEST_SKIP() << "may not make namespaces";
    EXPECT_EQ(said, "");
}

TEST_F(KernelTest, AGroupWithAStrangerIsNotArranged) {
    const pid_t stranger = ::fork();
    if (stranger == 0) {
        for (;;) ::pause();
    }
    EXPECT_TRUE(write_word(root + "/cgroup.procs", std::to_string(stranger)));
    const std::string said = in_child([this] { return play_container(root, true); });
    ::kill(stranger, SIGKILL);
    ::waitpid(stranger, nullptr, 0);
    if (said == "skip") GTEST_SKIP() << "may not make namespaces";
    EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace baton::sys
