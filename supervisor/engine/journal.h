// History on disk: events, in SQLite under state_dir. One thread.
//
// History is for people; what the supervisor needs to go on is in the keeper. So the journal must
// never be in the way: append() only remembers, flush() writes all of it in one short transaction,
// and a disk that is full, read-only or broken turns the journal off with one Error. A file that is
// no longer a database is moved aside and a new one is begun.
//
// Written in WAL mode with synchronous=OFF: a flush then never waits for the disk, and what was
// flushed survives the death of every process; only a loss of power can take the last seconds, or
// at worst the file, which is moved aside then. synchronous=NORMAL would hold the master's loop at
// each checkpoint for as long as the disk takes, to save a record that nothing depends on.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/views.h"

namespace baton::engine {

class Journal {
  public:
    // Opens or makes DIRECTORY/history.db, and the directory. Two masters may have it open at a
    // time. A file by a newer version of Baton is an Error and is left alone.
    static Result<std::unique_ptr<Journal>> open(const std::string& directory);
    ~Journal();
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    // Remembered until flush(). Events keep the number they have.
    void append(const model::EventView& event);
    // Once a second, or at a turn's end: writes what was appended since. The Error comes once; from
    // then on the journal is off, keeps the newest limits::journal_pending events, and says
    // nothing. Another master that is writing is no Error: the next flush tries again.
    Result<void> flush();
    bool on() const;
    // Whether some of what was appended is not on disk yet.
    bool pending() const { return !pending_.empty(); }
    // Tries again after an Error, for example when an operator made room. Does nothing while it is
    // on.
    Result<void> reopen();
    // What open(), flush() or reopen() had to do that an operator should know: "... was moved to
    // ..."; empty mostly. Once.
    std::string take_notice();

    // The newest `most` events, oldest first; those that wait for flush() too.
    std::vector<model::EventView> last(std::size_t most);

  private:
    struct Database;

    explicit Journal(std::string path);
    Result<void> begin();
    Result<void> begin_anew(const Error& damage);
    Result<void> write();
    Error turn_off(const Error& why);

    std::string path_;
    std::unique_ptr<Database> database_;  // null: off
    std::deque<model::EventView> pending_;
    std::string notice_;
    Error read_failure_;  // of last(), which flush() will handle; empty: none
};

}  // namespace baton::engine
