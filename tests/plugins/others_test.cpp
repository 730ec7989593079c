// Least connections, random two, ip_hash, least time, active and standby, through the public ABI.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "shipped.h"

namespace baton {
namespace {

using test::shipped_pool;
using test::TestPool;

// Picks that stay connected.
std::string connect(TestPool& pool, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
        const std::uint32_t picked = pool.pick();
        text += picked == model::nobody ? '-' : static_cast<char>('a' + picked);
        if (picked != model::nobody) pool.live().started(picked);
    }
    return text;
}

std::map<char, int> counted(const std::string& picks) {
    std::map<char, int> counts;
    for (const char pick : picks) ++counts[pick];
    return counts;
}

TEST(LeastConnections, TakesWhoHasTheFewestForItsWeight) {
    auto pool = shipped_pool("least_connections");
    pool.assign(TestPool::weighted({1, 1, 2}));
    EXPECT_EQ(counted(connect(pool, 400)), (std::map<char, int>{{'a', 100}, {'b', 100}, {'c', 200}}));
    for (int i = 0; i < 50; ++i) pool.live().finished(1);
    EXPECT_EQ(connect(pool, 50), std::string(50, 'b'));
    pool.live().set_usable(1, false);
    pool.tried = {0b100};
    EXPECT_EQ(connect(pool, 1), "a");
}

TEST(LeastConnections, EqualOnesHaveTheirTurn) {
    auto pool = shipped_pool("least_connections");
    const auto members = TestPool::weighted({1, 1, 1});
    pool.assign(members);
    EXPECT_EQ(pool.picks(4), "abca");
    pool.assign(members);
    EXPECT_EQ(pool.picks(2), "bc");
    auto second = shipped_pool("least_connections");
    second.assign(members, 1);
    EXPECT_EQ(second.picks(3), "bca");
}

TEST(LeastConnections, AnEndpointThatStartsSlowlyGetsItsShare) {
    auto pool = shipped_pool("least_connections");
    pool.assign(TestPool::weighted({1, 1}));
    pool.live().set_share(0, 250);
    EXPECT_EQ(counted(connect(pool, 500)), (std::map<char, int>{{'a', 100}, {'b', 400}}));
}

TEST(RandomTwo, IsEvenByConnectionsAndByWeight) {
    auto pool = shipped_pool("random_two");
    pool.assign(TestPool::weighted({1, 1, 2}));
    const auto counts = counted(connect(pool, 4000));
    EXPECT_NEAR(counts.at('a'), 1000, 20);
    EXPECT_NEAR(counts.at('b'), 1000, 20);
    EXPECT_NEAR(counts.at('c'), 2000, 20);
    // One of two is much busier: it is never taken while the other is there.
    auto two = shipped_pool("random_two");
    two.assign(TestPool::weighted({1, 1}));
    two.live().set_active(0, 100);
    EXPECT_EQ(two.picks(50), std::string(50, 'b'));
    two.tried = {0b10};
    EXPECT_EQ(two.picks(5), "aaaaa");
    two.tried.clear();
    EXPECT_EQ(two.picks(5), "bbbbb");
}

TEST(RandomTwo, TheSameSeedGivesTheSame) {
    auto pool = shipped_pool("random_two");
    auto same = shipped_pool("random_two");
    const auto members = TestPool::weighted({1, 2, 3, 4, 5, 6});
    pool.assign(members);
    same.assign(members);
    const std::string picks = pool.picks(100);
    EXPECT_EQ(same.picks(100), picks);
    EXPECT_GT(counted(picks).size(), 4U);
}

// nginx's hash, written down a second time.
std::uint32_t nginx_hash(const std::vector<std::uint8_t>& bytes, int rounds = 1) {
    std::uint32_t hash = 89;
    for (int k = 0; k < rounds; ++k) {
        for (std::size_t i = 0; i < (bytes.size() == 4 ? 3 : bytes.size()); ++i) hash = (hash * 113 + bytes[i]) % 6271;
    }
    return hash;
}

std::uint32_t by_weight(const std::vector<std::uint32_t>& weights, std::uint32_t hash) {
    std::uint32_t sum = 0;
    for (const std::uint32_t weight : weights) sum += weight;
    std::uint32_t place = hash % sum;
    std::uint32_t i = 0;
    while (place >= weights[i]) place -= weights[i++];
    return i;
}

TEST(IpHash, IsNginxsMapping) {
    EXPECT_EQ(nginx_hash({192, 168, 2, 9}), 155U);
    EXPECT_EQ(nginx_hash({10, 0, 0, 1}), 2565U);
    EXPECT_EQ(nginx_hash({127, 0, 0, 1}), 4040U);
    const std::vector<std::uint32_t> weights{1, 2, 3, 4};
    auto pool = shipped_pool("ip_hash");
    pool.assign(TestPool::weighted(weights));
    for (int net = 0; net < 1000; ++net) {
        const std::vector<std::uint8_t> client{10, static_cast<std::uint8_t>(net / 256), static_cast<std::uint8_t>(net), 7};
        const std::vector<std::uint8_t> six{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, client[1], client[2]};
        ASSERT_EQ(pool.pick({}, client), by_weight(weights, nginx_hash(client)));
        ASSERT_EQ(pool.pick({}, six), by_weight(weights, nginx_hash(six)));
    }
}

TEST(IpHash, WhoCannotBePickedIsPassedOverByHashingOn) {
    const std::vector<std::uint32_t> weights{1, 1, 1, 1};
    for (const bool down : {true, false}) {
        auto pool = shipped_pool("ip_hash");
        auto members = TestPool::weighted(weights);
        members[2].down = down;
        pool.assign(members);
        if (!down) pool.live().set_usable(2, false);
        for (int net = 0; net < 200; ++net) {
            const std::vector<std::uint8_t> client{172, 16, static_cast<std::uint8_t>(net), 1};
            std::uint32_t expected = model::nobody;
            for (int rounds = 1; expected == model::nobody; ++rounds) {
                const std::uint32_t at = by_weight(weights, nginx_hash(client, rounds));
                if (at != 2) expected = at;
            }
            ASSERT_EQ(pool.pick({}, client), expected);
        }
    }
}

TEST(IpHash, AfterTwentyStepsItIsRoundRobin) {
    // Of a thousand places one can be used: most clients do not come to it within 21 hashes.
    auto pool = shipped_pool("ip_hash");
    auto members = TestPool::weighted({500, 1, 1, 498});
    members[0].down = true;
    members[3].down = true;
    pool.assign(members);
    std::string picks;
    for (int i = 0; i < 6; ++i) picks += static_cast<char>('a' + pool.pick({}, {192, 168, 2, 1}));
    EXPECT_EQ(picks, "bcbcbc");
    // And so are clients without an address.
    auto unknown = shipped_pool("ip_hash");
    unknown.assign(TestPool::weighted({1, 1}));
    EXPECT_EQ(unknown.picks(4), "abab");
}

TEST(IpHash, BackupsServeWhileNobodyElseCan) {
    auto pool = shipped_pool("ip_hash");
    auto members = TestPool::weighted({1, 1, 1});
    members[2].backup = true;
    pool.assign(members);
    for (std::uint8_t net = 0; net < 50; ++net) EXPECT_NE(pool.pick({}, {10, 0, net, 1}), 2U);
    pool.live().set_usable(0, false);
    pool.live().set_usable(1, false);
    EXPECT_EQ(pool.pick({}, {10, 0, 0, 1}), 2U);
}

TEST(LeastTime, TakesTheQuickerOfTwo) {
    auto pool = shipped_pool("least_time");
    pool.assign(TestPool::weighted({1, 1}));
    pool.result(0, model::OutcomeKind::ok, 50'000);
    pool.result(1, model::OutcomeKind::ok, 1'000);
    EXPECT_EQ(pool.picks(20), std::string(20, 'b'));
    // Connections count, too: a is 50 times as slow.
    pool.live().set_active(1, 60);
    EXPECT_EQ(pool.picks(20), std::string(20, 'a'));
    // So do weights.
    auto weighted = shipped_pool("least_time");
    weighted.assign(TestPool::weighted({1, 100}));
    weighted.result(0, model::OutcomeKind::ok, 1'000);
    weighted.result(1, model::OutcomeKind::ok, 50'000);
    EXPECT_EQ(weighted.picks(20), std::string(20, 'b'));
}

TEST(LeastTime, ATimeRisesAtOnceAndFallsWithDecay) {
    auto pool = shipped_pool("least_time", {{"decay", "1s"}});
    pool.assign(TestPool::weighted({1, 1}));
    pool.result(0, model::OutcomeKind::ok, 1'000);
    pool.result(1, model::OutcomeKind::ok, 2'000);
    EXPECT_EQ(pool.picks(5), "aaaaa");
    pool.result(0, model::OutcomeKind::ok, 9'000);  // one peak is enough
    EXPECT_EQ(pool.picks(5), "bbbbb");
    // Two seconds later the other one has just been measured; the old peak counts a seventh.
    pool.now_us += 2'000'000;
    pool.result(1, model::OutcomeKind::ok, 2'000);
    EXPECT_EQ(pool.picks(5), "aaaaa");
}

TEST(LeastTime, AFailureIsSlowAndAnUnknownOneIsTriedOnce) {
    auto pool = shipped_pool("least_time");
    pool.assign(TestPool::weighted({1, 1}));
    pool.result(0, model::OutcomeKind::connect_failed);
    pool.result(1, model::OutcomeKind::ok, 400'000);
    EXPECT_EQ(pool.picks(5), "bbbbb");

    auto fresh = shipped_pool("least_time");
    auto members = TestPool::weighted({1, 1});
    fresh.assign(members);
    fresh.result(0, model::OutcomeKind::ok, 1'000);
    EXPECT_EQ(connect(fresh, 4), "baaa");  // until it has answered, no more
    fresh.live().finished(1);
    fresh.result(1, model::OutcomeKind::ok, 100);
    EXPECT_EQ(connect(fresh, 1), "b");
    // What was measured stays with who stays.
    std::reverse(members.begin(), members.end());
    fresh.assign(members);
    EXPECT_EQ(fresh.picks(3), "aaa");
}

TEST(ActiveStandby, OneGetsEverything) {
    auto pool = shipped_pool("active_standby");
    auto members = TestPool::weighted({1, 9, 1, 1});
    members[0].backup = true;
    members[1].priority = 1;
    pool.assign(members);  // c and d have priority 0
    EXPECT_EQ(pool.picks(3), "ccc");
    pool.live().set_usable(2, false);
    EXPECT_EQ(pool.picks(2), "dd");
    pool.live().set_usable(3, false);
    EXPECT_EQ(pool.picks(2), "bb");
    pool.live().set_usable(1, false);
    EXPECT_EQ(pool.picks(2), "aa");
    pool.live().set_usable(0, false);
    EXPECT_EQ(pool.picks(1), "-");
    pool.live().set_usable(2, true);
    EXPECT_EQ(pool.picks(1), "c");
    // A request that failed there goes on to the next, the others do not.
    pool.live().set_usable(3, true);
    pool.tried = {0b0100};
    EXPECT_EQ(pool.picks(1), "d");
    pool.tried.clear();
    EXPECT_EQ(pool.picks(1), "c");
}

TEST(ActiveStandby, WithoutPreemptionWhoHasItKeepsIt) {
    for (const bool preempt : {true, false}) {
        auto pool = shipped_pool("active_standby", {{"preempt", preempt ? "true" : "false"}});
        auto members = TestPool::weighted({1, 1, 1});
        members[2].backup = true;
        pool.assign(members);
        pool.live().set_usable(0, false);
        EXPECT_EQ(pool.picks(1), "b");
        pool.live().set_usable(0, true);
        EXPECT_EQ(pool.picks(1), preempt ? "a" : "b");
        pool.assign(members);
        EXPECT_EQ(pool.picks(1), preempt ? "a" : "b");
        // A backup gives it back in any case.
        pool.live().set_usable(0, false);
        pool.live().set_usable(1, false);
        EXPECT_EQ(pool.picks(1), "c");
        pool.live().set_usable(1, true);
        EXPECT_EQ(pool.picks(1), "b");
    }
}

}  // namespace
}  // namespace baton
