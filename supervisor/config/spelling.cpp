#include "config/spelling.h"

#include <algorithm>
#include <cstddef>

#include <fmt/core.h>

namespace baton::config {
namespace {

constexpr std::size_t near_enough = 2;

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
std::size_t distance(std::string_view left, std::string_view right) {
    std::vector<std::size_t> before(right.size() + 1);
    std::vector<std::size_t> previous(right.size() + 1);
    std::vector<std::size_t> current(right.size() + 1);
    for (std::size_t j = 0; j <= right.size(); ++j) previous[j] = j;
    for (std::size_t i = 1; i <= left.size(); ++i) {
        current[0] = i;
        for (std::size_t j = 1; j <= right.size(); ++j) {
            const std::size_t change = left[i - 1] == right[j - 1] ? 0 : 1;
            current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + change});
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
                current[j] = std::min(current[j], before[j - 2] + 1);
            }
        }
        std::swap(before, previous);
        std::swap(previous, current);
    }
    return previous[right.size()];
}

}  // namespace

std::string suggestion(std::string_view written, const std::vector<std::string_view>& known) {
    std::size_t best = near_enough + 1;
    std::string_view nearest;
    for (const std::string_view word : known) {
        // Lengths that differ by more cannot be near, and a long key need not be compared at all.
        if (written.size() > word.size() + near_enough || word.size() > written.size() + near_enough)
            continue;
        const std::size_t edits = distance(written, word);
        if (edits < best && edits < written.size()) {
            best = edits;
            nearest = word;
        }
    }
    return nearest.empty() ? std::string() : fmt::format("; did you mean {}?", nearest);
}

}  // namespace baton::config
