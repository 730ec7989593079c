// Passive health, nginx's rule, and slow start, Envoy's.
#include "model/passive_health.h"

#include <gtest/gtest.h>

#include "model/slow_start.h"

namespace baton::model {
namespace {

PassiveHealth of(std::uint32_t max_fails, std::size_t count = 2) {
    PassiveHealth health;
    std::vector<PassiveHealth::Peer> peers;
    for (std::size_t i = 0; i < count; ++i) peers.push_back({i + 1, {max_fails, 10'000}});
    health.assign(peers);
    return health;
}

TEST(PassiveHealth, WhoFailedIsOutUntilTheTimeHasPassed) {
    PassiveHealth health = of(1);
    const Millis now = 1'000'000;
    EXPECT_EQ(health.next_trial(), never);
    EXPECT_TRUE(health.picked(0, now));
    EXPECT_FALSE(health.failed(0, now));
    EXPECT_TRUE(health.usable(1, now));
    EXPECT_FALSE(health.usable(0, now + 10'000));
    EXPECT_TRUE(health.usable(0, now + 10'001));
    EXPECT_EQ(health.next_trial(), now + 10'001);
}

TEST(PassiveHealth, WhereNobodyIsLeftAllAreBack) {
    PassiveHealth health = of(1, 3);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(health.failed(i, 1'000'000));
    health.forgive();
    EXPECT_EQ(health.next_trial(), never);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(health.picked(i, 1'000'001));
    EXPECT_FALSE(health.failed(0, 1'000'002));
    EXPECT_TRUE(health.usable(1, 1'000'002));
}

TEST(PassiveHealth, OneRequestIsTheTrial) {
    PassiveHealth health = of(1);
    health.failed(0, 1'000'000);
    const Millis trial = 1'010'001;
    EXPECT_FALSE(health.picked(0, trial));  // others have to wait for it
    EXPECT_FALSE(health.usable(0, trial + 10'000));
    EXPECT_EQ(health.next_trial(), trial + 10'001);
    EXPECT_TRUE(health.succeeded(0));
    EXPECT_TRUE(health.usable(0, trial));
    EXPECT_EQ(health.next_trial(), never);
    EXPECT_FALSE(health.succeeded(0));  // it was sound already
}

TEST(PassiveHealth, ATrialThatFailsPutsItOutAgain) {
    PassiveHealth health = of(1);
    health.failed(0, 1'000'000);
    health.picked(0, 1'010'001);
    EXPECT_FALSE(health.failed(0, 1'010'500));
    EXPECT_FALSE(health.usable(0, 1'020'500));
    EXPECT_TRUE(health.usable(0, 1'020'501));
}

TEST(PassiveHealth, AnAnswerToAnOlderRequestIsNoTrial) {
    PassiveHealth health = of(1);
    health.picked(0, 1'000'000);
    health.failed(0, 1'000'001);
    EXPECT_FALSE(health.succeeded(0));
    EXPECT_FALSE(health.usable(0, 1'000'002));
}

TEST(PassiveHealth, SeveralFailuresAreNeeded) {
    PassiveHealth health = of(3);
    EXPECT_TRUE(health.failed(0, 1'000'000));
    EXPECT_TRUE(health.failed(0, 1'000'001));
    EXPECT_EQ(health.next_trial(), never);
    EXPECT_FALSE(health.failed(0, 1'000'002));
    // Fewer are forgotten by a success after the time.
    PassiveHealth other = of(3);
    other.failed(0, 1'000'000);
    other.failed(0, 1'000'001);
    EXPECT_TRUE(other.picked(0, 1'010'002));
    EXPECT_TRUE(other.succeeded(0));
    EXPECT_TRUE(other.failed(0, 1'010'003));
    EXPECT_TRUE(other.failed(0, 1'010'004));
}

TEST(PassiveHealth, TheOnlyOneAndOneWithoutARuleAreNeverTakenOut) {
    PassiveHealth only = of(1, 1);
    EXPECT_TRUE(only.failed(0, 5));
    EXPECT_TRUE(only.usable(0, 5));
    EXPECT_EQ(only.next_trial(), never);
    PassiveHealth unlimited = of(0);
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(unlimited.failed(0, 5));
    EXPECT_EQ(unlimited.next_trial(), never);
}

TEST(PassiveHealth, WhoStaysKeepsItsFailures) {
    PassiveHealth health = of(1);
    health.failed(1, 1'000'000);
    health.assign({{3, {1, 10'000}}, {2, {1, 60'000}}});
    EXPECT_TRUE(health.usable(0, 1'000'001));
    EXPECT_FALSE(health.usable(1, 1'000'001));
    EXPECT_FALSE(health.usable(1, 1'060'000));  // by the rule of now
    EXPECT_TRUE(health.usable(1, 1'060'001));
    health.assign({{3, {}}, {4, {}}});
    EXPECT_TRUE(health.usable(1, 1'000'001));
}

TEST(SlowStart, IsEnvoysFormula) {
    EXPECT_EQ(slow_start_share({}, 0), 1000U);
    const SlowStart linear{10'000, 0.10, 1.0};
    EXPECT_EQ(slow_start_share(linear, 0), 100U);
    EXPECT_EQ(slow_start_share(linear, 500), 100U);
    EXPECT_EQ(slow_start_share(linear, 2'500), 250U);
    EXPECT_EQ(slow_start_share(linear, 9'999), 1000U);
    EXPECT_EQ(slow_start_share(linear, 10'000), 1000U);
    EXPECT_EQ(slow_start_share({10'000, 0.10, 2.0}, 2'500), 500U);
    EXPECT_EQ(slow_start_share({10'000, 0.0, 1.0}, 0), 1U);
}

}  // namespace
}  // namespace baton::model
