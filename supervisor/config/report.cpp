#include "config/report.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/check.h"

namespace baton::config {

std::string to_string(const Problem& problem) {
    return fmt::format("{}:{}: {}", problem.file, problem.line, problem.message);
}

std::uint32_t Report::add_file(std::string name) {
    files_.push_back(std::move(name));
    return static_cast<std::uint32_t>(files_.size() - 1);
}

void Report::problem(Place place, std::string message) {
    CHECK(place.file < files_.size());
    problems_.push_back(Found{place, std::move(message)});
}

void Report::notice(std::string message) {
    notices_.push_back(std::move(message));
}

std::string Report::where(Place place) const {
    CHECK(place.file < files_.size());
    return fmt::format("{}:{}", files_[place.file], place.line);
}

std::vector<Problem> Report::sorted_problems() const {
    std::vector<Found> found = problems_;
    std::stable_sort(found.begin(), found.end(),
                     [](const Found& left, const Found& right) { return left.place < right.place; });
    std::vector<Problem> problems;
    problems.reserve(found.size());
    for (Found& one : found) {
        problems.push_back(Problem{files_[one.place.file], one.place.line, std::move(one.message)});
    }
    return problems;
}

}  // namespace baton::config
