// The checks of a plugin's descriptor: magic, version, sizes, texts, and each factory with its table. What
// passes can be called.
//
// It reads what the descriptor points to, so a wild pointer ends the process: it is done first in the copy
// that tries the plugin (check.h), and only then where the plugin is used.
#pragma once

#include <string_view>

#include <baton/strategy.h>

#include "base/result.h"

namespace baton::strategy {

// The symbol of a plugin, and the least it must be.
inline constexpr const char* descriptor_symbol = "baton_strategy";

// An error says what is wrong and what to do.
Result<void> check_descriptor(const baton_strategy_descriptor& descriptor);

// The factory of this kind (BATON_KIND_...) and name, or null. Of a descriptor that was checked.
const baton_factory* find_factory(const baton_strategy_descriptor& descriptor, std::string_view kind, std::string_view name);
// The i-th, whatever the size of one is in the plugin.
const baton_factory& factory_at(const baton_strategy_descriptor& descriptor, std::uint32_t i);
const baton_option& option_at(const baton_factory& factory, std::uint32_t i);

}  // namespace baton::strategy
