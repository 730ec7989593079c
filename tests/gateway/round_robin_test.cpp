// Smooth weighted round robin, by the vectors measured of nginx.
#include "gateway/round_robin.h"

#include <string>

#include <gtest/gtest.h>

namespace baton::gateway {
namespace {

using Weights = std::vector<std::pair<std::uint64_t, std::uint32_t>>;

std::string picks(RoundRobin& turns, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('a' + turns.pick());
    return text;
}

std::string picks_of(const Weights& weights, std::size_t count, std::size_t offset = 0) {
    RoundRobin turns;
    turns.assign(weights, offset);
    return picks(turns, count);
}

TEST(RoundRobin, IsThatOfTheVectors) {
    EXPECT_EQ(picks_of({{1, 5}, {2, 1}, {3, 1}}, 14), "aabacaaaabacaa");
    EXPECT_EQ(picks_of({{1, 4}, {2, 2}, {3, 1}}, 14), "abacabaabacaba");
    // After ten picks both are equal, and the first wins on ties.
    const std::string once = std::string(10, 'a') + "b" + std::string(9, 'a');
    EXPECT_EQ(picks_of({{1, 19}, {2, 1}}, 40), once + once);
    EXPECT_EQ(picks_of({{1, 1}, {2, 1}, {3, 1}}, 6), "abcabc");
    EXPECT_EQ(picks_of({{1, 7}}, 3), "aaa");
}

TEST(RoundRobin, NeighboursBeginElsewhere) {
    EXPECT_EQ(picks_of({{1, 5}, {2, 1}, {3, 1}}, 7, 2), "bacaaaa");
    EXPECT_EQ(picks_of({{1, 5}, {2, 1}, {3, 1}}, 7, 9), "bacaaaa");  // once round is nothing
    EXPECT_EQ(picks_of({{1, 1}, {2, 1}, {3, 1}}, 3, 1), "bca");
}

TEST(RoundRobin, NobodyOfWeightZeroIsPicked) {
    EXPECT_EQ(picks_of({{1, 0}, {2, 2}, {3, 0}, {4, 1}}, 6), "bdbbdb");
    RoundRobin turns;
    EXPECT_TRUE(turns.empty());
    turns.assign({{1, 0}, {2, 0}}, 5);
    EXPECT_TRUE(turns.empty());
    turns.assign({}, 3);
    EXPECT_TRUE(turns.empty());
}

TEST(RoundRobin, TurnsAreKeptByThoseThatStay) {
    const Weights weights{{11, 5}, {12, 1}, {13, 1}};
    RoundRobin turns;
    turns.assign(weights, 0);
    EXPECT_EQ(picks(turns, 3), "aab");
    turns.assign(weights, 6);  // the offset is for the first time only
    EXPECT_EQ(picks(turns, 4), "acaa");
    EXPECT_EQ(picks(turns, 3), "aab");
    // The same peers in another order: the turn is the peer's, not the place's.
    turns.assign({{13, 1}, {12, 1}, {11, 5}}, 0);
    EXPECT_EQ(picks(turns, 4), "cacc");
}

}  // namespace
}  // namespace baton::gateway
