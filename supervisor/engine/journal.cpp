#include "engine/journal.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/core.h>

#include "base/limits.h"

// Inside of this file the code() of an Error is SQLite's; what leaves it has none.

namespace baton::engine {
namespace {

namespace fs = std::filesystem;

constexpr int schema_version = 1;
constexpr const char* schema = R"(
    CREATE TABLE event (
        id INTEGER PRIMARY KEY,  -- in the order they were written: two masters may use one number
        number INTEGER NOT NULL, time TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL);
)";

int primary(int code) {
    return code & 0xFF;
}

bool is_damage(const Error& error) {
    return error.code() == SQLITE_CORRUPT || error.code() == SQLITE_NOTADB;
}

bool is_busy(const Error& error) {
    return error.code() == SQLITE_BUSY || error.code() == SQLITE_LOCKED;
}

struct Closer {
    void operator()(sqlite3* handle) const { ::sqlite3_close_v2(handle); }
    void operator()(sqlite3_stmt* statement) const { ::sqlite3_finalize(statement); }
};
using Handle = std::unique_ptr<sqlite3, Closer>;

Error sqlite_error(sqlite3* handle, int code) {
    return Error(handle == nullptr ? ::sqlite3_errstr(code) : ::sqlite3_errmsg(handle),
                 primary(code));
}

Result<void> run(sqlite3* handle, const char* sql) {
    const int code = ::sqlite3_exec(handle, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return sqlite_error(handle, code);
    return {};
}

// One prepared statement. bind() its parameters in their order, then step().
class Statement {
  public:
    static Result<Statement> prepare(sqlite3* handle, const char* sql) {
        sqlite3_stmt* raw = nullptr;
        const int code =
            ::sqlite3_prepare_v3(handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
        if (code != SQLITE_OK) return sqlite_error(handle, code);
        return Statement(raw);
    }
    Statement() = default;

    Statement& bind(std::string_view text) {
        // Not copied: the caller keeps the text until reset().
        ::sqlite3_bind_text(raw_.get(), ++bound_, text.data() == nullptr ? "" : text.data(),
                            static_cast<int>(text.size()), SQLITE_STATIC);
        return *this;
    }
    Statement& bind(std::int64_t number) {
        ::sqlite3_bind_int64(raw_.get(), ++bound_, number);
        return *this;
    }
    // True: there is a row.
    Result<bool> step() {
        const int code = ::sqlite3_step(raw_.get());
        if (code == SQLITE_ROW) return true;
        if (code == SQLITE_DONE) return false;
        return sqlite_error(::sqlite3_db_handle(raw_.get()), code);
    }
    // For statements without rows.
    Result<void> execute() {
        const auto row = step();
        reset();
        if (!row) return row.error();
        return {};
    }
    void reset() {
        ::sqlite3_reset(raw_.get());
        ::sqlite3_clear_bindings(raw_.get());
        bound_ = 0;
    }
    std::string text(int column) const {
        const auto* const bytes =
            reinterpret_cast<const char*>(::sqlite3_column_text(raw_.get(), column));
        return bytes == nullptr
                   ? std::string()
                   : std::string(bytes, static_cast<std::size_t>(
                                            ::sqlite3_column_bytes(raw_.get(), column)));
    }
    std::int64_t number(int column) const { return ::sqlite3_column_int64(raw_.get(), column); }

  private:
    explicit Statement(sqlite3_stmt* raw) : raw_(raw) {}
    std::unique_ptr<sqlite3_stmt, Closer> raw_;
    int bound_ = 0;
};

Result<std::int64_t> read_number(sqlite3* handle, const char* sql) {
    auto statement = Statement::prepare(handle, sql);
    if (!statement) return statement.error();
    const auto row = statement->step();
    if (!row) return row.error();
    return *row ? statement->number(0) : 0;
}

Result<void> make_schema(sqlite3* handle) {
    if (auto begun = run(handle, "BEGIN IMMEDIATE"); !begun) return begun;
    // Another master may have made it while this one waited.
    const auto version = read_number(handle, "PRAGMA user_version");
    Result<void> made;
    if (!version) made = version.error();
    if (version && *version == 0) made = run(handle, schema);
    if (made && *version == 0)
        made = run(handle, fmt::format("PRAGMA user_version = {}", schema_version).c_str());
    if (made) made = run(handle, "COMMIT");
    if (!made) static_cast<void>(run(handle, "ROLLBACK"));
    return made;
}

Result<Handle> open_database(const std::string& path) {
    sqlite3* raw = nullptr;
    const int code = ::sqlite3_open_v2(
        path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
        nullptr);
    Handle handle(raw);
    if (code != SQLITE_OK) return sqlite_error(raw, code);
    ::sqlite3_busy_timeout(raw, static_cast<int>(limits::journal_open_busy));
    if (::sqlite3_db_readonly(raw, "main") == 1)
        return Error("it can only be read", SQLITE_READONLY);
    // What programs said of themselves may hold secrets.
    std::error_code ignored;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, ignored);
    const std::string pragmas = fmt::format(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA journal_size_limit = {}",
        limits::journal_wal_bytes);
    if (auto set = run(raw, pragmas.c_str()); !set) return set.error();
    auto version = read_number(raw, "PRAGMA user_version");
    if (!version) return version.error();
    if (*version == 0) {
        if (auto made = make_schema(raw); !made) return made.error();
        version = read_number(raw, "PRAGMA user_version");
        if (!version) return version.error();
    }
    if (*version != schema_version)
        return Error("it was written by another version of batond", SQLITE_ERROR);
    ::sqlite3_busy_timeout(raw, static_cast<int>(limits::journal_busy));
    return handle;
}

}  // namespace

struct Journal::Database {
    Handle handle;
    Statement add_event;
    Statement trim_events;
    Statement last_events;

