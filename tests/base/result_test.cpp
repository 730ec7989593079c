#include "base/result.h"

#include <cerrno>
#include <stdexcept>

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Error, SaysWhatFailedAndWhy) {
    const Error error = Error::system("bind 0.0.0.0:80", EADDRINUSE);
    EXPECT_EQ(error.message(), "bind 0.0.0.0:80: Address already in use");
    EXPECT_EQ(error.code(), EADDRINUSE);
}

TEST(Error, GrowsAtItsFront) {
    const Error error = Error::system("open /x", ENOENT).context("listener web").context("reload");
    EXPECT_EQ(error.message(), "reload: listener web: open /x: No such file or directory");
    EXPECT_EQ(error.code(), ENOENT);
    EXPECT_EQ(failed("no").code(), 0);
}

TEST(Result, OfAStringTellsAValueFromAFailure) {
    const Result<std::string> good = std::string("text");
    const Result<std::string> bad = failed("text");
    EXPECT_TRUE(good);
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().message(), "text");
    EXPECT_THROW(static_cast<void>(bad.value()), std::logic_error);
}

}  // namespace
}  // namespace baton
