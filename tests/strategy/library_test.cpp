// Plugins are replaced while they are used, and gone from the process when nobody uses them.
#include "strategy/library.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include <gtest/gtest.h>

#include "pool.h"
#include "samples.h"
#include "strategy/registry.h"

namespace baton::strategy {
namespace {

namespace fs = std::filesystem;
using test::load;
using test::sample;
using test::TestPool;

// Tests run side by side.
fs::path own_path(const std::string& name) { return fs::path(testing::TempDir()) / (std::to_string(::getpid()) + "-" + name); }

TestPool pool_of(Library& library, std::string_view name, std::vector<std::uint32_t> weights = {1, 1, 1}) {
    auto made = library.create(name, {});
    EXPECT_TRUE(made) << made.error().message();
    TestPool pool(std::move(*made));
    pool.assign(TestPool::weighted(weights));
    return pool;
}

// How many objects of the process were loaded from memory files.
std::size_t mapped() {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) count += line.find("/memfd:plugin") != std::string::npos ? 1 : 0;
    return count;
}

TEST(Plugin, IsGoneWhenTheLastOneLetsGo) {
    ASSERT_EQ(mapped(), 0U);
    std::optional<bool> gone;
    {
        Library library(nullptr, {});
        library.add(load(sample("good"), [&](const std::string& file, bool left) {
            EXPECT_EQ(file, sample("good"));
            gone = left;
        }));
        auto pool = pool_of(library, "sample");
        library.keep({});
        EXPECT_FALSE(gone);  // the balancer has it
        EXPECT_EQ(pool.picks(2), "aa");
        EXPECT_GT(mapped(), 0U);
    }
    EXPECT_EQ(gone, std::optional(true));
    EXPECT_EQ(mapped(), 0U);
}

TEST(Plugin, OneThatStaysIsReported) {
    std::optional<bool> gone;
    {
        TestPool pool(std::move(*make_balancer(load(sample("pinned"), [&](const std::string&, bool left) { gone = left; }), "sample", {}, nullptr, {})));
        pool.assign(TestPool::weighted({1}));
        pool.pick();
    }
    EXPECT_EQ(gone, std::optional(false));
    // The next one of the same descriptor is not taken for it.
    auto next = load(sample("good_newer"));
    EXPECT_STREQ(next->descriptor().version, "2.0");
}

TEST(Plugin, TwoVersionsLiveSideBySide) {
    Library library(nullptr, {});
    library.add(load(sample("good")));
    auto old = pool_of(library, "sample");
    library.add(load(sample("good_newer")));
    auto next = pool_of(library, "sample");
    EXPECT_EQ(old.picks(2), "aa");
    EXPECT_EQ(next.picks(2), "cc");
    EXPECT_NE(old.balancer().origin().find("sample 1.0"), std::string::npos);
    EXPECT_NE(next.balancer().origin().find("sample 2.0"), std::string::npos);
}

TEST(Plugin, ReplacingOrCuttingItsFileDoesNotDisturb) {
    const fs::path file = own_path("replaced.so");
    fs::copy_file(sample("good"), file, fs::copy_options::overwrite_existing);
    auto made = make_balancer(load(file), "sample", {}, nullptr, {});
    ASSERT_TRUE(made);
    TestPool pool(std::move(*made));
    pool.assign(TestPool::weighted({1, 1, 1}));
    fs::resize_file(file, 100);
    EXPECT_EQ(pool.picks(2), "aa");
    fs::copy_file(sample("good_newer"), file, fs::copy_options::overwrite_existing);
    EXPECT_EQ(pool.picks(2), "aa");
    auto next = make_balancer(load(file), "sample", {}, nullptr, {});
    ASSERT_TRUE(next);
    TestPool newer(std::move(*next));
    newer.assign(TestPool::weighted({1, 1, 1}));
    EXPECT_EQ(newer.picks(2), "cc");
    fs::remove(file);
}

TEST(Plugin, ACopyThatAnotherProcessMadeIsTheSame) {
    auto image = read_image(sample("good"));
    ASSERT_TRUE(image);
    auto descriptor = sys::duplicate(image->memory);
    ASSERT_TRUE(descriptor);
    auto taken = take_image("elsewhere.so", std::move(*descriptor));
    ASSERT_TRUE(taken) << taken.error().message();
    EXPECT_EQ(taken->fingerprint, image->fingerprint);
    EXPECT_TRUE(Plugin::load(std::move(*taken)));
}

// The copy of the process that tries a plugin closes the descriptors of those that are loaded; their numbers
// are in the paths that the loader knows.
TEST(Plugin, WhatIsLoadedIsNotTakenForWhatIsChecked) {
    std::vector<std::shared_ptr<const Plugin>> loaded;
    for (int i = 0; i < 5; ++i) loaded.push_back(load(sample("good")));
    const Checked checked = check(sample("good_newer"));
    EXPECT_TRUE(checked.report.good()) << checked.report.problems.at(0);
    EXPECT_EQ(checked.report.version, "2.0");
}

TEST(Library, RoundRobinIsThereWithoutAnyFile) {
    Library library(nullptr, {});
    auto pool = pool_of(library, "round_robin", {5, 1, 1});
    EXPECT_EQ(pool.picks(7), "aabacaa");
    const auto made = library.create("sample", {});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message(), "there is no balancing strategy sample; there are: round_robin");
}

