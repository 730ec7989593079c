#include "base/log.h"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace baton {
namespace {

namespace fs = std::filesystem;

class LogFile : public testing::Test {
  protected:
    LogFile() {
        std::string pattern = (fs::temp_directory_path() / "baton-log-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        file_ = folder_ / "baton.log";
    }
    ~LogFile() override { fs::remove_all(folder_); }

    static std::vector<std::string> lines_of(const fs::path& file) {
        std::ifstream in(file);
        std::vector<std::string> lines;
        for (std::string line; std::getline(in, line);) lines.push_back(line);
        return lines;
    }
    std::vector<std::string> lines() const { return lines_of(file_); }

    fs::path folder_;
    fs::path file_;
    Log log_{"master/3"};
};

bool matches(const std::string& line, const std::string& pattern) {
    return std::regex_match(line, std::regex(pattern));
}

TEST_F(LogFile, TellsTimeLevelRoleAndOrigin) {
    ASSERT_TRUE(log_.open(file_, LogFormat::text, LogLevel::info));
    log_.info("{} of {}", 1, 2);
    log_.write(LogLevel::error, "service web", "it failed");
    const auto written = lines();
    ASSERT_EQ(written.size(), 2U);
    const std::string time = R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} )";
    EXPECT_TRUE(matches(written[0], time + R"(I \[master/3\] 1 of 2)")) << written[0];
    EXPECT_TRUE(matches(written[1], time + R"(E \[master/3\] service web: it failed)")) << written[1];
}

TEST_F(LogFile, LeavesOutWhatIsBelowItsLevel) {
    ASSERT_TRUE(log_.open(file_, LogFormat::text, LogLevel::warning));
    log_.debug("d");
    log_.info("i");
    log_.warning("w");
    log_.error("e");
    EXPECT_EQ(lines().size(), 2U);
    EXPECT_FALSE(log_.enabled(LogLevel::info));
    EXPECT_TRUE(log_.enabled(LogLevel::error));
}

TEST_F(LogFile, EscapesWhatJsonMustNotHold) {
    ASSERT_TRUE(log_.open(file_, LogFormat::json, LogLevel::info));
    log_.write(LogLevel::info, "o\"x", "a\\b\nc\td\x01 \xc3\xa9 {} {x}");
    const auto written = lines();
    ASSERT_EQ(written.size(), 1U);
    EXPECT_TRUE(written[0].ends_with("\"role\":\"master/3\",\"origin\":\"o\\\"x\",\"message\":\"a\\\\b\\nc\\td\\u0001 \xc3\xa9 {} {x}\"}")) << written[0];
    EXPECT_TRUE(matches(written[0], R"re(\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d","level":"info",.*)re")) << written[0];
}

TEST_F(LogFile, IsAppendedTo) {
    ASSERT_TRUE(log_.open(file_, LogFormat::text, LogLevel::info));
    log_.info("first");
    Log other("master/4");
    ASSERT_TRUE(other.open(file_, LogFormat::text, LogLevel::info));
    other.info("second");
    log_.info("third");
    EXPECT_EQ(lines().size(), 3U);
}

TEST_F(LogFile, IsOpenedAgainAfterItWasRenamed) {
    ASSERT_TRUE(log_.open(file_, LogFormat::text, LogLevel::info));
    log_.info("before");
    const fs::path old = folder_ / "baton.log.1";
    fs::rename(file_, old);
    log_.info("between");
    ASSERT_TRUE(log_.reopen());
    log_.info("after");
    EXPECT_EQ(lines_of(old).size(), 2U);
    ASSERT_EQ(lines().size(), 1U);
    EXPECT_TRUE(lines()[0].ends_with("after"));
}

TEST_F(LogFile, StaysWhereItWasWhenTheNewOneCannotBeOpened) {
    ASSERT_TRUE(log_.open(file_, LogFormat::text, LogLevel::info));
    const auto opened = log_.open(folder_ / "missing" / "baton.log", LogFormat::json, LogLevel::error);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message().find("missing/baton.log"), std::string::npos);
    log_.info("still here");
    ASSERT_EQ(lines().size(), 1U);
    EXPECT_TRUE(lines()[0].ends_with("still here"));
}

// A disk that is full in the middle of a line, as a limit on the file's size makes it.
TEST_F(LogFile, WhatFollowsATornLineBeginsItsOwn) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_TRUE(log_.open(file_, LogFormat::bare, LogLevel::info));
    log_.info("whole");
    rlimit full = before;
    full.rlim_cur = 10;
    ::setrlimit(RLIMIT_FSIZE, &full);
    log_.info("torn in two");
    log_.info("not even begun");
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    log_.info("after");
    log_.info("and on");
    EXPECT_EQ(lines(), (std::vector<std::string>{"whole", "torn", "after", "and on"}));
}

TEST_F(LogFile, LosesALineRatherThanTheSupervisor) {
    if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full";
    ASSERT_TRUE(log_.open("/dev/full", LogFormat::text, LogLevel::info));
    log_.info("this cannot be written");
    ASSERT_TRUE(log_.open(file_, LogFormat::text, LogLevel::info));
    log_.info("this can");
    EXPECT_EQ(lines().size(), 1U);
}

}  // namespace
}  // namespace baton
