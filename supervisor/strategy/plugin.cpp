#include "strategy/plugin.h"

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>
#include <link.h>

#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "strategy/descriptor.h"

extern "C" const baton_strategy_descriptor baton_builtin_round_robin;

namespace baton::strategy {
namespace {

// One object of the process.
struct Object {
    std::string name;
    std::uintptr_t base = 0;
};

// The object whose segments hold an address.
struct Search {
    std::uintptr_t address = 0;
    Object found;
};

int holds_address(dl_phdr_info* info, std::size_t, void* context) {
    auto& search = *static_cast<Search*>(context);
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = info->dlpi_phdr[i];
        const std::uintptr_t from = info->dlpi_addr + segment.p_vaddr;
        if (segment.p_type != PT_LOAD || search.address < from || search.address - from >= segment.p_memsz) continue;
        search.found = {info->dlpi_name, info->dlpi_addr};
        return 1;
    }
    return 0;
}

int is_object(dl_phdr_info* info, std::size_t, void* context) {
    const auto& object = *static_cast<const Object*>(context);
    return info->dlpi_addr == object.base && object.name == info->dlpi_name ? 1 : 0;
}

bool in_process(Object object) {
    return ::dl_iterate_phdr(is_object, &object) != 0;
}

int has_name(dl_phdr_info* info, std::size_t, void* context) {
    return *static_cast<const std::string*>(context) == info->dlpi_name ? 1 : 0;
}

std::string path_of(const sys::UniqueFd& memory) {
    return fmt::format("/proc/self/fd/{}", memory.get());
}

// Gives the image a descriptor whose path no loaded object has: the loader would give that object's code. In a
// copy of a process that has plugins their descriptors are closed, and the numbers are there to be taken.
Result<void> take_free_path(Image& image) {
    std::vector<sys::UniqueFd> passed_over;
    for (std::string path = path_of(image.memory); ::dl_iterate_phdr(has_name, &path) != 0; path = path_of(image.memory)) {
        auto next = sys::duplicate(image.memory);
        if (!next) return next.error();
        passed_over.push_back(std::exchange(image.memory, std::move(*next)));
    }
    return {};
}

}  // namespace

struct Plugin::Code {
    boost::dll::shared_library library;
    Object object;
};

Plugin::Plugin(Image image, Unloaded unloaded) : image_(std::move(image)), unloaded_(std::move(unloaded)) {}

Result<std::shared_ptr<const Plugin>> Plugin::load(Image image, Unloaded unloaded) {
    if (auto free = take_free_path(image); !free) return free.error().context("load " + image.file);
    const std::string path = path_of(image.memory);
    const std::shared_ptr<Plugin> plugin(new Plugin(std::move(image), std::move(unloaded)));
    auto code = std::make_unique<Code>();
    try {
        code->library.load(path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
        plugin->descriptor_ = &code->library.get<const baton_strategy_descriptor>(descriptor_symbol);
    } catch (const std::exception& problem) {
        return failed(fmt::format("load {}: {}", plugin->file(), problem.what()));
    }
    Search search{reinterpret_cast<std::uintptr_t>(plugin->descriptor_), {}};
    ::dl_iterate_phdr(holds_address, &search);
    code->object = search.found;
    plugin->code_ = std::move(code);
    if (auto sound = check_descriptor(*plugin->descriptor_); !sound) return sound.error().context(plugin->file());
    return std::shared_ptr<const Plugin>(plugin);
}

std::shared_ptr<const Plugin> Plugin::built_in() {
    const std::shared_ptr<Plugin> plugin(new Plugin(Image{"built in", {}, 0, 0, 0}, {}));
    plugin->descriptor_ = &baton_builtin_round_robin;
    return plugin;
}

Plugin::~Plugin() {
    if (!code_) return;
    code_->library.unload();
    const bool gone = !in_process(code_->object);
    // The path that the loader still knows must not become another image's.
    if (!gone) static_cast<void>(image_.memory.release());
    if (unloaded_) unloaded_(image_.file, gone);
}

}  // namespace baton::strategy
