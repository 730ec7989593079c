#include "strategy/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

#include <fmt/core.h>
#include <fmt/format.h>

#include "base/time.h"
#include "strategy/descriptor.h"

namespace baton::strategy {
namespace {

template <class Number>
bool read_number(std::string_view text, Number& value) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    return problem == std::errc() && end == text.data() + text.size();
}

bool is_choice(std::string_view choices, std::string_view text) {
    while (!choices.empty()) {
        const std::size_t end = std::min(choices.find('|'), choices.size());
        if (choices.substr(0, end) == text) return true;
        choices.remove_prefix(std::min(end + 1, choices.size()));
    }
    return false;
}

Result<void> check_bounds(const baton_option& option, double value) {
    if (option.minimum == 0 && option.maximum == 0) return {};
    if (value >= option.minimum && value <= option.maximum) return {};
    if (option.type == BATON_OPTION_DURATION) {
        const auto bound = [](double us) { return format_duration(static_cast<Millis>(us / 1'000)); };
        return failed(fmt::format("must be from {} to {}", bound(option.minimum), bound(option.maximum)));
    }
    return failed(fmt::format("must be from {} to {}", option.minimum, option.maximum));
}

}  // namespace

Result<baton_option_value> read_option(const baton_option& option, const char* written) {
    baton_option_value value{option.name, nullptr, 0, 0, option.type, 0};
    const std::string_view text = written;
    switch (option.type) {
        case BATON_OPTION_BOOL:
            if (text != "true" && text != "false") return failed(fmt::format("'{}' is not true or false", text));
            value.integer = text == "true" ? 1 : 0;
            return value;
        case BATON_OPTION_INTEGER:
            if (!read_number(text, value.integer)) return failed(fmt::format("'{}' is no whole number", text));
            value.number = static_cast<double>(value.integer);
            break;
        case BATON_OPTION_NUMBER:
            if (!read_number(text, value.number) || !std::isfinite(value.number)) return failed(fmt::format("'{}' is no number", text));
            break;
        case BATON_OPTION_DURATION: {
            const auto duration = parse_duration(text);
            if (!duration) return duration.error();
            if (*duration > INT64_MAX / 1'000) return failed(fmt::format("'{}' is too long", text));
            value.integer = *duration * 1'000;
            value.number = static_cast<double>(value.integer);
            break;
        }
        case BATON_OPTION_CHOICE:
            if (!is_choice(option.choices, text)) return failed(fmt::format("'{}' is not one of {}", text, option.choices));
            value.text = written;
            return value;
        default:
            value.text = written;
            return value;
    }
    if (auto sound = check_bounds(option, value.number); !sound) return sound.error();
    return value;
}

Result<std::vector<baton_option_value>> read_options(const baton_factory& factory, const model::StrategyOptions& given) {
    std::vector<baton_option_value> values;
    std::vector<std::string> problems;
    std::vector<std::string_view> names;
    std::size_t used = 0;
    for (std::uint32_t i = 0; i < factory.option_count; ++i) {
        const baton_option& option = option_at(factory, i);
        names.emplace_back(option.name);
        const auto own = given.find(option.name);
        const auto value = read_option(option, own == given.end() ? option.default_value : own->second.c_str());
        if (own != given.end()) ++used;
        if (!value) {
            problems.push_back(fmt::format("option {}: {}", option.name, value.error().message()));
            continue;
        }
        values.push_back(*value);
        values.back().given = own == given.end() ? 0 : 1;
    }
    if (used < given.size()) {
        const std::string known = names.empty() ? "it has none" : fmt::format("it has {}", fmt::join(names, ", "));
        for (const auto& [name, text] : given) {
            if (std::find(names.begin(), names.end(), name) == names.end()) {
                problems.push_back(fmt::format("there is no option {} ({})", name, known));
            }
        }
    }
    if (!problems.empty()) return failed(fmt::format("strategy {}: {}", factory.name, fmt::join(problems, "; ")));
    return values;
}

}  // namespace baton::strategy