    static Result<std::unique_ptr<Database>> open(const std::string& path) {
        auto handle = open_database(path);
        if (!handle) return handle.error();
        auto database = std::make_unique<Database>();
        database->handle = std::move(*handle);
        const std::pair<Statement&, const char*> texts[] = {
            {database->add_event,
             "INSERT INTO event (number, time, kind, subject, text) VALUES (?, ?, ?, ?, ?)"},
            {database->trim_events,
             "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?"},
            {database->last_events,
             "SELECT number, time, kind, subject, text FROM event ORDER BY id DESC LIMIT ?"},
        };
        for (const auto& [statement, sql] : texts) {
            auto prepared = Statement::prepare(database->handle.get(), sql);
            if (!prepared) return prepared.error();
            statement = std::move(*prepared);
        }
        return database;
    }

    Result<void> add(const model::EventView& event) {
        const std::string_view text =
            std::string_view(event.text).substr(0, limits::journal_text_bytes);
        add_event.bind(static_cast<std::int64_t>(event.number))
            .bind(event.time)
            .bind(event.kind)
            .bind(event.subject)
            .bind(text);
        return add_event.execute();
    }
};

Journal::Journal(std::string path) : path_(std::move(path)) {}

Journal::~Journal() {
    static_cast<void>(flush());
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& directory) {
    std::error_code ec;
    fs::create_directories(directory, ec);
    if (ec) return failed(fmt::format("create {}: {}", directory, ec.message()));
    std::unique_ptr<Journal> journal(new Journal(directory + "/history.db"));
    if (auto begun = journal->reopen(); !begun) return begun.error();
    return journal;
}

Result<void> Journal::begin() {
    auto database = Database::open(path_);
    if (!database) return database.error();
    database_ = std::move(*database);
    return {};
}

// The damaged file is kept under one fixed name, so that not more than one is.
Result<void> Journal::begin_anew(const Error& damage) {
    database_.reset();
    const std::string aside = path_ + ".damaged";
    std::error_code ec;
    fs::rename(path_, aside, ec);
    if (ec) return Error(fmt::format("move it to {}: {}", aside, ec.message()), SQLITE_CANTOPEN);
    fs::rename(path_ + "-wal", aside + "-wal", ec);
    fs::remove(path_ + "-shm", ec);
    notice_ = fmt::format("the history {} was damaged ({}); it was moved to {}, a new one is begun",
                          path_, damage.message(), aside);
    return begin();
}

Result<void> Journal::reopen() {
    if (database_) return {};
    read_failure_ = {};
    auto begun = begin();
    if (!begun && is_damage(begun.error())) begun = begin_anew(begun.error());
    if (!begun) return turn_off(begun.error());
    return {};
}

Error Journal::turn_off(const Error& why) {
    database_.reset();
    return failed(fmt::format("the history {}: {}", path_, why.message()));
}

bool Journal::on() const {
    return database_ != nullptr;
}

std::string Journal::take_notice() {
    return std::exchange(notice_, {});
}

void Journal::append(const model::EventView& event) {
    if (pending_.size() >= limits::journal_pending) pending_.pop_front();
    pending_.push_back(event);
}

Result<void> Journal::write() {
    if (pending_.empty()) return {};
    sqlite3* const handle = database_->handle.get();
    if (auto begun = run(handle, "BEGIN IMMEDIATE"); !begun) return begun;
    Result<void> written;
    for (const model::EventView& event : pending_) {
        if (written) written = database_->add(event);
    }
    if (written)
        written = database_->trim_events.bind(static_cast<std::int64_t>(limits::journal_events))
                      .execute();
    if (written) written = run(handle, "COMMIT");
    if (!written) {
        static_cast<void>(run(handle, "ROLLBACK"));
        return written;
    }
    pending_.clear();
    return {};
}

Result<void> Journal::flush() {
    if (!database_) return {};
    Error failure = std::exchange(read_failure_, {});
    Result<void> written = failure.message().empty() ? write() : Result<void>(failure);
    if (!written && is_damage(written.error())) {
        // Another master may have begun a new file already: only a second look is proof.
        database_.reset();
        written = begin();
        if (written) written = write();
        if (!written && is_damage(written.error())) {
            written = begin_anew(written.error());
            if (written) written = write();
        }
    }
    if (!written && database_ && is_busy(written.error())) return {};
    if (!written) return turn_off(written.error());
    return {};
}

std::vector<model::EventView> Journal::last(std::size_t most) {
    std::vector<model::EventView> events;
    if (database_) {
        Statement& query = database_->last_events;
        query.bind(static_cast<std::int64_t>(most));
        auto row = query.step();
        for (; row && *row; row = query.step()) {
            events.push_back({static_cast<std::uint64_t>(query.number(0)), query.text(1),
                              query.text(2), query.text(3), query.text(4)});
        }
        query.reset();
        if (!row) read_failure_ = row.error();
        std::reverse(events.begin(), events.end());
    }
    events.insert(events.end(), pending_.begin(), pending_.end());
    if (events.size() > most)
        events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(most));
    return events;
}

}  // namespace baton::engine
