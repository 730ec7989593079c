#include "strategy/image.h"

#include <string_view>
#include <utility>

#include <baton/strategy.h>

#include "base/strategy_limits.h"
#include "model/balancer.h"
#include "strategy/descriptor.h"
#include "strategy/elf.h"
#include "sys/process.h"

namespace baton::strategy {
namespace {

std::uint64_t fingerprint_of(std::string_view bytes) {
    const std::uint64_t hash = baton_hash(bytes.data(), bytes.size()) & ~model::breadcrumb_call_mask;
    return hash == 0 ? model::breadcrumb_call_mask + 1 : hash;
}

Result<Image> look_at(std::string file, std::string_view bytes) {
    const auto facts = inspect_elf(bytes, descriptor_symbol, sizeof(baton_strategy_descriptor));
    if (!facts) return facts.error();
    if (auto sound = refuse_pinned(*facts); !sound) return sound.error();
    return Image{std::move(file), {}, fingerprint_of(bytes), bytes.size(), facts->other_exports};
}

}  // namespace

Result<Image> read_image(const std::string& file) {
    const auto open = sys::open_image(file);
    if (!open) return open.error();
    const auto bytes = sys::read_all(*open, limits::plugin_bytes);
    if (!bytes) return bytes.error().context(file);
    auto image = look_at(file, *bytes);
    if (!image) return image.error().context(file);
    auto memory = sys::sealed_memory("plugin", *bytes);
    if (!memory) return memory.error().context(file);
    image->memory = std::move(*memory);
    return image;
}

Result<Image> take_image(std::string file, sys::UniqueFd memory) {
    const auto bytes = sys::read_all(memory, limits::plugin_bytes);
    if (!bytes) return bytes.error().context(file);
    auto image = look_at(file, *bytes);
    if (!image) return image.error().context(file);
    image->memory = std::move(memory);
    return image;
}

Result<Image> duplicate(const Image& image) {
    auto memory = sys::duplicate(image.memory);
    if (!memory) return memory.error().context(image.file);
    return Image{image.file, std::move(*memory), image.fingerprint, image.bytes, image.other_exports};
}

}  // namespace baton::strategy
