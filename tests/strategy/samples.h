// The plugins of samples/, and those that ship, as files.
#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "strategy/plugin.h"

namespace baton::test {

inline std::string sample(const std::string& name) {
    return std::string(BATON_SAMPLES) + "/" + name + ".so";
}
inline std::string shipped(const std::string& name) {
    return std::string(BATON_PLUGINS) + "/" + name + ".so";
}

// Without its check: for plugins that are known.
inline std::shared_ptr<const strategy::Plugin> load(const std::string& file, strategy::Plugin::Unloaded unloaded = {}) {
    auto image = strategy::read_image(file);
    EXPECT_TRUE(image) << image.error().message();
    if (!image) return nullptr;
    auto plugin = strategy::Plugin::load(std::move(*image), std::move(unloaded));
    EXPECT_TRUE(plugin) << plugin.error().message();
    return plugin ? *plugin : nullptr;
}

}  // namespace baton::test