TEST(Library, WhoIsQuarantinedIsReplacedByTheBuiltIn) {
    Library library(nullptr, {});
    const auto plugin = load(sample("good"));
    library.add(plugin);
    EXPECT_FALSE(library.replaced("sample"));
    library.quarantine(plugin->fingerprint());
    EXPECT_TRUE(library.replaced("sample"));
    auto made = library.create("sample", {{"integer", "4"}});  // its options are not the built-in's
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_NE((*made)->origin().find("round_robin 1.0 (built in)"), std::string::npos) << (*made)->origin();
    // A newer one takes the name again.
    library.add(load(sample("good_newer")));
    EXPECT_FALSE(library.replaced("sample"));
    EXPECT_EQ(pool_of(library, "sample").picks(1), "c");
}

// --- the registry ---

class RegistryTest : public testing::Test {
  protected:
    RegistryTest() {
        for (const char* name : {"first", "second"}) {
            fs::remove_all(folder(name));
            fs::create_directories(folder(name));
        }
    }
    ~RegistryTest() override { fs::remove_all(base_); }
    std::string folder(const std::string& name) const { return (base_ / name).string(); }
    void put(const std::string& as, const std::string& what) const { fs::copy_file(sample(what), base_ / as, fs::copy_options::overwrite_existing); }

    fs::path base_ = own_path("registry_test");
    Registry registry_;
};

TEST_F(RegistryTest, ListsWhatIsThereAndWhatIsWrong) {
    put("first/a.so", "good");
    put("first/broken.so", "crash");
    put("first/notes.txt", "good");
    std::ofstream(base_ / "first" / "text.so") << "no plugin\n";
    registry_.refresh({folder("first"), folder("missing")});
    const auto reports = registry_.reports();
    ASSERT_EQ(reports.size(), 4U);
    EXPECT_EQ(reports[0].name, "sample");
    EXPECT_TRUE(reports[0].good()) << reports[0].problems.at(0);
    EXPECT_EQ(reports[0].abi, "1.0");
    EXPECT_EQ(reports[0].factories.at(0).kind, "baton.balancer/1");
    EXPECT_EQ(reports[0].factories.at(0).options.size(), 6U);
    EXPECT_NE(reports[1].problems.at(0).find("it crashed"), std::string::npos);
    EXPECT_NE(reports[2].problems.at(0).find("text.so: it is no ELF file"), std::string::npos);
    EXPECT_NE(reports[3].problems.at(0).find("read the plugin directory " + folder("missing")), std::string::npos);
    const auto image = registry_.find(BATON_KIND_BALANCER, "sample");
    ASSERT_TRUE(image);
    EXPECT_EQ(image->fingerprint, reports[0].fingerprint);
    const auto none = registry_.find(BATON_KIND_SCHEDULER, "sample");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().message(), "no plugin has a strategy sample of the kind baton.scheduler/1");
}

TEST_F(RegistryTest, TheFirstDirectoryWins) {
    put("first/z.so", "good_newer");
    put("second/a.so", "good");
    registry_.refresh({folder("first"), folder("second")});
    const auto reports = registry_.reports();
    ASSERT_EQ(reports.size(), 2U);
    EXPECT_EQ(registry_.find(BATON_KIND_BALANCER, "sample")->fingerprint, reports[0].fingerprint);
    ASSERT_EQ(reports[1].notes.size(), 1U);
    EXPECT_EQ(reports[1].notes[0], "sample is not used from it: " + folder("first") + "/z.so has it, too");
}

TEST_F(RegistryTest, OnlyWhatHasChangedIsCheckedAgain) {
    put("first/a.so", "good");
    EXPECT_EQ(registry_.look({folder("first")}).size(), 1U);
    EXPECT_FALSE(registry_.find(BATON_KIND_BALANCER, "sample"));  // not checked yet
    registry_.refresh({folder("first")});
    EXPECT_EQ(registry_.look({folder("first")}).size(), 0U);
    put("first/a.so", "good_newer");
    registry_.refresh({folder("first")});
    EXPECT_EQ(registry_.reports().at(0).version, "2.0");
}

TEST_F(RegistryTest, WhoIsQuarantinedIsNotUsedUntilItsFileChanges) {
    put("first/a.so", "good");
    registry_.refresh({folder("first")});
    registry_.quarantine(registry_.reports().at(0).fingerprint, "it crashed in pick()");
    const auto refused = registry_.find(BATON_KIND_BALANCER, "sample");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "strategy sample of " + folder("first") + "/a.so is quarantined: it crashed in pick()");
    EXPECT_EQ(registry_.reports().at(0).problems.at(0), "quarantined: it crashed in pick()");
    registry_.refresh({folder("first")});
    EXPECT_FALSE(registry_.find(BATON_KIND_BALANCER, "sample"));
    put("first/a.so", "good_newer");
    registry_.refresh({folder("first")});
    EXPECT_TRUE(registry_.find(BATON_KIND_BALANCER, "sample"));
}

TEST(Registry, FindsWhatCameWithTheProgram) {
    const fs::path base = own_path("shipped_test");
    fs::create_directories(base / "lib" / "baton" / "plugins");
    EXPECT_EQ(shipped_plugins((base / "sbin" / "batond").string()), (base / "lib" / "baton" / "plugins").string());
    fs::remove_all(base / "lib");
    fs::create_directories(base / "plugins");
    EXPECT_EQ(shipped_plugins((base / "bin" / "batond").string()), (base / "plugins").string());
    fs::remove_all(base);
}

}  // namespace
}  // namespace baton::strategy
