// A scenario: a text file of commands, each with the output it must have, as in etcd's raft. A person
// reads it as the story of what the planner does; BATON_REWRITE=1 writes the outputs anew.
//
//     # A comment, kept as it is.
//     command words
//       body line
//     ----
//     output line
//
// A block ends with an empty line or the file's end.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::plan::test {

struct Command {
    std::vector<std::string> words;  // at least one
    std::vector<std::string> body;   // its indented lines, without the indent
};

// Executes a command; what it returns is compared. A message that starts with "error:" fails the test.
using Interpreter = std::function<std::string(const Command&)>;

// Runs a file through one interpreter. Empty, or what differs.
std::string run_scenario(const std::filesystem::path& file, const Interpreter& interpreter);

// The scenario files of a folder below tests/plan, sorted.
std::vector<std::filesystem::path> scenario_files(std::string_view folder);

// "web_1" of ".../web-1.txt": a name GoogleTest accepts.
std::string test_name(const std::filesystem::path& file);

std::vector<std::string> split(std::string_view text, char separator);
// The value of `key=value` among the words, or `otherwise`.
std::string option(const std::vector<std::string>& words, std::string_view key, std::string_view otherwise);

}  // namespace baton::plan::test
