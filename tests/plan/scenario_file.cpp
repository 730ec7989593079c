#include "scenario_file.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace baton::plan::test {
namespace {

constexpr std::string_view separator = "----";

std::vector<std::string> read_lines(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::string first_difference(const std::string& expected, const std::string& actual) {
    return "expected:\n" + expected + "but it is:\n" + actual;
}

}  // namespace

std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto end = std::min(text.find(at), text.size());
        if (end > 0) parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

std::string option(const std::vector<std::string>& words, std::string_view key, std::string_view otherwise) {
    for (const std::string& word : words) {
        if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=') return word.substr(key.size() + 1);
    }
    return std::string(otherwise);
}

std::string run_scenario(const std::filesystem::path& file, const Interpreter& interpreter) {
    const bool rewrite = std::getenv("BATON_REWRITE") != nullptr;
    const std::vector<std::string> lines = read_lines(file);
    if (lines.empty()) return "it cannot be read, or is empty";
    std::string rewritten;
    std::string problem;
    for (std::size_t at = 0; at < lines.size();) {
        if (lines[at].empty() || lines[at].starts_with('#')) {
            rewritten += lines[at++] + "\n";
            continue;
        }
        const std::size_t began = at;
        Command command{split(lines[at], ' '), {}};
        for (; at < lines.size() && lines[at] != separator; ++at) {
            rewritten += lines[at] + "\n";
            if (at > began) command.body.push_back(lines[at].substr(std::min(lines[at].find_first_not_of(' '), lines[at].size())));
            if (lines[at].empty()) return "line " + std::to_string(began + 1) + ": a command without " + std::string(separator);
        }
        std::string expected;
        for (++at; at < lines.size() && !lines[at].empty(); ++at) expected += lines[at] + "\n";
        const std::string actual = interpreter(command);
        rewritten += std::string(separator) + "\n" + actual;
        const bool refused = actual.starts_with("error:");
        if (problem.empty() && (refused || (!rewrite && actual != expected))) {
            problem = "line " + std::to_string(began + 1) + ": " + lines[began] + "\n" + first_difference(expected, actual);
        }
    }
    if (rewrite) std::ofstream(file) << rewritten;
    return problem;
}

std::vector<std::filesystem::path> scenario_files(std::string_view folder) {
    std::vector<std::filesystem::path> files;
    const auto root = std::filesystem::path(BATON_SOURCE_DIR) / "tests" / "plan" / folder;
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
        if (entry.path().extension() == ".txt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::string test_name(const std::filesystem::path& file) {
    std::string name = file.stem().string();
    std::replace_if(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return name;
}

}  // namespace baton::plan::test
