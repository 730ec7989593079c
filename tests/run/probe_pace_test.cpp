#include "run/probe_pace.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace baton::run {
namespace {

struct Verdict {
    Millis at;
    bool passed;
    bool operator==(const Verdict&) const = default;
};
struct Played {
    std::vector<Millis> attempts;
    std::vector<Verdict> verdicts;
};

// Attempts from time 0 to `until`, each of which takes no time and passes where `passes` says so.
Played play(const model::ProbeSpec& spec, Millis until, const std::function<bool(Millis)>& passes) {
    ProbePace pace(spec);
    Played played;
    for (Millis now = 0; now <= until; now = pace.next(now)) {
        played.attempts.push_back(now);
        const auto verdict = pace.note(now, passes(now));
        if (verdict) played.verdicts.push_back({now, *verdict});
    }
    return played;
}

model::ProbeSpec spec(std::uint32_t success, std::uint32_t failure, Millis interval = 1'000) {
    model::ProbeSpec made;
    made.type = model::ProbeType::tcp;
    made.interval = interval;
    made.success = success;
    made.failure = failure;
    return made;
}

TEST(ProbePace, AProgramIsSeenReadySoonAfterItIs) {
    const auto played = play(spec(1, 3), 2'500, [](Millis now) { return now >= 30; });
    EXPECT_EQ(played.attempts, (std::vector<Millis>{0, 10, 30, 1'030, 2'030}));
    EXPECT_EQ(played.verdicts, (std::vector<Verdict>{{30, true}}));
}

TEST(ProbePace, EarlyFailuresCountAtThePaceOfTheInterval) {
    const auto played = play(spec(1, 3), 4'000, [](Millis) { return false; });
    EXPECT_EQ(played.verdicts, (std::vector<Verdict>{{2'000, false}}));
    EXPECT_EQ(played.attempts,
              (std::vector<Millis>{0, 10, 30, 70, 150, 310, 630, 1'000, 2'000, 3'000, 4'000}));
    const auto once = play(spec(1, 1), 0, [](Millis) { return false; });
    EXPECT_EQ(once.verdicts, (std::vector<Verdict>{{0, false}}));
}

TEST(ProbePace, SuccessesCountAtThePaceOfTheInterval) {
    const auto played = play(spec(3, 3), 3'000, [](Millis now) { return now >= 30; });
    EXPECT_EQ(played.verdicts, (std::vector<Verdict>{{2'030, true}}));
}

TEST(ProbePace, AVerdictIsToldAgainOnlyWhenItFlips) {
    const auto played =
        play(spec(2, 2, 100), 1'500, [](Millis now) { return now < 500 || now >= 1'000; });
    EXPECT_EQ(played.verdicts, (std::vector<Verdict>{{100, true}, {600, false}, {1'100, true}}));
}

TEST(ProbePace, OnlyThoseInARowCount) {
    int turn = 0;
    const auto played = play(spec(2, 2, 100), 2'000, [&](Millis) { return ++turn % 2 == 0; });
    EXPECT_TRUE(played.verdicts.empty());
}

TEST(ProbePace, NoAttemptIsNoFailure) {
    ProbePace pace(spec(1, 1));
    EXPECT_EQ(pace.next(0), 1'000);
    EXPECT_EQ(pace.next(1'000), 2'000);
    EXPECT_EQ(pace.note(2'000, true), true);
}

TEST(ProbePace, AShortIntervalIsKept) {
    const auto played = play(spec(1, 5, 4), 16, [](Millis) { return false; });
    EXPECT_EQ(played.attempts, (std::vector<Millis>{0, 4, 8, 12, 16}));
    EXPECT_EQ(played.verdicts, (std::vector<Verdict>{{16, false}}));
}

}  // namespace
}  // namespace baton::run
