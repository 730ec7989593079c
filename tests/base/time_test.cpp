#include "base/time.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

struct Duration {
    std::string text;
    Millis millis;
    std::string canonical;
};

class GoodDuration : public testing::TestWithParam<Duration> {};

TEST_P(GoodDuration, IsReadAndWritten) {
    const auto millis = parse_duration(GetParam().text);
    ASSERT_TRUE(millis) << millis.error().message();
    EXPECT_EQ(*millis, GetParam().millis);
    EXPECT_EQ(format_duration(*millis), GetParam().canonical);
    EXPECT_EQ(*parse_duration(GetParam().canonical), *millis);
}

INSTANTIATE_TEST_SUITE_P(Time, GoodDuration,
                         testing::Values(Duration{"500ms", 500, "500ms"}, Duration{"5s", 5'000, "5s"}, Duration{"10m", 600'000, "10m"},
                                         Duration{"1h", 3'600'000, "1h"}, Duration{"2d", 172'800'000, "2d"}, Duration{"0s", 0, "0s"},
                                         Duration{"0h", 0, "0s"}, Duration{"60s", 60'000, "1m"}, Duration{"90m", 5'400'000, "90m"},
                                         Duration{"1500ms", 1'500, "1500ms"}, Duration{"007s", 7'000, "7s"}));

class BadDuration : public testing::TestWithParam<std::string> {};

TEST_P(BadDuration, IsRefusedAndNamed) {
    const auto millis = parse_duration(GetParam());
    ASSERT_FALSE(millis);
    EXPECT_NE(millis.error().message().find("'" + GetParam() + "'"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Time, BadDuration,
                         testing::Values("", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "5.5s", "5S", "5sec", "1h30m", "1w", "0x5s",
                                         "9223372036854775807ms", "99999999999999999999s", "9223372036854775s"));

TEST(Duration, OfAnyCountOfMillisecondsReadsBack) {
    for (Millis millis = 0; millis < 200'000; millis += 37) EXPECT_EQ(*parse_duration(format_duration(millis)), millis);
}

TEST(WallTime, IsWrittenInUtc) {
    EXPECT_EQ(format_wall(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(format_wall(951'827'696'789), "2000-02-29T12:34:56.789Z");
    EXPECT_EQ(format_wall(4'102'444'799'999), "2099-12-31T23:59:59.999Z");
}

TEST(Clock, OfTheBootDoesNotGoBack) {
    Millis before = monotonic_now();
    EXPECT_GT(before, 0);
    for (int i = 0; i < 1000; ++i) {
        const Millis now = monotonic_now();
        EXPECT_GE(now, before);
        before = now;
    }
    EXPECT_GT(wall_now(), 1'600'000'000'000);
}

}  // namespace
}  // namespace baton
