// Seeded simulations of the whole planner: BATON_SIM_SEEDS is how many (500), BATON_SIM_SEED=n runs one and
// tells what happened.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "world.h"

namespace baton::sim {
namespace {

constexpr std::uint64_t usual_seeds = 500;
constexpr std::size_t told_lines = 120;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What must have happened in some of the runs, so that they tell anything.
struct Counts {
    std::uint64_t refused = 0;   // requests of masters that had lost the ownership and did not know it
    std::uint64_t accepted = 0;  // connections
    std::uint64_t passed = 0;    // connections, from one worker to another
};

// Empty: all held.
std::string run_seed(std::uint64_t seed, bool tracing, std::vector<std::string>& log, Counts& counts) {
    World world(seed, tracing);
    std::string broken;
    try {
        world.run();
    } catch (const Broken& what) {
        broken = what.what;
    }
    counts.refused += world.keeper().refused();
    counts.accepted += world.gateway().accepted();
    counts.passed += world.gateway().passed();
    log = world.log();
    return broken;
}

std::string last_lines(const std::vector<std::string>& log) {
    std::string text;
    for (std::size_t i = log.size() > told_lines ? log.size() - told_lines : 0; i < log.size(); ++i) {
        text += log[i] + (log[i].ends_with('\n') ? "" : "\n");
    }
    return text;
}

TEST(Simulation, HoldsForEverySeed) {
    std::vector<std::string> log;
    Counts counts;
    if (std::getenv("BATON_SIM_SEED") != nullptr) {
        const std::uint64_t seed = number_from("BATON_SIM_SEED", 0);
        const std::string broken = run_seed(seed, true, log, counts);
        for (const std::string& line : log) std::fprintf(stderr, "%s%s", line.c_str(), line.ends_with('\n') ? "" : "\n");
        EXPECT_EQ(broken, "") << "seed " << seed;
        return;
    }
    const std::uint64_t seeds = number_from("BATON_SIM_SEEDS", usual_seeds);
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const std::string broken = run_seed(seed, false, log, counts);
        if (broken.empty()) continue;
        std::vector<std::string> told;
        Counts ignored;
        run_seed(seed, true, told, ignored);
        FAIL() << "seed " << seed << ": " << broken << "\nBATON_SIM_SEED=" << seed << " tells all of it; its end:\n" << last_lines(told);
    }
    EXPECT_GT(counts.refused, 0U);
    EXPECT_GT(counts.accepted, 0U);
    EXPECT_GT(counts.passed, 0U);
}

// The same seed tells the same story: nothing depends on anything but the seed.
TEST(Simulation, RepeatsItself) {
    std::vector<std::string> first;
    std::vector<std::string> second;
    Counts counts;
    run_seed(7, true, first, counts);
    run_seed(7, true, second, counts);
    EXPECT_GT(first.size(), 100U);
    EXPECT_EQ(first, second);
}

}  // namespace
}  // namespace baton::sim
