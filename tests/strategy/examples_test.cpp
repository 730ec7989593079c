// The worked examples do what their first lines say.
#include <algorithm>

#include <gtest/gtest.h>

#include "pool.h"
#include "samples.h"
#include "strategy/balancer.h"
#include "strategy/check.h"
#include "strategy/descriptor.h"

namespace baton::strategy {
namespace {

using test::load;
using test::TestPool;

std::string example(const std::string& name) {
    return std::string(BATON_EXAMPLES) + "/" + name + ".so";
}

class Examples : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Examples,
                         testing::Values("canary_by_key", "weighted_random", "least_instances", "promote_freshest"));

TEST_P(Examples, PassTheCheck) {
    const Checked checked = check(example(GetParam()));
    EXPECT_TRUE(checked.report.good()) << checked.report.problems.at(0);
    EXPECT_EQ(checked.report.factories.at(0).name, GetParam());
    EXPECT_TRUE(checked.report.notes.empty());
}

TEST(CanaryByKey, AShareOfTheKeysGoesThere) {
    TestPool pool(std::move(*make_balancer(load(example("canary_by_key")), "canary_by_key", {{"share", "0.2"}}, nullptr, {})));
    auto members = TestPool::weighted({1, 1, 1});
    members[2].name = "web-canary/0";
    pool.assign(members);
    int canaries = 0;
    for (int key = 0; key < 5000; ++key) canaries += pool.pick(std::to_string(key)) == 2 ? 1 : 0;
    EXPECT_NEAR(canaries, 1000, 100);
    pool.live().set_usable(2, false);
    for (int key = 0; key < 100; ++key) EXPECT_LT(pool.pick(std::to_string(key)), 2U);
}

TEST(WeightedRandom, IsByWeight) {
    TestPool pool(std::move(*make_balancer(load(example("weighted_random")), "weighted_random", {}, nullptr, {})));
    pool.assign(TestPool::weighted({1, 3}));
    const std::string picks = pool.picks(4000);
    EXPECT_NEAR(std::count(picks.begin(), picks.end(), 'a'), 1000, 150);
}

TEST(LeastInstances, PlacesAndSaysWhy) {
    const auto plugin = load(example("least_instances"));
    const auto& table = *static_cast<const baton_scheduler*>(find_factory(plugin->descriptor(), BATON_KIND_SCHEDULER, "least_instances")->table);
    baton_option_value spread{"spread", nullptr, 0, 0, BATON_OPTION_BOOL, 1};
    const baton_settings settings{sizeof(settings), 1, sizeof(spread), 0, &spread, nullptr};
    void* const scheduler = table.create(&settings, nullptr);
    const baton_node nodes[] = {{1, "a", nullptr, 0, BATON_NODE_READY, 2, 0, 4000, 4000, 8UL << 30U, 1UL << 30U},
                                {2, "b", nullptr, 0, BATON_NODE_READY, 1, 0, 4000, 4000, 8UL << 30U, 1UL << 30U},
                                {3, "c", nullptr, 0, BATON_NODE_READY, 1, 0, 4000, 4000, 8UL << 30U, 2UL << 30U},
                                {4, "d", nullptr, 0, BATON_NODE_READY | BATON_NODE_CORDONED, 0, 0, 4000, 4000, 8UL << 30U, 8UL << 30U}};
    const baton_placement_view view{sizeof(view), 4, sizeof(baton_node), 5, nodes, "web", nullptr, 0, 0, 1UL << 30U, 1, 1};
    baton_placement placements[5];
    char words[1000];
    baton_placement_decision decision{sizeof(decision), 5, 0, 0, placements, {words, sizeof(words), 0}};
    table.place(scheduler, &view, &decision);
    table.destroy(scheduler);
    ASSERT_EQ(decision.count, 5U);
    std::string where;
    for (const baton_placement& one : placements) where += one.node == BATON_NONE ? '-' : nodes[one.node].name[0];
    EXPECT_EQ(where, "cbac-");  // c, then b, then a and c with two each (c has memory for two), then nobody has memory
    EXPECT_EQ(std::string(words, placements[0].reason_size), "c has the fewest instances (1, of this service 0) and 2048 MiB free");
}

TEST(PromoteFreshest, FencesWhoCannotBeReached) {
    const auto plugin = load(example("promote_freshest"));
    const auto& table = *static_cast<const baton_failover*>(find_factory(plugin->descriptor(), BATON_KIND_FAILOVER, "promote_freshest")->table);
    baton_option_value patience{"patience", nullptr, 5'000'000, 0, BATON_OPTION_DURATION, 0};
    const baton_settings settings{sizeof(settings), 1, sizeof(patience), 0, &patience, nullptr};
    void* const failover = table.create(&settings, nullptr);
    constexpr std::uint32_t well = BATON_MEMBER_RUNNING | BATON_MEMBER_READY | BATON_MEMBER_REACHABLE;
    const baton_member members[] = {{1, "db/0", "a", BATON_ROLE_ACTIVE, 0, 0, 3, 10'000'000, 90},
                                    {2, "db/1", "b", BATON_ROLE_STANDBY, well, 1, 0, 0, 80},
                                    {3, "db/2", "c", BATON_ROLE_STANDBY, well, 2, 0, 0, 85}};
    baton_failover_view view{sizeof(view), 3, sizeof(baton_member), 1, members, "db", 12'000'000, 1};
    baton_failover_step steps[8];
    char words[1000];
    baton_failover_decision decision{sizeof(decision), 8, 0, 0, steps, {words, sizeof(words), 0}, 0};
    table.decide(failover, &view, &decision);
    EXPECT_EQ(decision.count, 0U);
    EXPECT_EQ(decision.ask_again_us, 15'000'000U);
    EXPECT_EQ(std::string(words, decision.reasons.size), "db/0 is away, and has time to come back");

    view.now_us = 15'000'000;
    decision = {sizeof(decision), 8, 0, 0, steps, {words, sizeof(words), 0}, 0};
    table.decide(failover, &view, &decision);
    table.destroy(failover);
    ASSERT_EQ(decision.count, 2U);
    EXPECT_EQ(steps[0].kind, BATON_FENCE + 0U);
    EXPECT_EQ(steps[0].member, 0U);
    EXPECT_EQ(steps[1].kind, BATON_PROMOTE + 0U);
    EXPECT_EQ(steps[1].member, 2U);
    EXPECT_EQ(std::string(words + steps[1].reason_from, steps[1].reason_size), "db/2 is well, and its data goes furthest (85)");
}

}  // namespace
}  // namespace baton::strategy
