#include "engine/journal.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "base/limits.h"

namespace baton::engine {
namespace {

namespace fs = std::filesystem;

struct JournalTest : testing::Test {
    JournalTest() {
        std::string pattern = testing::TempDir() + "journal-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        file = folder + "/history.db";
    }
    ~JournalTest() override { fs::remove_all(folder); }

    std::unique_ptr<Journal> open() const {
        auto journal = Journal::open(folder);
        EXPECT_TRUE(journal) << journal.error().message();
        return journal ? std::move(*journal) : nullptr;
    }
    std::string folder;
    std::string file;
};

model::EventView event(std::uint64_t number, const std::string& text = "became ready") {
    return {number, "2026-01-31T12:00:00.123Z", "instance.ready", "web/1", text};
}

std::vector<std::uint64_t> numbers(Journal& journal, std::size_t most = 100'000) {
    std::vector<std::uint64_t> list;
    for (const auto& one : journal.last(most)) list.push_back(one.number);
    return list;
}

using Numbers = std::vector<std::uint64_t>;

// One number out of the database behind the journal's back.
std::int64_t query(const std::string& file, const std::string& sql) {
    sqlite3* handle = nullptr;
    sqlite3_stmt* statement = nullptr;
    std::int64_t number = -1;
    EXPECT_EQ(::sqlite3_open(file.c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(::sqlite3_prepare_v2(handle, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
        << ::sqlite3_errmsg(handle);
    if (::sqlite3_step(statement) == SQLITE_ROW) number = ::sqlite3_column_int64(statement, 0);
    ::sqlite3_finalize(statement);
    ::sqlite3_close(handle);
    return number;
}

TEST_F(JournalTest, RemembersEventsAcrossMasters) {
    auto journal = open();
    EXPECT_TRUE(journal->last(10).empty());
    for (std::uint64_t i = 1; i <= 5; ++i) journal->append(event(i));
    EXPECT_EQ(numbers(*journal, 2), (Numbers{4, 5})) << "before they are on disk";
    ASSERT_TRUE(journal->flush());
    journal->append(event(6, "the last"));
    EXPECT_EQ(numbers(*journal, 3), (Numbers{4, 5, 6}));
    ASSERT_TRUE(journal->flush());
    journal = open();
    const auto last = journal->last(1);
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(last[0].number, 6U);
    EXPECT_EQ(last[0].time, "2026-01-31T12:00:00.123Z");
    EXPECT_EQ(last[0].kind, "instance.ready");
    EXPECT_EQ(last[0].subject, "web/1");
    EXPECT_EQ(last[0].text, "the last");
    EXPECT_EQ(query(file, "PRAGMA user_version"), 1);
    EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(JournalTest, WhatWasFlushedSurvivesAKill) {
    const pid_t master = ::fork();
    if (master == 0) {
        auto journal = open();
        journal->append(event(1));
        static_cast<void>(journal->flush());
        journal->append(event(2));
        ::kill(::getpid(), SIGKILL);
    }
    ASSERT_EQ(::waitpid(master, nullptr, 0), master);
    EXPECT_EQ(numbers(*open()), Numbers{1});
}

TEST_F(JournalTest, KeepsTheNewestEvents) {
    auto journal = open();
    const std::uint64_t all = limits::journal_events + 700;
    for (std::uint64_t i = 1; i <= all; ++i) {
        journal->append(event(i));
        if (i % 500 == 0) {
            ASSERT_TRUE(journal->flush());
        }
    }
    ASSERT_TRUE(journal->flush());
    const Numbers kept = numbers(*journal);
    EXPECT_EQ(kept.size(), limits::journal_events);
    EXPECT_EQ(kept.front(), 701U);
    EXPECT_EQ(kept.back(), all);
}

TEST_F(JournalTest, LongTextsAreCut) {
    auto journal = open();
    journal->append(event(1, std::string(100'000, 'x')));
    ASSERT_TRUE(journal->flush());
    EXPECT_EQ(journal->last(1).front().text.size(), limits::journal_text_bytes);
}

TEST_F(JournalTest, TwoMastersWrite) {
    auto first = open();
    auto second = open();
    first->append(event(1));
    ASSERT_TRUE(first->flush());
    second->append(event(2));
    ASSERT_TRUE(second->flush());
    first->append(event(2, "the same number"));
    ASSERT_TRUE(first->flush());
    EXPECT_EQ(numbers(*second), (Numbers{1, 2, 2}));
}

TEST_F(JournalTest, AnotherMastersTransactionIsWaitedForInLaterFlushes) {
    auto journal = open();
    sqlite3* other = nullptr;
    ASSERT_EQ(::sqlite3_open(file.c_str(), &other), SQLITE_OK);
    ASSERT_EQ(::sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    journal->append(event(1));
    const Millis began = monotonic_now();
    EXPECT_TRUE(journal->flush()) << "busy is no failure";
    EXPECT_LT(monotonic_now() - began, 5'000);
    EXPECT_TRUE(journal->on());
    EXPECT_EQ(query(file, "SELECT count(*) FROM event"), 0);
    ::sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr);
    ::sqlite3_close(other);
    EXPECT_TRUE(journal->flush());
    EXPECT_EQ(query(file, "SELECT count(*) FROM event"), 1);
}

TEST_F(JournalTest, SomethingElseUnderItsNameIsMovedAside) {
    std::ofstream(file) << std::string(10'000, 'x');
    auto journal = open();
    EXPECT_NE(journal->take_notice().find("history.db.damaged"), std::string::npos);
    EXPECT_EQ(journal->take_notice(), "");
    EXPECT_EQ(fs::file_size(file + ".damaged"), 10'000U);
    journal->append(event(1));
    ASSERT_TRUE(journal->flush());
    EXPECT_EQ(numbers(*open()), Numbers{1});
}

TEST_F(JournalTest, AFileThatBreaksInUseIsMovedAside) {
    auto journal = open();
    for (std::uint64_t i = 1; i <= 200; ++i) journal->append(event(i, std::string(1'000, 'x')));
    ASSERT_TRUE(journal->flush());
    journal.reset();
    journal = open();
    {
        std::fstream damage(file, std::ios::in | std::ios::out | std::ios::binary);
        const auto size = fs::file_size(file);
        damage.seekp(4'096);
        damage << std::string(size - 4'096, '\xA5');
    }
    journal->append(event(201));
    static_cast<void>(journal->last(10));
    EXPECT_TRUE(journal->flush()) << "it goes on in a new file";
    EXPECT_TRUE(journal->on());
    EXPECT_NE(journal->take_notice().find("damaged"), std::string::npos);
    EXPECT_TRUE(fs::exists(file + ".damaged"));
    EXPECT_EQ(numbers(*open()), Numbers{201});
}

TEST_F(JournalTest, AFileOfANewerVersionIsLeftAlone) {
    open().reset();
    EXPECT_EQ(query(file, "PRAGMA user_version = 99"), -1);
    const auto journal = Journal::open(folder);
    ASSERT_FALSE(journal);
    EXPECT_NE(journal.error().message().find("another version"), std::string::npos)
        << journal.error().message();
    EXPECT_EQ(query(file, "PRAGMA user_version"), 99);
    EXPECT_FALSE(fs::exists(file + ".damaged"));
}

TEST_F(JournalTest, ADirectoryThatCannotBeIsAnError) {
    std::ofstream(folder + "/file") << "x";
    const auto journal = Journal::open(folder + "/file/state");
    ASSERT_FALSE(journal);
    EXPECT_NE(journal.error().message().find("/file/state"), std::string::npos);
    EXPECT_EQ(journal.error().code(), 0);
    EXPECT_TRUE(Journal::open(folder + "/a/b/c"));
}

TEST_F(JournalTest, WhatWaitsIsBounded) {
    auto journal = open();
    for (std::uint64_t i = 1; i <= limits::journal_pending + 50; ++i) journal->append(event(i));
    EXPECT_EQ(numbers(*journal).front(), 51U);
    EXPECT_EQ(numbers(*journal).size(), limits::journal_pending);
}

// A small file system of the test's own, in a mount namespace of its own.
struct OwnDisk : JournalTest {
    void SetUp() override {
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
            GTEST_SKIP() << "may not mount";
        }
        ASSERT_EQ(::mount("journal", folder.c_str(), "tmpfs", 0, "size=512k"), 0);
        mounted = true;
    }
    void TearDown() override {
        if (mounted) ::umount2(folder.c_str(), MNT_DETACH);
    }
    bool mounted = false;
};

TEST_F(OwnDisk, AFullDiskIsOneErrorThenSilence) {
    auto journal = open();
    journal->append(event(1));
    ASSERT_TRUE(journal->flush());
    const std::string filler = folder + "/filler";
    {
        std::ofstream fill(filler);
        while (fill << std::string(4'096, 'x') << std::flush) {
        }
    }
    for (std::uint64_t i = 2; i <= 50; ++i) journal->append(event(i, std::string(4'000, 'x')));
    const auto first = journal->flush();
    ASSERT_FALSE(first);
    EXPECT_NE(first.error().message().find("full"), std::string::npos) << first.error().message();
    EXPECT_FALSE(journal->on());
    EXPECT_TRUE(journal->flush()) << "said once";
    journal->append(event(51));
    EXPECT_EQ(numbers(*journal).size(), 50U) << "what waits can still be read";
    fs::remove(filler);
    ASSERT_TRUE(journal->reopen());
    ASSERT_TRUE(journal->flush());
    EXPECT_EQ(numbers(*journal).size(), 51U) << "nothing was lost";
}

TEST_F(OwnDisk, AReadOnlyDiskIsAnError) {
    open().reset();
    ASSERT_EQ(::mount("journal", folder.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, ""), 0);
    const auto journal = Journal::open(folder);
    ASSERT_FALSE(journal);
    EXPECT_NE(journal.error().message().find("only be read"), std::string::npos)
        << journal.error().message();
}

}  // namespace
}  // namespace baton::engine
