// Keys that the contract has and this version has not: their types are checked as if they were
// available, then any value that asks for something is refused. Zero, false and empty ask for nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "config/table.h"

namespace baton::config {

void later_text(Table& table, std::string_view key, std::string_view instead = {});
void later_texts(Table& table, std::string_view key);
void later_table(Table& table, std::string_view key);  // of whatever a plugin would make of it
void later_boolean(Table& table, std::string_view key);
void later_integer(Table& table, std::string_view key, std::int64_t most);
void later_number(Table& table, std::string_view key, double most);
void later_duration(Table& table, std::string_view key);

}  // namespace baton::config
