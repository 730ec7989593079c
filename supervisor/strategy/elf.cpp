#include "strategy/elf.h"

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <optional>

#include <fmt/core.h>

#include "base/strategy_limits.h"

namespace baton::strategy {
namespace {

#if defined(__x86_64__)
constexpr unsigned this_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned this_machine = EM_AARCH64;
#elif defined(__riscv)
constexpr unsigned this_machine = EM_RISCV;
#else
#error "the ELF machine number of this architecture is not known here"
#endif

// The struct at `offset`, if all of it is there. Nothing in a file is aligned for certain.
template <class T>
std::optional<T> read_at(std::string_view bytes, std::uint64_t offset) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

bool inside(std::string_view bytes, std::uint64_t offset, std::uint64_t size) {
    return offset <= bytes.size() && size <= bytes.size() - offset;
}

std::optional<std::string_view> string_at(std::string_view table, std::uint64_t offset) {
    if (offset >= table.size()) return std::nullopt;
    const std::size_t end = table.find('\0', offset);
    if (end == std::string_view::npos) return std::nullopt;
    return table.substr(offset, end - offset);
}

Error cut_short(std::string_view bytes) {
    return failed(fmt::format("it is cut short: its headers speak of more than the {} bytes there are. Install it by writing "
                              "another file and renaming that", bytes.size()));
}

Result<Elf64_Ehdr> header_of(std::string_view bytes) {
    if (bytes.substr(0, SELFMAG) != std::string_view(ELFMAG, SELFMAG)) {
        return failed(bytes.empty() ? "it is empty" : "it is no ELF file: a plugin is a shared object (.so)");
    }
    const auto header = read_at<Elf64_Ehdr>(bytes, 0);
    if (!header) return cut_short(bytes);
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != this_machine) {
        return failed(fmt::format("it is for another machine (ELF machine {}, here {})", header->e_machine, this_machine));
    }
    if (header->e_type != ET_DYN) return failed("it is no shared object: link it with -shared");
    return *header;
}

bool never_unloaded(std::string_view bytes, std::uint64_t offset, std::uint64_t size) {
    const std::string_view entries = bytes.substr(offset, size);
    for (std::uint64_t i = 0; i < entries.size() / sizeof(Elf64_Dyn); ++i) {
        const Elf64_Dyn entry = *read_at<Elf64_Dyn>(entries, i * sizeof(Elf64_Dyn));
        if (entry.d_tag == DT_NULL) break;
        if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_NODELETE) != 0) return true;
    }
    return false;
}

// All of its segments must be in the file: touching a page beyond the end is a SIGBUS.
Result<void> check_segments(std::string_view bytes, const Elf64_Ehdr& header, ElfFacts& facts) {
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0) return failed("it has no program headers that can be read");
    bool dynamic = false;
    for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
        const auto segment = read_at<Elf64_Phdr>(bytes, header.e_phoff + i * sizeof(Elf64_Phdr));
        if (!segment || !inside(bytes, segment->p_offset, segment->p_filesz)) return cut_short(bytes);
        if (segment->p_type == PT_DYNAMIC) {
            dynamic = true;
            facts.never_unloaded = never_unloaded(bytes, segment->p_offset, segment->p_filesz);
        }
        if (segment->p_type == PT_INTERP) return failed("it is a program: link it with -shared");
    }
    if (!dynamic) return failed("it has no dynamic section: link it with -shared");
    return {};
}

struct Symbols {
    std::string_view entries;
    std::string_view names;
};

Result<Symbols> dynamic_symbols(std::string_view bytes, const Elf64_Ehdr& header) {
    if (header.e_shoff == 0 || header.e_shentsize != sizeof(Elf64_Shdr)) return failed("it has no section headers: do not strip them");
    if (!inside(bytes, header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr))) return cut_short(bytes);
    for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
        const auto section = read_at<Elf64_Shdr>(bytes, header.e_shoff + i * sizeof(Elf64_Shdr));
        if (!section) return cut_short(bytes);
        if (section->sh_type != SHT_DYNSYM) continue;
        if (section->sh_link >= header.e_shnum) return failed("its table of symbols is broken: it names no table of strings");
        const auto names = read_at<Elf64_Shdr>(bytes, header.e_shoff + std::uint64_t{section->sh_link} * sizeof(Elf64_Shdr));
        if (!names || !inside(bytes, section->sh_offset, section->sh_size) || !inside(bytes, names->sh_offset, names->sh_size)) {
            return cut_short(bytes);
        }
        return Symbols{bytes.substr(section->sh_offset, section->sh_size), bytes.substr(names->sh_offset, names->sh_size)};
    }
    return failed("it exports nothing");
}

}  // namespace

Result<ElfFacts> inspect_elf(std::string_view bytes, std::string_view symbol, std::size_t symbol_bytes) {
    const auto header = header_of(bytes);
    if (!header) return header.error();
    if (header->e_phoff > bytes.size() || header->e_shoff > bytes.size()) return cut_short(bytes);
    ElfFacts facts;
    if (const auto sound = check_segments(bytes, *header, facts); !sound) return sound.error();
    const auto symbols = dynamic_symbols(bytes, *header);
    if (!symbols) return symbols.error();
    const std::uint64_t count = symbols->entries.size() / sizeof(Elf64_Sym);
    if (count > limits::plugin_symbols) return failed(fmt::format("it has {} symbols, the limit is {}", count, limits::plugin_symbols));

    bool found = false;
    for (std::uint64_t i = 0; i < count; ++i) {
        const Elf64_Sym entry = *read_at<Elf64_Sym>(symbols->entries, i * sizeof(Elf64_Sym));
        const unsigned binding = ELF64_ST_BIND(entry.st_info);
        if (entry.st_shndx == SHN_UNDEF || binding == STB_LOCAL) continue;
        const auto name = string_at(symbols->names, entry.st_name);
        if (!name) return failed("its table of symbols is broken: a name lies outside");
        if (binding == STB_GNU_UNIQUE) {
            facts.unique_symbols.emplace_back(*name);
        } else if (*name == symbol) {
            found = true;
            if (ELF64_ST_TYPE(entry.st_info) != STT_OBJECT) {
                return failed(fmt::format("{} is no object in it: it is the descriptor itself, not a function or a pointer", symbol));
            }
            if (entry.st_size < symbol_bytes) {
                return failed(fmt::format("{} has {} bytes in it, a descriptor has {} or more", symbol, entry.st_size, symbol_bytes));
            }
        } else {
            ++facts.other_exports;
        }
    }
    if (!found) {
        return failed(fmt::format("it does not export {}: write BATON_STRATEGIES(...) in one of its files, and do not hide that symbol", symbol));
    }
    return facts;
}

Result<void> refuse_pinned(const ElfFacts& facts) {
    if (facts.never_unloaded) return failed("it was linked with -z nodelete, so it could never be unloaded: link it without");
    if (facts.unique_symbols.empty()) return {};
    return failed(fmt::format("it has {} symbol{} of the kind STB_GNU_UNIQUE ({}{}), so it could never be unloaded: compile it with "
                              "-fno-gnu-unique, as baton_strategy() of find_package(Baton) does",
                              facts.unique_symbols.size(), facts.unique_symbols.size() == 1 ? "" : "s", facts.unique_symbols.front(),
                              facts.unique_symbols.size() == 1 ? "" : ", ..."));
}

}  // namespace baton::strategy
