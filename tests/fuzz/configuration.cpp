// Any text is either refused with problems or accepted whole; what is accepted prints to a text that
// reads back equal.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "config/difference.h"
#include "config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace baton;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const config::Loaded loaded = config::load_text(text, "fuzz.toml", "/prefix");
    CHECK(loaded.configuration.has_value() == loaded.problems.empty());
    if (!loaded.configuration) return 0;

    const config::Loaded again =
        config::load_text(config::print(*loaded.configuration), "fuzz.toml", "/prefix");
    CHECK(again.configuration.has_value());
    CHECK(*again.configuration == *loaded.configuration);
    CHECK(config::difference(*loaded.configuration, *again.configuration).empty());
    return 0;
}
