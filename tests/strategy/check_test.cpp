// What the check of a plugin finds, and what it tells the author.
#include "strategy/check.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/strategy_limits.h"
#include "samples.h"

namespace baton::strategy {
namespace {

using test::sample;
using test::shipped;

// All problems of a file, one a line.
std::string problems(const std::string& file) {
    std::string text;
    for (const std::string& problem : check(file).report.problems) text += problem + "\n";
    return text;
}

void expect_says(const std::string& file, const std::string& words) {
    const std::string text = problems(file);
    EXPECT_NE(text.find(words), std::string::npos) << file << " does not say '" << words << "' but\n" << text;
}

// What is said of samples, by their names.
using Sayings = std::vector<std::pair<const char*, std::string>>;
void expect_all_say(const Sayings& sayings) {
    for (const auto& [name, words] : sayings) expect_says(sample(name), words);
}

TEST(Check, AGoodPluginPassesAndIsDescribed) {
    const Checked checked = check(sample("good"));
    EXPECT_TRUE(checked.report.good()) << problems(sample("good"));
    ASSERT_TRUE(checked.image);
    const model::PluginReport& report = checked.report;
    EXPECT_EQ(report.name + " " + report.version + " " + report.abi + ": " + report.description, "sample 1.0 1.0: a plugin of the tests");
    EXPECT_EQ(report.fingerprint, checked.image->fingerprint);
    ASSERT_EQ(report.factories.size(), 1U);
    EXPECT_GT(report.factories[0].pick_ns_of_10, 0);
    EXPECT_GT(report.factories[0].pick_ns_of_100, 0);
    EXPECT_EQ(report.factories[0].options.at(3), (model::PluginOption{"duration", "duration", "10s", "", "a time"}));
    EXPECT_EQ(report.factories[0].options.at(5).choices, "one|two");
}

TEST(Check, WhatShipsPasses) {
    for (const auto& entry : std::filesystem::directory_iterator(BATON_PLUGINS)) {
        if (entry.path().extension() != ".so") continue;
        EXPECT_EQ(problems(entry.path()), "") << entry.path();
    }
}

TEST(Check, WhatIsNoPluginIsRefusedBeforeItRuns) {
    expect_says("/nowhere/x.so", "open /nowhere/x.so: No such file or directory");
    expect_says("/", "not a file");
    expect_says(BATON_SOURCE_DIR "/LICENSE", "it is no ELF file: a plugin is a shared object (.so)");
    expect_says("/bin/true", "link it with -shared");
    expect_all_say({
        {"no_symbol", "it does not export baton_strategy: write BATON_STRATEGIES(...)"},
        {"defect_function", "baton_strategy is no object in it"},
        {"unique", "STB_GNU_UNIQUE"},
        {"unique", "compile it with -fno-gnu-unique"},
    });
}

TEST(Check, AFileThatIsCutShortIsRefused) {
    std::ifstream whole(sample("good"), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(whole), {}};
    ASSERT_GT(bytes.size(), 4096U);
    const std::string file = testing::TempDir() + "cut-" + std::to_string(::getpid()) + ".so";
    for (const std::size_t size : {std::size_t{10}, std::size_t{64}, std::size_t{4096}, bytes.size() / 2, bytes.size() - 1}) {
        std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes.substr(0, size);
        expect_says(file, size == 10 ? "cut short" : "it is cut short: its headers speak of more than the " + std::to_string(size) + " bytes");
    }
    std::ofstream(file, std::ios::binary | std::ios::trunc) << "";
    expect_says(file, "it is empty");
    std::filesystem::remove(file);
}

TEST(Check, ADescriptorThatIsNotSoundIsRefused) {
    expect_all_say({
        {"defect_magic", "its descriptor does not begin with BATON_STRATEGY_MAGIC"},
        {"defect_major", "it was built for version 9 of the plugin ABI, this is version 1: build it again"},
        {"defect_minor", "it was built for version 1.7 of the plugin ABI, this is 1.0"},
        {"defect_layout", "baton_request has 60 bytes in it and"},
        {"defect_no_factory", "it has 0 factories; there must be 1 to 32"},
        {"defect_no_pick", "factory plain: its table of functions is not complete"},
        {"defect_name", "the name of a factory has other signs than a-z, 0-9 and _"},
        {"defect_option", "factory plain: option speed: the default value: 'fast' is no whole number"},
        {"defect_bounds", "factory plain: option speed: its bounds are not in order, or are beyond 9e15"},
        {"defect_twice", "factory plain: there are two of this kind and name"},
        {"defect_kind", "its kind 'baton.oracle/1' is not one of baton.balancer/1"},
    });
}

TEST(Check, ACrashIsFoundAndSaidWhere) {
    expect_all_say({
        {"crash", "it crashed (killed by signal 11): balancer sample: pick() with 10 endpoints"},
        {"crash_in_constructor", "it crashed (killed by signal 6): loading it"},
        {"exits", "it ended the process (exited 0): balancer sample: pick() with 10 endpoints"},
    });
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which end the process instead of throwing
    expect_says(sample("greedy"), "balancer sample: with 0 endpoints: build() refuses 0 endpoints: std::bad_alloc");
#endif
}

// What comes after a million picks no check finds: for that there is the breadcrumb.
TEST(Check, ACrashMuchLaterIsNotFound) {
    EXPECT_EQ(problems(sample("crash_later")), "");
}

TEST(Check, OneThatNeverReturnsIsStopped) {
    expect_says(sample("loop"), fmt::format("it did not come back within {} ms: balancer sample: pick() with 2 endpoints", limits::plugin_check));
}

TEST(Check, WrongPicksAreFound) {
    expect_all_say({
        {"nonsense", "balancer sample: with 2 endpoints: it picks 9, and there are 2 endpoints"},
        {"picks_unusable", "it picks somebody when nobody is usable"},
        {"picks_unusable", "which is not usable"},
        {"throws", "it picks nobody, and all are usable"},
        {"choosy", "with 10 endpoints: build() refuses 10 endpoints: five are enough"},
    });
}

TEST(Check, OneThatStaysInTheProcessIsRefused) {
    expect_says(sample("pinned"), "it stays in the process after it was unloaded");
}

TEST(Check, ItCanBeFollowedWithoutWaiting) {
    auto image = read_image(sample("good"));
    ASSERT_TRUE(image);
    const std::uint64_t fingerprint = image->fingerprint;
    auto running = Check::start(std::move(*image));
    ASSERT_TRUE(running) << running.error().message();
    EXPECT_TRUE(running->output().valid());
    EXPECT_GT(running->deadline(), monotonic_now());
    const model::PluginReport report = running->wait();
    EXPECT_TRUE(report.good());
    EXPECT_EQ(report.fingerprint, fingerprint);
    EXPECT_EQ(running->take_image().fingerprint, fingerprint);
    // One that is let go in the middle is ended and reaped.
    auto again = read_image(sample("loop"));
    ASSERT_TRUE(again);
    ASSERT_TRUE(Check::start(std::move(*again)));
}

}  // namespace
}  // namespace baton::strategy
