#include "marked.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace baton::config {

std::string read_text(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<Problem> marked_problems(std::string_view text, const std::string& file) {
    constexpr std::string_view mark = "#! ";
    std::vector<Problem> problems;
    std::istringstream lines{std::string(text)};
    std::string line;
    for (std::uint32_t number = 1; std::getline(lines, line); ++number) {
        for (auto at = line.find(mark); at != std::string::npos;) {
            const auto next = line.find(mark, at + mark.size());
            const auto begin = at + mark.size();
            std::string message = line.substr(begin, next == std::string::npos ? next : next - begin);
            while (message.ends_with(' ')) message.pop_back();
            problems.push_back(Problem{file, number, std::move(message)});
            at = next;
        }
    }
    return problems;
}

std::string listing(const std::vector<Problem>& problems) {
    std::string text;
    for (const Problem& problem : problems) text += "  " + to_string(problem) + "\n";
    return text.empty() ? "  nothing\n" : text;
}

std::vector<std::filesystem::path> cases(const std::string& folder) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry :
         std::filesystem::directory_iterator(BATON_SOURCE_DIR "/tests/config/" + folder)) {
        paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

}  // namespace baton::config
