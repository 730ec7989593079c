#include "golden.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace baton::test {
namespace {

std::filesystem::path file_of(const std::string& name) {
    return std::filesystem::path(BATON_SOURCE_DIR) / "tests" / "golden" / name;
}

// Sixteen bytes a line, in hexadecimal, and what of them is printable.
std::string dump(std::string_view bytes) {
    std::string text;
    for (std::size_t line = 0; line < bytes.size(); line += 16) {
        std::string letters;
        for (std::size_t i = line; i < std::min(line + 16, bytes.size()); ++i) {
            char hex[4];
            std::snprintf(hex, sizeof(hex), "%02x ", static_cast<unsigned>(static_cast<unsigned char>(bytes[i])));
            text += hex;
            letters += bytes[i] > ' ' && bytes[i] < 127 ? bytes[i] : '.';
        }
        text += " |" + letters + "|\n";
    }
    return text;
}

}  // namespace

std::string golden_text(const std::string& name) {
    std::ifstream in(file_of(name));
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string golden_bytes(const std::string& name) {
    std::istringstream lines(golden_text(name + ".hex"));
    std::string bytes;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream numbers(line.substr(0, line.find('|')));
        for (unsigned value = 0; numbers >> std::hex >> value;) bytes.push_back(static_cast<char>(value));
    }
    return bytes;
}

std::string differs_from_golden_text(const std::string& name, const std::string& text) {
    if (std::getenv("BATON_REWRITE") != nullptr) std::ofstream(file_of(name)) << text;
    const std::string expected = golden_text(name);
    return expected == text ? "" : name + " is\n" + expected + "and was made as\n" + text;
}

std::string differs_from_golden_bytes(const std::string& name, std::string_view bytes) {
    return differs_from_golden_text(name + ".hex", dump(bytes));
}

}  // namespace baton::test
