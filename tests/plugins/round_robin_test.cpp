// Smooth weighted round robin, by the vectors measured of nginx, and against its plain form.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "shipped.h"

namespace baton {
namespace {

using test::shipped_pool;
using test::TestPool;

std::string picks_of(const std::vector<std::uint32_t>& weights, int count, std::uint32_t worker = 0) {
    auto pool = shipped_pool("round_robin");
    pool.assign(TestPool::weighted(weights), worker);
    return pool.picks(count);
}

TEST(RoundRobin, IsThatOfTheVectors) {
    EXPECT_EQ(picks_of({5, 1, 1}, 21), "aabacaaaabacaaaabacaa");
    EXPECT_EQ(picks_of({4, 2, 1}, 14), "abacabaabacaba");
    // After ten picks both are equal, and the first wins on ties.
    const std::string once = std::string(10, 'a') + "b" + std::string(9, 'a');
    EXPECT_EQ(picks_of({19, 1}, 60), once + once + once);
    // The other way round it wins the tie.
    EXPECT_EQ(picks_of({1, 19}, 20), std::string(9, 'b') + "a" + std::string(10, 'b'));
    EXPECT_EQ(picks_of({1, 1, 1}, 6), "abcabc");
    EXPECT_EQ(picks_of({7}, 3), "aaa");
    EXPECT_EQ(picks_of({0, 2, 0, 1}, 6), "bdbbdb");
    EXPECT_EQ(picks_of({0, 0}, 2), "--");
    EXPECT_EQ(picks_of({}, 2), "--");
}

TEST(RoundRobin, WorkersBeginElsewhere) {
    EXPECT_EQ(picks_of({5, 1, 1}, 7, 2), "bacaaaa");
    EXPECT_EQ(picks_of({5, 1, 1}, 7, 9), "bacaaaa");  // once round is nothing
    EXPECT_EQ(picks_of({1, 1, 1}, 3, 1), "bca");
}

TEST(RoundRobin, WhoFailedRecoversByOneARound) {
    auto pool = shipped_pool("round_robin");
    pool.assign(TestPool::weighted({5, 1, 1}));
    EXPECT_EQ(pool.picks(7), "aabacaa");
    pool.result(0, model::OutcomeKind::failed);
    pool.live().set_usable(0, false);
    EXPECT_EQ(pool.picks(6), "bcbcbc");
    pool.live().set_usable(0, true);
    EXPECT_EQ(pool.picks(14), "bcaabaacaaabaa");
    // An answer costs nothing.
    auto other = shipped_pool("round_robin");
    other.assign(TestPool::weighted({5, 1, 1}));
    other.result(0, model::OutcomeKind::ok);
    EXPECT_EQ(other.picks(7), "aabacaa");
}

TEST(RoundRobin, TurnsAreKeptByThoseThatStay) {
    auto members = TestPool::weighted({5, 1, 1});
    for (const int before : {3, 31}) {  // before and after the repetition is known
        auto pool = shipped_pool("round_robin");
        pool.assign(members);
        pool.picks(before);
        pool.assign(members, 6);  // the worker's number is for the first time only
        EXPECT_EQ(pool.picks(4), "acaa");
        EXPECT_EQ(pool.picks(3), "aab");
        // The same in another order: the turn is the endpoint's, not the place's.
        auto reversed = members;
        std::reverse(reversed.begin(), reversed.end());
        pool.assign(reversed);
        EXPECT_EQ(pool.picks(4), "cacc");
    }
}

TEST(RoundRobin, AnEndpointThatStartsSlowlyGetsItsShare) {
    auto pool = shipped_pool("round_robin");
    pool.assign(TestPool::weighted({2, 2}));
    pool.live().set_share(0, 500);
    const std::string some = pool.picks(300);
    EXPECT_EQ(std::count(some.begin(), some.end(), 'a'), 100);
    pool.live().set_share(0, 1000);
    const std::string even = pool.picks(300);
    EXPECT_EQ(std::count(even.begin(), even.end(), 'a'), 150);
}

TEST(RoundRobin, BackupsOnlyWhenNobodyElseIsLeft) {
    auto pool = shipped_pool("round_robin");
    auto members = TestPool::weighted({1, 1, 1, 1});
    members[1].backup = true;
    members[2].backup = true;
    members[3].down = true;
    pool.assign(members);
    EXPECT_EQ(pool.picks(3), "aaa");
    pool.tried = {0b0001};
    EXPECT_EQ(pool.picks(2), "bc");
    pool.tried = {0b0111};
    EXPECT_EQ(pool.picks(1), "-");
    pool.tried.clear();
    pool.live().set_usable(0, false);
    EXPECT_EQ(pool.picks(2), "bc");
    EXPECT_EQ(pool.balancer().faults(), 0U);
}

// nginx's loop as it is written in its source's comments, without any short cut.
class Plain {
  public:
    struct Peer {
        std::uint64_t id;
        std::int64_t weight, effective, current;
        std::int64_t max_fails;
        bool usable;
    };
    std::vector<Peer> peers;

    std::uint32_t pick(std::uint64_t tried) {
        std::int64_t total = 0;
        std::uint32_t best = model::nobody;
        for (std::uint32_t i = 0; i < peers.size(); ++i) {
            Peer& peer = peers[i];
            if (!peer.usable || (tried >> i & 1U) != 0) continue;
            peer.current += peer.effective;
            total += peer.effective;
            if (peer.effective < peer.weight) ++peer.effective;
            if (best == model::nobody || peer.current > peers[best].current) best = i;
        }
        if (best != model::nobody) peers[best].current -= total;
        return best;
    }
    void failed(std::uint32_t i) {
        Peer& peer = peers[i];
        peer.effective = std::max<std::int64_t>(0, peer.effective - peer.weight / peer.max_fails);
    }
};

// Whatever happens in between, the picks are those of the plain loop: the repetition is only a short cut.
TEST(RoundRobin, IsThePlainLoopWhateverHappens) {
    for (std::uint32_t seed = 1; seed <= 40; ++seed) {
        std::mt19937 random(seed);
        const auto below = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(random() % bound); };
        auto pool = shipped_pool("round_robin");
        Plain plain;
        std::vector<std::uint32_t> weights(1 + below(8));
        for (auto& weight : weights) weight = 1 + below(5);
        auto members = TestPool::weighted(weights);
        for (auto& member : members) {
            member.max_fails = 1 + below(3);
            plain.peers.push_back({member.id, member.weight, member.weight, 0, member.max_fails, true});
        }
        pool.assign(members);
        for (int step = 0; step < 3'000; ++step) {
            const std::uint32_t what = below(200);
            const std::uint32_t who = below(static_cast<std::uint32_t>(members.size()));
            if (what == 0) {
                plain.peers[who].usable = !plain.peers[who].usable;
                pool.live().set_usable(who, plain.peers[who].usable);
            } else if (what == 1) {
                plain.failed(who);
                pool.result(who, model::OutcomeKind::connect_failed);
            } else if (what == 2) {
                pool.assign(members);
                for (std::uint32_t i = 0; i < members.size(); ++i) pool.live().set_usable(i, plain.peers[i].usable);
            }
            pool.tried.clear();
            if (what == 3) pool.tried = {std::uint64_t{1} << who};
            const std::uint64_t tried = pool.tried.empty() ? 0 : pool.tried[0];
            ASSERT_EQ(pool.pick(), plain.pick(tried)) << "seed " << seed << ", step " << step;
        }
    }
}

}  // namespace
}  // namespace baton
