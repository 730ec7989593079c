// Bytes that claim to be a snapshot: refused or read; and what was read is written and read again as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/codec.h"
#include "model/state.h"
#include "model/upgrade.h"

namespace {

template <class T>
void round_trip(std::string_view bytes) {
    const auto value = baton::model::decode<T>(bytes);
    if (!value) return;
    const std::string text = baton::model::encode(*value);
    const auto again = baton::model::decode<T>(text);
    if (!again || baton::model::encode(*again) != text) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    round_trip<baton::model::Service>(bytes);
    round_trip<baton::model::Counters>(bytes);
    round_trip<baton::model::Configuration>(bytes);
    round_trip<baton::model::Upgrade>(bytes);
    return 0;
}
