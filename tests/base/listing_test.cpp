#include "base/listing.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Listing, AFewAreAllTold) {
    EXPECT_EQ(in_one_sentence({}), "");
    EXPECT_EQ(in_one_sentence({"one"}), "one");
    EXPECT_EQ(in_one_sentence({"one", "two"}), "one; two");
}

TEST(Listing, OfManyItIsToldHowManyMoreThereAre) {
    const std::vector<std::string> eight(8, "x");
    EXPECT_EQ(in_one_sentence(eight), "x; x; x; x; x; x; x; x");
    EXPECT_EQ(in_one_sentence(std::vector<std::string>(2'000, "x")), in_one_sentence(eight) + "; and 1992 more");
}

}  // namespace
}  // namespace baton
