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

bool says(const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
}

#define EXPECT_SAYS(file, words)                                        \
    do {                                                                \
        const std::string text = problems(file);                        \
        EXPECT_TRUE(says(text, words)) << file << " says\n" << text;    \
    } while (false)

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
    EXPECT_SAYS("/nowhere/x.so", "open /nowhere/x.so: No such file or directory");
    EXPECT_SAYS("/", "not a file");
    EXPECT_SAYS(BATON_SOURCE_DIR "/LICENSE", "it is no ELF file: a plugin is a shared object (.so)");
    EXPECT_SAYS("/bin/true", "link it with -shared");
    EXPECT_SAYS(sample("no_symbol"), "it does not export baton_strategy: write BATON_STRATEGIES(...)");
    EXPECT_SAYS(sample("defect_function"), "baton_strategy is no object in it");
    EXPECT_SAYS(sample("unique"), "STB_GNU_UNIQUE");
    EXPECT_SAYS(sample("unique"), "compile it with -fno-gnu-unique");
}

TEST(Check, AFileThatIsCutShortIsRefused) {
    std::ifstream whole(sample("good"), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(whole), {}};
    ASSERT_GT(bytes.size(), 4096U);
    const std::string file = testing::TempDir() + "cut-" + std::to_string(::getpid()) + ".so";
    for (const std::size_t size : {std::size_t{10}, std::size_t{64}, std::size_t{4096}, bytes.size() / 2, bytes.size() - 1}) {
        std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes.substr(0, size);
        EXPECT_SAYS(file, size == 10 ? "cut short" : "it is cut short: its headers speak of more than the " + std::to_string(size) + " bytes");
    }
    std::ofstream(file, std::ios::binary | std::ios::trunc) << "";
    EXPECT_SAYS(file, "it is empty");
    std::filesystem::remove(file);
}

TEST(Check, ADescriptorThatIsNotSoundIsRefused) {
    EXPECT_SAYS(sample("defect_magic"), "its descriptor does not begin with BATON_STRATEGY_MAGIC");
    EXPECT_SAYS(sample("defect_major"), "it was built for version 9 of the plugin ABI, this is version 1: build it again");
    EXPECT_SAYS(sample("defect_minor"), "it was built for version 1.7 of the plugin ABI, this is 1.0");
    EXPECT_SAYS(sample("defect_layout"), "baton_request has 60 bytes in it and");
    EXPECT_SAYS(sample("defect_no_factory"), "it has 0 factories; there must be 1 to 32");
    EXPECT_SAYS(sample("defect_no_pick"), "factory plain: its table of functions is not complete");
    EXPECT_SAYS(sample("defect_name"), "the name of a factory has other signs than a-z, 0-9 and _");
    EXPECT_SAYS(sample("defect_option"), "factory plain: option speed: the default value: 'fast' is no whole number");
    EXPECT_SAYS(sample("defect_bounds"), "factory plain: option speed: its bounds are not in order, or are beyond 9e15");
    EXPECT_SAYS(sample("defect_twice"), "factory plain: there are two of this kind and name");
    EXPECT_SAYS(sample("defect_kind"), "its kind 'baton.oracle/1' is not one of baton.balancer/1");
}

TEST(Check, ACrashIsFoundAndSaidWhere) {
    EXPECT_SAYS(sample("crash"), "it crashed (killed by signal 11): balancer sample: pick() with 10 endpoints");
    EXPECT_SAYS(sample("crash_in_constructor"), "it crashed (killed by signal 6): loading it");
    EXPECT_SAYS(sample("exits"), "it ended the process (exited 0): balancer sample: pick() with 10 endpoints");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which end the process instead of throwing
    EXPECT_SAYS(sample("greedy"), "balancer sample: with 0 endpoints: build() refuses 0 endpoints: std::bad_alloc");
#endif
}

// What comes after a million picks no check finds: for that there is the breadcrumb.
TEST(Check, ACrashMuchLaterIsNotFound) {
    EXPECT_EQ(problems(sample("crash_later")), "");
}

TEST(Check, OneThatNeverReturnsIsStopped) {
    EXPECT_SAYS(sample("loop"), fmt::format("it did not come back within {} ms: balancer sample: pick() with 2 endpoints", limits::plugin_check));
}

TEST(Check, WrongPicksAreFound) {
    EXPECT_SAYS(sample("nonsense"), "balancer sample: with 2 endpoints: it picks 9, and there are 2 endpoints");
    EXPECT_SAYS(sample("picks_unusable"), "it picks somebody when nobody is usable");
    EXPECT_SAYS(sample("picks_unusable"), "which is not usable");
    EXPECT_SAYS(sample("throws"), "it picks nobody, and all are usable");
    EXPECT_SAYS(sample("choosy"), "with 10 endpoints: build() refuses 10 endpoints: five are enough");
}

TEST(Check, OneThatStaysInTheProcessIsRefused) {
    EXPECT_SAYS(sample("pinned"), "it stays in the process after it was unloaded");
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
