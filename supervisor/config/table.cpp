#include "config/table.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>

#include "base/check.h"
#include "base/limits.h"
#include "config/spelling.h"
#include "config/values.h"

namespace baton::config {
namespace {

bool has_nul(const std::string& text) {
    return text.find('\0') != std::string::npos;
}

// "a", "b" or "c"
std::string listed(const std::vector<std::string_view>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += in_quotes(words[i]);
    }
    return text;
}

}  // namespace

Table::Table(const Node& node, std::string path, Report& report)
    : node_(&node), path_(std::move(path)), report_(&report) {
    CHECK(node.as<Members>() != nullptr);
}

const std::vector<Member>& Table::members() const {
    return *node_->as<Members>();
}

const Member* Table::member(std::string_view key) const {
    for (const Member& one : members()) {
        if (one.key == key) return &one;
    }
    return nullptr;
}

const Node* Table::find(std::string_view key) {
    known_.push_back(key);
    const Member* found = member(key);
    return found == nullptr ? nullptr : &found->value;
}

std::string Table::path_of(std::string_view key) const {
    return path_.empty() ? key_text(key) : fmt::format("{}.{}", path_, key_text(key));
}

Place Table::place_of(std::string_view key) const {
    const Member* found = member(key);
    return found == nullptr ? place() : config::place_of(*found);
}

bool Table::missing(std::string_view key) const {
    return member(key) == nullptr;
}

void Table::require(std::string_view key) {
    if (missing(key)) report_->problem(place(), fmt::format("{} is missing", path_of(key)));
}

void Table::problem(std::string_view key, std::string_view message) {
    report_->problem(place_of(key), fmt::format("{} {}", path_of(key), message));
}

void Table::fault(std::string_view key, const Error& error) {
    report_->problem(place_of(key), fmt::format("{}: {}", path_of(key), error.message()));
}

void Table::needs(std::string_view key, bool met, std::string_view condition) {
    if (!met && !missing(key)) problem(key, fmt::format("needs {}", condition));
}

void Table::refuse(std::string_view key, std::string_view instead) {
    const Member* found = member(key);
    CHECK(found != nullptr);
    const std::string value = render(found->value);
    problem(key, fmt::format("{}{}is not available in this version{}{}", value.empty() ? "" : "= " + value,
                             value.empty() ? "" : " ", instead.empty() ? "" : "; use ", instead));
}

void Table::wrong_kind(std::string_view key, const Node& found, std::string_view wanted) {
    problem(key, fmt::format("must be {}, not {}", wanted, describe_kind(found)));
}

template <class T>
const T* Table::expect(std::string_view key, std::string_view wanted) {
    const Node* found = find(key);
    if (found == nullptr) return nullptr;
    const T* value = found->as<T>();
    if (value == nullptr) wrong_kind(key, *found, wanted);
    return value;
}

bool Table::boolean(std::string_view key, bool& to) {
    const bool* value = expect<bool>(key, "true or false");
    if (value != nullptr) to = *value;
    return value != nullptr;
}

bool Table::text(std::string_view key, std::string& to) {
    const std::string* value = expect<std::string>(key, "a string");
    if (value == nullptr) return false;
    if (has_nul(*value)) {
        problem(key, "must not have a NUL byte");
        return false;
    }
    to = *value;
    return true;
}

bool Table::nonempty(std::string_view key, std::string& to) {
    std::string value;
    if (!text(key, value)) return false;
    if (value.empty()) {
        problem(key, "must not be empty");
        return false;
    }
    to = std::move(value);
    return true;
}

bool Table::element_texts(std::string_view key, const Array& from, std::vector<std::string>& to) {
    bool good = true;
    for (const Node& element : from) {
        const std::string* value = element.as<std::string>();
        if (value == nullptr) {
            report_->problem(element.place, fmt::format("{} must be an array of strings; it has {}",
                                                        path_of(key), describe_kind(element)));
            good = false;
        } else if (has_nul(*value)) {
            report_->problem(element.place, fmt::format("{} must not have a NUL byte", path_of(key)));
            good = false;
        } else {
            to.push_back(*value);
        }
    }
    return good;
}

bool Table::texts(std::string_view key, std::vector<std::string>& to) {
    const Array* array = expect<Array>(key, "an array of strings");
    std::vector<std::string> values;
    if (array == nullptr || !element_texts(key, *array, values)) return false;
    to = std::move(values);
    return true;
}

bool Table::pairs(std::string_view key, std::map<std::string, std::string>& to) {
    const Members* members = expect<Members>(key, "a table of strings");
    if (members == nullptr) return false;
    std::map<std::string, std::string> values;
    bool good = true;
    for (const Member& one : *members) {
        const std::string* value = one.value.as<std::string>();
        const std::string path = fmt::format("{}.{}", path_of(key), key_text(one.key));
        if (value == nullptr) {
            report_->problem(one.place,
                             fmt::format("{} must be a string, not {}", path, describe_kind(one.value)));
            good = false;
        } else if (has_nul(*value) || has_nul(one.key)) {
            report_->problem(one.place, fmt::format("{} must not have a NUL byte", path));
            good = false;
        } else {
            values.emplace(one.key, *value);
        }
    }
    to = std::move(values);
    return good;
}

