#include "base/listing.h"

#include <algorithm>

#include <fmt/core.h>

namespace baton {
namespace {

// Where hundreds fail, they fail for a few reasons.
constexpr std::size_t reasons_told = 8;

}  // namespace

std::string in_one_sentence(const std::vector<std::string>& reasons) {
    std::string all;
    for (std::size_t i = 0; i < std::min(reasons.size(), reasons_told); ++i) all += (i == 0 ? "" : "; ") + reasons[i];
    if (reasons.size() > reasons_told) all += fmt::format("; and {} more", reasons.size() - reasons_told);
    return all;
}

}  // namespace baton
