#include "strategy/descriptor.h"

#include <array>
#include <cstring>
#include <set>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "strategy/options.h"

namespace baton::strategy {
namespace {

struct Size {
    const char* name;
    std::uint16_t baton_sizes::* in_plugin;
    std::size_t here;
};
constexpr std::array sizes{
    Size{"baton_settings", &baton_sizes::settings, sizeof(baton_settings)},
    Size{"baton_option_value", &baton_sizes::option_value, sizeof(baton_option_value)},
    Size{"baton_host", &baton_sizes::host, sizeof(baton_host)},
    Size{"baton_address", &baton_sizes::address, sizeof(baton_address)},
    Size{"baton_endpoint", &baton_sizes::endpoint, sizeof(baton_endpoint)},
    Size{"baton_live", &baton_sizes::live, sizeof(baton_live)},
    Size{"baton_pool", &baton_sizes::pool, sizeof(baton_pool)},
    Size{"baton_request", &baton_sizes::request, sizeof(baton_request)},
    Size{"baton_outcome", &baton_sizes::outcome, sizeof(baton_outcome)},
    Size{"baton_node", &baton_sizes::node, sizeof(baton_node)},
    Size{"baton_placement_view", &baton_sizes::placement_view, sizeof(baton_placement_view)},
    Size{"baton_placement_decision", &baton_sizes::placement_decision, sizeof(baton_placement_decision)},
    Size{"baton_member", &baton_sizes::member, sizeof(baton_member)},
    Size{"baton_failover_view", &baton_sizes::failover_view, sizeof(baton_failover_view)},
    Size{"baton_failover_decision", &baton_sizes::failover_decision, sizeof(baton_failover_decision)},
    Size{"baton_text", &baton_sizes::text, sizeof(baton_text)},
};

Result<void> check_text(const char* text, const char* what, bool needed = true) {
    if (text == nullptr && !needed) return {};
    if (text == nullptr) return failed(fmt::format("{} is missing", what));
    if (::strnlen(text, BATON_MAX_TEXT + 1) > BATON_MAX_TEXT) return failed(fmt::format("{} is longer than {} bytes", what, BATON_MAX_TEXT));
    return {};
}

// Names are written in configurations, file names and metrics.
Result<void> check_name(const char* name, const char* what) {
    if (name == nullptr) return failed(fmt::format("{} is missing", what));
    const std::string_view text(name, ::strnlen(name, BATON_MAX_NAME + 1));
    if (text.empty() || text.size() > BATON_MAX_NAME) return failed(fmt::format("{} is empty or longer than {} bytes", what, BATON_MAX_NAME));
    for (const char sign : text) {
        if ((sign < 'a' || sign > 'z') && (sign < '0' || sign > '9') && sign != '_') {
            return failed(fmt::format("{} has other signs than a-z, 0-9 and _", what));
        }
    }
    return {};
}

Result<void> check_versions(const baton_strategy_descriptor& descriptor) {
    if (descriptor.magic != BATON_STRATEGY_MAGIC) {
        return failed("its descriptor does not begin with BATON_STRATEGY_MAGIC: begin it with BATON_STRATEGY_HEAD");
    }
    if (descriptor.major != BATON_STRATEGY_MAJOR) {
        return failed(fmt::format("it was built for version {} of the plugin ABI, this is version {}: build it again with the headers "
                                  "of this Baton", descriptor.major, BATON_STRATEGY_MAJOR));
    }
    if (descriptor.minor > BATON_STRATEGY_MINOR) {
        return failed(fmt::format("it was built for version {}.{} of the plugin ABI, this is {}.{}: build it with the headers of this "
                                  "Baton, or use a newer one", descriptor.major, descriptor.minor, BATON_STRATEGY_MAJOR, BATON_STRATEGY_MINOR));
    }
    if (descriptor.size < sizeof(baton_strategy_descriptor)) {
        return failed(fmt::format("its descriptor says it has {} bytes, it must have {} or more", descriptor.size, sizeof(baton_strategy_descriptor)));
    }
    for (const Size& size : sizes) {
        if (descriptor.sizes.*size.in_plugin == size.here) continue;
        return failed(fmt::format("{} has {} bytes in it and {} here: it was compiled with flags that change layouts, such as "
                                  "-fpack-struct or -m32", size.name, descriptor.sizes.*size.in_plugin, size.here));
    }
    return {};
}

// Every function that is there in minor version 0 must be there, but for the one that may be null.
Result<void> check_table(const baton_factory& factory) {
    if (factory.table == nullptr) return failed("its table of functions is missing");
    const std::string_view kind = factory.kind;
    const auto complete = [](std::uint32_t size, std::size_t least, bool all) -> Result<void> {
        if (size < least) return failed(fmt::format("its table of functions says it has {} bytes, it must have {} or more", size, least));
        if (!all) return failed("its table of functions is not complete");
        return {};
    };
    if (kind == BATON_KIND_BALANCER) {
        const auto& table = *static_cast<const baton_balancer*>(factory.table);
        return complete(table.size, sizeof(table), table.create && table.destroy && table.build && table.release && table.pick);
    }
    if (kind == BATON_KIND_SCHEDULER) {
        const auto& table = *static_cast<const baton_scheduler*>(factory.table);
        return complete(table.size, sizeof(table), table.create && table.destroy && table.place);
    }
    if (kind == BATON_KIND_FAILOVER) {
        const auto& table = *static_cast<const baton_failover*>(factory.table);
        return complete(table.size, sizeof(table), table.create && table.destroy && table.decide);
    }
    return failed(fmt::format("its kind '{}' is not one of " BATON_KIND_BALANCER ", " BATON_KIND_SCHEDULER ", " BATON_KIND_FAILOVER, kind));
}

Result<void> check_option(const baton_option& option) {
    if (auto sound = check_name(option.name, "the name of an option"); !sound) return sound;
    const auto in_option = [&](const Result<void>& result) { return result ? result : result.error().context(fmt::format("option {}", option.name)); };
    if (option.type < BATON_OPTION_BOOL || option.type > BATON_OPTION_CHOICE) {
        return in_option(failed(fmt::format("its type {} is none of enum baton_option_type", option.type)));
    }
    for (const auto& [text, what] : {std::pair(option.default_value, "the default value"), std::pair(option.description, "the description")}) {
        if (auto sound = check_text(text, what); !sound) return in_option(sound);
    }
    if (auto sound = check_text(option.choices, "the list of choices", option.type == BATON_OPTION_CHOICE); !sound) return in_option(sound);
    // Whole numbers that a double holds exactly, and no NaN.
    constexpr double most = 9e15;
    if (!(option.minimum >= -most && option.minimum <= option.maximum && option.maximum <= most)) {
        return in_option(failed("its bounds are not in order, or are beyond 9e15"));
    }
    const auto value = read_option(option, option.default_value);
    return value ? Result<void>() : in_option(value.error().context("the default value"));
}

Result<void> check_factory(const baton_factory& factory, std::set<std::pair<std::string, std::string>>& seen) {
    if (auto sound = check_text(factory.kind, "its kind"); !sound) return sound;
    if (auto sound = check_text(factory.description, "its description"); !sound) return sound;
    if (!seen.emplace(factory.kind, factory.name).second) return failed("there are two of this kind and name");
    if (auto sound = check_table(factory); !sound) return sound;
    if (factory.option_count > BATON_MAX_OPTIONS) return failed(fmt::format("it has {} options, the limit is {}", factory.option_count, BATON_MAX_OPTIONS));
    if (factory.option_count > 0 && (factory.options == nullptr || factory.option_size < sizeof(baton_option))) {
        return failed("its options are missing, or their size is wrong");
    }
    std::set<std::string_view> names;
    for (std::uint32_t i = 0; i < factory.option_count; ++i) {
        const baton_option& option = option_at(factory, i);
        if (auto sound = check_option(option); !sound) return sound;
        if (!names.insert(option.name).second) return failed(fmt::format("there are two options {}", option.name));
    }
    return {};
}

}  // namespace

Result<void> check_descriptor(const baton_strategy_descriptor& descriptor) {
    if (auto sound = check_versions(descriptor); !sound) return sound;
    if (auto sound = check_name(descriptor.name, "its name"); !sound) return sound;
    for (const auto& [text, what] : {std::pair(descriptor.version, "its version"), std::pair(descriptor.description, "its description"),
                                     std::pair(descriptor.build, "its build information")}) {
        if (auto sound = check_text(text, what); !sound) return sound;
    }
    if (descriptor.factory_count == 0 || descriptor.factory_count > BATON_MAX_FACTORIES) {
        return failed(fmt::format("it has {} factories; there must be 1 to {}", descriptor.factory_count, BATON_MAX_FACTORIES));
    }
    if (descriptor.factories == nullptr || descriptor.factory_size < sizeof(baton_factory)) {
        return failed("its factories are missing, or their size is wrong");
    }
    std::set<std::pair<std::string, std::string>> seen;
    for (std::uint32_t i = 0; i < descriptor.factory_count; ++i) {
        const baton_factory& factory = factory_at(descriptor, i);
        if (auto sound = check_name(factory.name, "the name of a factory"); !sound) return sound;
        if (auto sound = check_factory(factory, seen); !sound) return sound.error().context(fmt::format("factory {}", factory.name));
    }
    return {};
}

const baton_factory& factory_at(const baton_strategy_descriptor& descriptor, std::uint32_t i) {
    const char* const first = reinterpret_cast<const char*>(descriptor.factories);
    return *reinterpret_cast<const baton_factory*>(first + static_cast<std::size_t>(i) * descriptor.factory_size);
}

const baton_option& option_at(const baton_factory& factory, std::uint32_t i) {
    const char* const first = reinterpret_cast<const char*>(factory.options);
    return *reinterpret_cast<const baton_option*>(first + static_cast<std::size_t>(i) * factory.option_size);
}

const baton_factory* find_factory(const baton_strategy_descriptor& descriptor, std::string_view kind, std::string_view name) {
    for (std::uint32_t i = 0; i < descriptor.factory_count; ++i) {
        const baton_factory& factory = factory_at(descriptor, i);
        if (kind == factory.kind && name == factory.name) return &factory;
    }
    return nullptr;
}

}  // namespace baton::strategy