bool Table::scalars(std::string_view key, std::map<std::string, std::string>& to) {
    const Members* members = expect<Members>(key, "a table");
    if (members == nullptr) return false;
    std::map<std::string, std::string> values;
    bool good = true;
    for (const Member& one : *members) {
        const std::string path = fmt::format("{}.{}", path_of(key), key_text(one.key));
        const std::string* text = one.value.as<std::string>();
        const std::string value = text != nullptr ? *text : render(one.value);
        if (text == nullptr && value.empty()) {
            report_->problem(one.place, fmt::format("{} must be a string, a number, true or false, not {}", path, describe_kind(one.value)));
            good = false;
        } else if (has_nul(value) || has_nul(one.key)) {
            report_->problem(one.place, fmt::format("{} must not have a NUL byte", path));
            good = false;
        } else {
            values.emplace(one.key, value);
        }
    }
    to = std::move(values);
    return good;
}

bool Table::number(std::string_view key, double& to, double least, double most) {
    const Node* found = find(key);
    if (found == nullptr) return false;
    double value = 0;
    if (const double* real = found->as<double>()) {
        value = *real;
    } else if (const std::int64_t* integer = found->as<std::int64_t>()) {
        value = static_cast<double>(*integer);
    } else {
        wrong_kind(key, *found, "a number");
        return false;
    }
    if (!(value >= least && value <= most)) {  // not a number fails both
        problem(key,
                fmt::format("= {} is out of range; it must be from {} to {}", render(*found), least, most));
        return false;
    }
    to = value;
    return true;
}

std::optional<std::int64_t> Table::whole(std::string_view key, std::int64_t least, std::int64_t most) {
    const std::int64_t* value = expect<std::int64_t>(key, "an integer");
    if (value == nullptr) return std::nullopt;
    if (*value < least || *value > most) {
        problem(key, fmt::format("= {} is out of range; it must be from {} to {}", *value, least, most));
        return std::nullopt;
    }
    return *value;
}

bool Table::duration(std::string_view key, Millis& to, Millis least) {
    const std::string* value = expect<std::string>(key, "a duration like \"5s\"");
    if (value == nullptr) return false;
    const auto parsed = parse_duration(*value);
    if (!parsed) {
        fault(key, parsed.error());
        return false;
    }
    if (*parsed < least || *parsed > limits::configured_duration) {
        problem(key, fmt::format("= {} is out of range; it must be from \"{}\" to \"{}\"", in_quotes(*value),
                                 format_duration(least), format_duration(limits::configured_duration)));
        return false;
    }
    to = *parsed;
    return true;
}

bool Table::size(std::string_view key, std::uint64_t& to) {
    const std::string* value = expect<std::string>(key, "a size like \"256M\"");
    if (value == nullptr) return false;
    const auto parsed = parse_size(*value);
    if (!parsed) {
        fault(key, parsed.error());
        return false;
    }
    to = *parsed;
    return true;
}

std::optional<std::size_t> Table::chosen(std::string_view key, const std::vector<Word>& words,
                                         std::string_view noun) {
    const std::string* value = expect<std::string>(key, "a string");
    if (value == nullptr) return std::nullopt;
    std::vector<std::string_view> all;
    std::vector<std::string_view> available;
    for (const Word& one : words) {
        all.push_back(one.word);
        if (one.available) available.push_back(one.word);
    }
    const auto found = std::find(all.begin(), all.end(), *value);
    if (found == all.end()) {
        const std::string near = suggestion(*value, all);
        problem(key, fmt::format("= {} is an unknown {}{}", in_quotes(*value), noun.empty() ? "value" : noun,
                                 near.empty() ? fmt::format("; it must be {}", listed(all)) : near));
        return std::nullopt;
    }
    const auto index = static_cast<std::size_t>(found - all.begin());
    if (!words[index].available) {
        refuse(key, listed(available));
        return std::nullopt;
    }
    return index;
}

std::optional<Table> Table::table(std::string_view key) {
    const Node* found = find(key);
    if (found == nullptr) return std::nullopt;
    if (found->as<Members>() == nullptr) {
        wrong_kind(key, *found, "a table");
        return std::nullopt;
    }
    return Table(*found, path_of(key), *report_);
}

std::vector<Table> Table::tables(std::string_view key) {
    std::vector<Table> result;
    const Array* array = expect<Array>(key, "an array of tables");
    if (array == nullptr) return result;
    for (const Node& element : *array) {
        if (element.as<Members>() == nullptr) {
            report_->problem(element.place, fmt::format("{} must be an array of tables; it has {}",
                                                        path_of(key), describe_kind(element)));
            continue;
        }
        result.emplace_back(element, fmt::format("{}[{}]", path_of(key), &element - array->data()), *report_);
    }
    return result;
}

void Table::record(Places& to) const {
    for (const Member& one : members()) to.emplace(path_of(one.key), config::place_of(one));
}

void Table::finish() {
    for (const Member& one : members()) {
        if (std::find(known_.begin(), known_.end(), one.key) != known_.end()) continue;
        report_->problem(config::place_of(one),
                         fmt::format("unknown key {}{}", path_of(one.key), suggestion(one.key, known_)));
    }
}

}  // namespace baton::config
