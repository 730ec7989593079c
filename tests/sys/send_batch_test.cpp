#include "sys/send_batch.h"

#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace baton::sys {
namespace {

class Batch : public testing::Test {
  protected:
    struct Ends {
        UniqueFd mine;
        UniqueFd theirs;
        std::string read(std::size_t at_most = 1 << 20) const {
            std::string bytes(at_most, ' ');
            const Transfer got = read_stream(theirs, bytes);
            bytes.resize(got.bytes);
            return bytes;
        }
        // Takes nothing more.
        void fill() const {
            const std::string much(1 << 20, 'f');
            while (write_stream(mine, much).error == 0) {}
            while (write_stream(mine, "f").error == 0) {}
        }
    };
    static Ends stream() {
        int both[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both), 0);
        return {UniqueFd(both[0]), UniqueFd(both[1])};
    }
    void SetUp() override {
        auto made = SendBatch::create(4);
        if (!made) GTEST_SKIP() << "SKIPPED: " << made.error().message();
        batch_.emplace(std::move(*made));
    }
    std::optional<SendBatch> batch_;
};

TEST_F(Batch, WritesToManyStreams) {
    const Ends one = stream();
    const Ends two = stream();
    for (int round = 0; round < 3; ++round) {
        batch_->add(one.mine.get(), std::string_view("first"));
        batch_->add(two.mine.get(), std::string_view("second"));
        const auto outcomes = batch_->send();
        ASSERT_EQ(outcomes.size(), 2U);
        EXPECT_EQ(outcomes[0].bytes, 5U);
        EXPECT_EQ(outcomes[1].bytes, 6U);
        EXPECT_EQ(outcomes[0].error + outcomes[1].error, 0);
        EXPECT_EQ(one.read(), "first");
        EXPECT_EQ(two.read(), "second");
    }
    EXPECT_TRUE(batch_->send().empty());
}

TEST_F(Batch, OneByItselfToo) {
    const Ends one = stream();
    batch_->add(one.mine.get(), std::string_view("alone"));
    const auto outcomes = batch_->send();
    ASSERT_EQ(outcomes.size(), 1U);
    EXPECT_EQ(outcomes[0].bytes, 5U);
    EXPECT_EQ(one.read(), "alone");
    one.fill();
    batch_->add(one.mine.get(), std::string_view("full"));
    EXPECT_EQ(batch_->send()[0].error, EAGAIN);
}

TEST_F(Batch, WritesOfOneStreamKeepTheirOrder) {
    const Ends one = stream();
    for (const char* word : {"a", "b", "c", "d"}) batch_->add(one.mine.get(), std::string_view(word));
    EXPECT_EQ(batch_->send().size(), 4U);
    EXPECT_EQ(one.read(), "abcd");
}

TEST_F(Batch, NothingWaitsForAFullStream) {
    const Ends full = stream();
    const Ends other = stream();
    full.fill();
    batch_->add(full.mine.get(), std::string_view("late"));
    batch_->add(other.mine.get(), std::string_view("now"));
    const auto outcomes = batch_->send();
    EXPECT_EQ(outcomes[0].error, EAGAIN);
    EXPECT_EQ(outcomes[0].bytes, 0U);
    EXPECT_EQ(outcomes[1].bytes, 3U);
    EXPECT_EQ(other.read(), "now");
}

TEST_F(Batch, WhoHasClosedIsAnErrorOfItsOwn) {
    Ends closed = stream();
    const Ends other = stream();
    closed.theirs.reset();
    batch_->add(closed.mine.get(), std::string_view("to nobody"));
    batch_->add(other.mine.get(), std::string_view("now"));
    const auto outcomes = batch_->send();
    EXPECT_EQ(outcomes[0].error, EPIPE);
    EXPECT_EQ(outcomes[1].error, 0);
    EXPECT_EQ(other.read(), "now");
}

}  // namespace
}  // namespace baton::sys
