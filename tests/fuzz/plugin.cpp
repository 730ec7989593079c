// Any bytes as a plugin's file: refused with words, or an ELF object whose facts are sound. And the first of
// them as a descriptor with a factory, an option and a table, of whose pointers some are missing: refused, or
// sound enough to be looked up and described.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/check.h"
#include "strategy/conformance.h"
#include "strategy/descriptor.h"
#include "strategy/elf.h"
#include "strategy/options.h"

namespace {

using namespace baton;

void read_file(std::string_view bytes) {
    const auto facts = strategy::inspect_elf(bytes, strategy::descriptor_symbol, sizeof(baton_strategy_descriptor));
    if (!facts) {
        CHECK(!facts.error().message().empty());
        return;
    }
    CHECK(bytes.size() > sizeof(baton_strategy_descriptor));
    CHECK(strategy::refuse_pinned(*facts).has_value() == (facts->unique_symbols.empty() && !facts->never_unloaded));
}

// Takes values from the input; zeros when it is used up.
class Input {
  public:
    explicit Input(std::string_view bytes) : bytes_(bytes) {}
    template <class T>
    void fill(T& value) {
        const std::size_t size = std::min(sizeof(T), bytes_.size());
        if (size > 0) std::memcpy(&value, bytes_.data(), size);
        bytes_.remove_prefix(size);
    }
    std::uint8_t byte() {
        std::uint8_t value = 0;
        fill(value);
        return value;
    }
    // A text of up to 15 bytes, or none.
    const char* text(std::string& room) {
        const std::uint8_t size = byte();
        if (size >= 16) return size % 2 == 0 ? nullptr : "plausible";
        room = std::string(bytes_.substr(0, size));
        bytes_.remove_prefix(std::min<std::size_t>(size, bytes_.size()));
        return room.c_str();
    }

  private:
    std::string_view bytes_;
};

void* create(const baton_settings*, baton_text*) { return nullptr; }
void release(void*) {}
void* build(void*, const baton_pool*, const void*, baton_text*) { return nullptr; }
std::uint32_t pick(void*, const baton_request*) { return BATON_NONE; }

void read_descriptor(std::string_view bytes) {
    Input input(bytes);
    const std::uint8_t shape = input.byte();
    std::string texts[7];
    baton_balancer table{sizeof(table), 0, create, release, build, release, pick, nullptr};
    if ((shape & 1U) != 0) table.pick = nullptr;
    if ((shape & 2U) != 0) input.fill(table.size);
    baton_option option{input.text(texts[0]), input.text(texts[1]), input.text(texts[2]), input.text(texts[3]), 0, 0, input.byte() % 9U, 0};
    if ((shape & 4U) != 0) input.fill(option.minimum);
    constexpr const char* kinds[] = {BATON_KIND_BALANCER, BATON_KIND_SCHEDULER, BATON_KIND_FAILOVER, "baton.other/1", nullptr};
    // The table is a balancer's; a smaller one of another kind fits into it, too.
    const baton_factory factory{kinds[input.byte() % 5U], input.text(texts[4]), input.text(texts[5]), (shape & 8U) != 0 ? nullptr : &option,
                                (shape & 16U) != 0 ? nullptr : &table, input.byte() % 2U, sizeof(option)};
    baton_strategy_descriptor descriptor{BATON_STRATEGY_HEAD, input.text(texts[6]), "1", "d", "b", &factory, input.byte() % 2U, sizeof(factory)};
    if ((shape & 32U) != 0) input.fill(descriptor.sizes);
    if ((shape & 64U) != 0) input.fill(descriptor.major);
    if ((shape & 128U) != 0) input.fill(descriptor.magic);

    if (const auto sound = strategy::check_descriptor(descriptor); !sound) {
        CHECK(!sound.error().message().empty());
        return;
    }
    CHECK(descriptor.factory_count == 1);
    CHECK(strategy::find_factory(descriptor, factory.kind, factory.name) == &factory);
    const model::PluginReport report = strategy::describe(descriptor);
    CHECK(report.factories.size() == 1);
    // What the schema says is the default can be read by it, and a value of the user's is read or refused.
    CHECK(strategy::read_options(factory, {}).has_value());
    if (factory.option_count == 0) return;
    const auto given = strategy::read_options(factory, {{option.name, texts[6].empty() ? "1" : texts[6]}});
    CHECK(given.has_value() || !given.error().message().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    read_file(bytes);
    read_descriptor(bytes);
    return 0;
}
