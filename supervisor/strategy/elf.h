// What a plugin's file says about itself before any of its code runs: an ELF shared object of this machine,
// whole, with the one symbol, and without what would keep it from being unloaded. Pure; reads bytes only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace baton::strategy {

struct ElfFacts {
    // Symbols of the binding STB_GNU_UNIQUE that it defines: dlclose() leaves such an object in the process.
    std::vector<std::string> unique_symbols;
    // It was linked to stay in the process (-z nodelete).
    bool never_unloaded = false;
    // Further symbols that it exports beside the wanted one.
    std::size_t other_exports = 0;
};

// `symbol` must be defined in it, an object of `symbol_bytes` or more. An error says what is wrong and what to
// do; what pins it is in the facts.
Result<ElfFacts> inspect_elf(std::string_view bytes, std::string_view symbol, std::size_t symbol_bytes);

// The error for one that could never be unloaded.
Result<void> refuse_pinned(const ElfFacts& facts);

}  // namespace baton::strategy
