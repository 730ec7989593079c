// A typed view of one TOML table. Each reader takes a key, checks its type and range, and reports what
// is wrong with its full path; the keys that nobody asked for are reported by finish().
//
// A reader returns true when the key is present and good, and only then has written to its target: what
// is absent or wrong keeps its default.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/node.h"
#include "config/report.h"

namespace baton::config {

// Where keys were written, by their full paths.
using Places = std::map<std::string, Place, std::less<>>;

// One word that a key may have. A word that is not `available` belongs to a later version.
template <class E>
struct Choice {
    std::string_view word;
    E value{};
    bool available = true;
};

// Keys are literals: the view keeps their addresses.
class Table {
  public:
    // `node` must be a table and outlive the view; `path` is empty for the root.
    Table(const Node& node, std::string path, Report& report);

    bool boolean(std::string_view key, bool& to);
    bool text(std::string_view key, std::string& to);  // may be empty
    bool nonempty(std::string_view key, std::string& to);
    bool texts(std::string_view key, std::vector<std::string>& to);
    // `to` gets those that are right also where others are not.
    bool pairs(std::string_view key, std::map<std::string, std::string>& to);
    // Strings, numbers and booleans, as text; the same.
    bool scalars(std::string_view key, std::map<std::string, std::string>& to);
    bool number(std::string_view key, double& to, double least, double most);
    bool duration(std::string_view key, Millis& to, Millis least = 0);
    bool size(std::string_view key, std::uint64_t& to);  // "256M", in bytes

    template <class T>
    bool integer(std::string_view key, T& to, std::int64_t least, std::int64_t most) {
        const auto value = whole(key, least, most);
        if (value) to = static_cast<T>(*value);
        return value.has_value();
    }

    // One of some words. `noun` ("strategy") makes the message for any other.
    template <class E>
    bool choice(std::string_view key, E& to, std::initializer_list<Choice<E>> choices,
                std::string_view noun = {}) {
        std::vector<Word> words;
        for (const Choice<E>& one : choices) words.push_back(Word{one.word, one.available});
        const auto index = chosen(key, words, noun);
        if (index) to = (choices.begin() + *index)->value;
        return index.has_value();
    }

    // A table within this one, and an array of tables.
    std::optional<Table> table(std::string_view key);
    std::vector<Table> tables(std::string_view key);

    // The raw value, marked as known.
    const Node* find(std::string_view key);
    const std::vector<Member>& members() const;

    bool missing(std::string_view key) const;
    // Reports `key` as missing if it is.
    void require(std::string_view key);
    void problem(std::string_view key, std::string_view message);  // "PATH.KEY MESSAGE", at the key
    void fault(std::string_view key, const Error& error);          // "PATH.KEY: ERROR", at the key
    // A key that would have no effect is an error: reports "PATH.KEY needs CONDITION" if it is there, unless `met`.
    void needs(std::string_view key, bool met, std::string_view condition);
    // "PATH.KEY = VALUE is not available in this version; use INSTEAD", at the key.
    void refuse(std::string_view key, std::string_view instead = {});
    // Reports the keys that no reader asked for.
    void finish();
    // Adds the keys that are there.
    void record(Places& to) const;

    Report& report() const { return *report_; }
    const std::string& path() const { return path_; }
    std::string path_of(std::string_view key) const;
    Place place() const { return node_->place; }
    Place place_of(std::string_view key) const;  // of the table where the key is absent

  private:
    struct Word {
        std::string_view word;
        bool available;
    };
    const Member* member(std::string_view key) const;
    template <class T>
    const T* expect(std::string_view key, std::string_view wanted);
    std::optional<std::int64_t> whole(std::string_view key, std::int64_t least, std::int64_t most);
    std::optional<std::size_t> chosen(std::string_view key, const std::vector<Word>& words,
                                      std::string_view noun);
    void wrong_kind(std::string_view key, const Node& found, std::string_view wanted);
    bool element_texts(std::string_view key, const Array& from, std::vector<std::string>& to);

    const Node* node_;
    std::string path_;
    Report* report_;
    std::vector<std::string_view> known_;
};

}  // namespace baton::config
