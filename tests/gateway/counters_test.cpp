// A worker's counters: what it writes its master reads, places are used again, other versions are refused.
#include "gateway/counters.h"

#include <cstring>

#include <gtest/gtest.h>

#include "base/gateway_limits.h"

namespace baton::gateway {
namespace {

struct Shared {
    sys::UniqueFd file;
    Counters worker;
    Counters master;
};

Shared shared() {
    auto file = Counters::create();
    auto worker = Counters::open(*file);
    auto master = Counters::open(*file);
    return {std::move(*file), std::move(*worker), std::move(*master)};
}

TEST(Counters, AreSeenByTheMaster) {
    Shared both = shared();
    both.worker.totals().accepted = 7;
    both.worker.totals().taken = 9;
    EXPECT_EQ(both.master.totals().accepted, 7U);
    EXPECT_EQ(both.master.totals().taken, 9U);
    EXPECT_EQ(both.master.open_connections(3), 0U);
    std::uint64_t* open = both.worker.slot(3);
    ASSERT_NE(open, nullptr);
    *open = 2;
    EXPECT_EQ(both.worker.slot(3), open);
    EXPECT_EQ(both.master.open_connections(3), 2U);
    EXPECT_EQ(both.master.open_connections(4), 0U);
}

TEST(Counters, CollidingEndpointsAreApart) {
    Shared both = shared();
    const std::uint64_t n = limits::counted_endpoints;
    std::uint64_t* first = both.worker.slot(5);
    std::uint64_t* second = both.worker.slot(5 + n);
    std::uint64_t* third = both.worker.slot(5 + 2 * n);
    *first = 1;
    *second = 2;
    *third = 3;
    // The search passes over a place that is free again, and over one that was used again.
    *first = 0;
    both.worker.forget(5);
    EXPECT_EQ(both.master.open_connections(5 + n), 2U);
    EXPECT_EQ(both.worker.slot(5 + 3 * n), first);
    EXPECT_EQ(both.worker.slot(5 + 2 * n), third);
    EXPECT_EQ(both.master.open_connections(5), 0U);
    EXPECT_EQ(both.master.open_connections(5 + 2 * n), 3U);
}

TEST(Counters, PlacesAreUsedAgainWhenNobodyIsConnected) {
    Shared both = shared();
    for (std::uint64_t id = 1; id <= limits::counted_endpoints; ++id) ASSERT_NE(both.worker.slot(id), nullptr) << id;
    EXPECT_EQ(both.worker.slot(1'000'000), nullptr);
    EXPECT_EQ(both.master.open_connections(1'000'000), 0U);
    ++*both.worker.slot(17);
    both.worker.forget(17);
    EXPECT_EQ(both.worker.slot(1'000'000), nullptr) << "somebody is connected to 17 still";
    EXPECT_EQ(both.master.open_connections(17), 1U);
    --*both.worker.slot(17);  // and is in the table again
    EXPECT_EQ(both.worker.slot(1'000'000), nullptr);
    both.worker.forget(17);
    ASSERT_NE(both.worker.slot(1'000'000), nullptr);
    EXPECT_EQ(both.worker.slot(1'000'001), nullptr);
    both.worker.forget(123'456'789);  // never heard of
}

TEST(Counters, OfAnotherKindAreRefused) {
    auto file = Counters::create();
    {
        auto mapping = sys::Mapping::map(*file);
        ASSERT_TRUE(mapping);
        const std::uint64_t later = 2;
        std::memcpy(mapping->bytes().data() + sizeof(std::uint64_t), &later, sizeof(later));
    }
    const auto refused = Counters::open(*file);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("another version"), std::string::npos);

    auto shorter = sys::memory("short", 128);
    ASSERT_TRUE(shorter);
    ASSERT_TRUE(sys::seal_size(*shorter));
    EXPECT_FALSE(Counters::open(*shorter));
    auto zeros = sys::memory("zeros", 1 << 20U);
    ASSERT_TRUE(sys::seal_size(*zeros));
    EXPECT_FALSE(Counters::open(*zeros));
}

}  // namespace
}  // namespace baton::gateway
