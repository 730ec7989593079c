#include "config/later.h"

#include <string>
#include <vector>

namespace baton::config {

void later_text(Table& table, std::string_view key, std::string_view instead) {
    std::string value;
    if (table.text(key, value) && !value.empty()) table.refuse(key, instead);
}

void later_texts(Table& table, std::string_view key) {
    std::vector<std::string> values;
    if (table.texts(key, values) && !values.empty()) table.refuse(key);
}

void later_table(Table& table, std::string_view key) {
    const auto inner = table.table(key);
    if (inner && !inner->members().empty()) table.refuse(key);
}

void later_boolean(Table& table, std::string_view key) {
    bool value = false;
    if (table.boolean(key, value) && value) table.refuse(key);
}

void later_integer(Table& table, std::string_view key, std::int64_t most) {
    std::int64_t value = 0;
    if (table.integer(key, value, 0, most) && value != 0) table.refuse(key);
}

void later_number(Table& table, std::string_view key, double most) {
    double value = 0;
    if (table.number(key, value, 0, most) && value != 0) table.refuse(key);
}

void later_duration(Table& table, std::string_view key) {
    Millis value = 0;
    if (table.duration(key, value) && value != 0) table.refuse(key);
}

}  // namespace baton::config
