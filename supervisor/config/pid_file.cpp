#include "config/pid_file.h"

#include <filesystem>
#include <fstream>
#include <regex>

#include "config/load.h"

namespace baton::config {

std::string pid_file_of(const std::string& file, const std::string& prefix) {
    namespace fs = std::filesystem;
    if (const Loaded loaded = load(file, prefix); loaded.configuration)
        return loaded.configuration->supervisor.pid_file;
    // The configuration is broken. Its pid_file line may still be whole.
    std::string named = "run/baton.pid";
    std::ifstream text(file);
    const std::regex key(R"re(^\s*(?:supervisor\s*\.\s*)?pid_file\s*=\s*["']([^"']+)["'])re");
    for (std::string line; std::getline(text, line);) {
        std::smatch found;
        if (std::regex_search(line, found, key)) named = found[1];
    }
    const fs::path start = prefix.empty() ? fs::absolute(file).parent_path() : fs::absolute(prefix);
    return (start / named).lexically_normal().string();
}

}  // namespace baton::config
