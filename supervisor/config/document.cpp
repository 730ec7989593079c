#include "config/document.h"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include <fmt/core.h>
#include <toml++/toml.h>

#include "base/limits.h"
#include "config/nesting.h"

namespace baton::config {
namespace {

class Conversion {
  public:
    explicit Conversion(std::uint32_t file) : file_(file) {}

    // Returns as deep as nesting.h allows.
    Node convert(const toml::node& from) {
        Node node{false, place(from.source())};
        if (const auto* flag = from.as_boolean()) {
            node.value = flag->get();
        } else if (const auto* whole = from.as_integer()) {
            node.value = whole->get();
        } else if (const auto* real = from.as_floating_point()) {
            node.value = real->get();
        } else if (const auto* text = from.as_string()) {
            node.value = text->get();
        } else if (const auto* array = from.as_array()) {
            Array elements;
            elements.reserve(array->size());
            for (const toml::node& element : *array) elements.push_back(convert(element));
            node.value = std::move(elements);
        } else if (const auto* table = from.as_table()) {
            node.value = members(*table);
        } else {
            node.value = Moment{};
        }
        return node;
    }

  private:
    Members members(const toml::table& table) {
        Members result;
        result.reserve(table.size());
        for (const auto& [key, value] : table) {
            result.push_back(Member{std::string(key.str()), place(key.source()), convert(value)});
        }
        // The library sorts by name; the order of the file is what a reader expects.
        std::stable_sort(result.begin(), result.end(), [](const Member& left, const Member& right) {
            return place_of(left) < place_of(right);
        });
        return result;
    }

    Place place(const toml::source_region& region) const {
        return Place{file_, std::max<std::uint32_t>(region.begin.line, 1)};
    }

    std::uint32_t file_;
};

}  // namespace

std::optional<Node> parse_document(std::string_view text, std::uint32_t file, Report& report) {
    if (const std::uint32_t line = line_nested_too_deep(text); line != 0) {
        report.problem(Place{file, line}, "keys or values are nested too deep");
        return std::nullopt;
    }
    try {
        const toml::table root = toml::parse(text);
        return Conversion(file).convert(root);
    } catch (const toml::parse_error& error) {
        report.problem(Place{file, std::max<std::uint32_t>(error.source().begin.line, 1)},
                       std::string(error.description()));
    } catch (const std::exception& error) {
        report.problem(Place{file, 1}, fmt::format("the file cannot be parsed: {}", error.what()));
    }
    return std::nullopt;
}

}  // namespace baton::config
