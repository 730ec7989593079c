// A plugin that is loaded: its code stays as long as anybody holds it, and with the last of them it is
// unloaded, which is verified.
//
// It is loaded from its image through /proc/self/fd/N. The descriptor stays open as long as the code is there:
// the loader knows objects by their paths, and would take a second image of the same number for the first. A
// library that the plugin needs is looked for in the system's folders only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <baton/strategy.h>

#include "base/result.h"
#include "strategy/image.h"

namespace baton::strategy {

class Plugin {
  public:
    // Told when the last holder let go: whether the code has left the process.
    using Unloaded = std::function<void(const std::string& file, bool gone)>;

    // Runs the plugin's static constructors: only for an image that passed its check (check.h).
    static Result<std::shared_ptr<const Plugin>> load(Image image, Unloaded unloaded = {});
    // The one that needs no file: round_robin.
    static std::shared_ptr<const Plugin> built_in();

    Plugin(const Plugin&) = delete;
    Plugin& operator=(const Plugin&) = delete;
    ~Plugin();

    const baton_strategy_descriptor& descriptor() const { return *descriptor_; }
    // "built in" for the one without.
    const std::string& file() const { return image_.file; }
    // 0: built in.
    std::uint64_t fingerprint() const { return image_.fingerprint; }

  private:
    struct Code;
    Plugin(Image image, Unloaded unloaded);

    Image image_;
    Unloaded unloaded_;
    std::unique_ptr<Code> code_;
    const baton_strategy_descriptor* descriptor_ = nullptr;
};

}  // namespace baton::strategy
