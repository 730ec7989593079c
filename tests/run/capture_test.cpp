#include "run/capture.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/limits.h"

namespace baton::run {
namespace {

struct CaptureTest : testing::Test {
    CaptureTest() : pipe(*sys::make_pipe()) {
        capture = std::make_unique<Capture>(
            context, std::move(pipe.read_end),
            [this](std::string_view line) {
                lines.emplace_back(line);
                if (on_line) on_line();
            },
            [this] { ++ends; });
    }
    void write(std::string_view text) {
        ASSERT_EQ(::write(pipe.write_end.get(), text.data(), text.size()),
                  static_cast<ssize_t>(text.size()));
    }
    void hang_up() { pipe.write_end.reset(); }

    boost::asio::io_context context;
    sys::Pipe pipe;
    std::vector<std::string> lines;
    int ends = 0;
    std::function<void()> on_line;
    std::unique_ptr<Capture> capture;
};

using Texts = std::vector<std::string>;

TEST_F(CaptureTest, LinesComeAsTheyAreWritten) {
    write("one\ntw");
    while (lines.empty()) context.run_one();
    EXPECT_EQ(lines, Texts{"one"});
    write("o\n");
    while (lines.size() < 2) context.run_one();
    write("last");
    hang_up();
    context.run();
    EXPECT_EQ(lines, (Texts{"one", "two", "last"}));
    EXPECT_EQ(ends, 1);
}

TEST_F(CaptureTest, DrainNowReadsWhatIsThereWithoutTheLoop) {
    write("a\nb\nhalf");
    capture->drain_now();
    EXPECT_EQ(lines, (Texts{"a", "b", "half"}));
    EXPECT_EQ(ends, 0) << "somebody still holds the pipe";
    write("later\n");
    hang_up();
    capture->drain_now();
    EXPECT_EQ(lines, (Texts{"a", "b", "half", "later"}));
    EXPECT_EQ(ends, 1);
    capture->drain_now();
    context.run();
    EXPECT_EQ(ends, 1);
}

TEST_F(CaptureTest, AnUnfinishedLineCanBeGivenOut) {
    write("half");
    while (context.poll_one() == 0) {
    }
    EXPECT_TRUE(lines.empty());
    capture->flush();
    EXPECT_EQ(lines, Texts{"half"});
}

TEST_F(CaptureTest, MayBeDestroyedByItsLine) {
    on_line = [this] { capture.reset(); };
    write("one\ntwo\nthree\n");
    hang_up();
    context.run();
    EXPECT_EQ(lines, Texts{"one"});
    EXPECT_EQ(ends, 0);
}

TEST_F(CaptureTest, MayBeDestroyedByItsLineInADrain) {
    on_line = [this] { capture.reset(); };
    write("one\ntwo");
    hang_up();
    capture->drain_now();
    context.run();
    EXPECT_EQ(lines, Texts{"one"});
}

TEST_F(CaptureTest, DrainingFromItsOwnLineChangesNothing) {
    on_line = [this] { capture->drain_now(); };
    write("one\ntwo\n");
    hang_up();
    context.run();
    EXPECT_EQ(lines, (Texts{"one", "two"}));
}

TEST_F(CaptureTest, AFloodLeavesTheOthersTheirTurns) {
    std::thread flood([this] {
        const std::string text(64 * 1024, '\n');
        for (int i = 0; i < 20; ++i) {
            if (::write(pipe.write_end.get(), text.data(), text.size()) < 0) return;
        }
        hang_up();
    });
    // Another pipe's line, written before the loop runs, must not wait for the flood's end.
    auto other_pipe = *sys::make_pipe();
    std::size_t flooded_before = 0;
    Capture other(
        context, std::move(other_pipe.read_end),
        [&](std::string_view) { flooded_before = lines.size(); }, [] {});
    ASSERT_EQ(::write(other_pipe.write_end.get(), "x\n", 2), 2);
    other_pipe.write_end.reset();
    context.run();
    flood.join();
    EXPECT_EQ(lines.size(), 20U * 64 * 1024);
    EXPECT_LE(flooded_before, 4 * limits::captured_turn_bytes);
    EXPECT_EQ(ends, 1);
}

TEST_F(CaptureTest, AnEndlessLineComesInPieces) {
    write(std::string(2 * limits::captured_line_bytes + 10, 'x'));
    hang_up();
    context.run();
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0].size(), limits::captured_line_bytes);
    EXPECT_EQ(lines[2], std::string(10, 'x'));
}

}  // namespace
}  // namespace baton::run
