#include "config/pid_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <sstream>
#include <string_view>

#include "config/document.h"
#include "config/load.h"

namespace baton::config {
namespace {

const Node* member(const Node& table, std::string_view key) {
    const auto* members = table.as<Members>();
    if (members == nullptr) return nullptr;
    const auto found = std::find_if(members->begin(), members->end(), [&](const Member& one) { return one.key == key; });
    return found == members->end() ? nullptr : &found->value;
}

std::optional<std::string> in_document(const Node& root) {
    const Node* supervisor = member(root, "supervisor");
    const Node* pid_file = supervisor == nullptr ? nullptr : member(*supervisor, "pid_file");
    const auto* value = pid_file == nullptr ? nullptr : pid_file->as<std::string>();
    return value == nullptr || value->empty() ? std::nullopt : std::optional(*value);
}

// Of a text that is no TOML: the line may be whole all the same, in each way to write it.
std::optional<std::string> in_lines(const std::string& text) {
    const std::regex header(R"re(^\s*\[+\s*["']?([^\]"']*))re");
    const std::regex in_section(R"re(^\s*["']?pid_file["']?\s*=\s*["']([^"']+)["'])re");
    const std::regex dotted(R"re(^\s*["']?supervisor["']?\s*\.\s*["']?pid_file["']?\s*=\s*["']([^"']+)["'])re");
    const std::regex in_braces(R"re(^\s*["']?supervisor["']?\s*=\s*\{(?:.*[,\s])?["']?pid_file["']?\s*=\s*["']([^"']+)["'])re");
    std::optional<std::string> named;
    std::string section;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::smatch found;
        if (std::regex_search(line, found, header)) section = found[1];
        const bool here = section.substr(0, section.find_last_not_of(" \t") + 1) == "supervisor" && std::regex_search(line, found, in_section);
        if (here || std::regex_search(line, found, dotted) || std::regex_search(line, found, in_braces)) named = found[1];
    }
    return named;
}

}  // namespace

std::string pid_file_of(const std::string& file, const std::string& prefix) {
    namespace fs = std::filesystem;
    if (const Loaded loaded = load(file, prefix); loaded.configuration)
        return loaded.configuration->supervisor.pid_file;
    // The configuration is broken. What it says of its pid file may still be whole.
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    Report report;
    const auto root = parse_document(text, report.add_file(file), report);
    const std::string named = (root ? in_document(*root) : in_lines(text)).value_or("run/baton.pid");
    const fs::path start = prefix.empty() ? fs::absolute(file).parent_path() : fs::absolute(prefix);
    return (start / named).lexically_normal().string();
}

}  // namespace baton::config
