#include "corpus.h"

#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace baton::http {
namespace {

// \{N*text}, the innermost first.
std::string repeated(std::string text) {
    static const std::regex times(R"(\\\{(\d+)\*([^{}]*)\})");
    for (std::smatch found; std::regex_search(text, found, times);) {
        std::string all;
        for (int i = std::stoi(found[1]); i > 0; --i) all += found[2];
        text = found.prefix().str() + all + found.suffix().str();
    }
    return text;
}

std::string bytes_of(const std::string& text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '|') {
            bytes += "\r\n";
        } else if (text[i] != '\\') {
            bytes += text[i];
        } else {
            switch (text.at(++i)) {
                case 'r': bytes += '\r'; break;
                case 'n': bytes += '\n'; break;
                case 't': bytes += '\t'; break;
                case '0': bytes += '\0'; break;
                case '\\': bytes += '\\'; break;
                case 'x': bytes += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)); i += 2; break;
                default: throw std::invalid_argument("an escape that is none: " + text);
            }
        }
    }
    return bytes;
}

}  // namespace

std::vector<Judged> read_corpus(const std::string& file, const std::string& section) {
    std::ifstream in(std::string(BATON_SOURCE_DIR "/tests/") + file);
    std::vector<Judged> all;
    bool inside = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with('[')) inside = line.starts_with("[" + section + "]");
        if (!inside || line.empty() || line.starts_with('[') || line.starts_with('#')) continue;
        std::istringstream words(line);
        Judged one;
        words >> one.name >> one.verdict >> std::ws;
        std::getline(words, one.bytes);
        one.verdict = bytes_of(one.verdict);
        one.bytes = bytes_of(repeated(one.bytes));
        all.push_back(std::move(one));
    }
    if (all.empty()) throw std::invalid_argument(file + " has no section " + section);
    return all;
}

}  // namespace baton::http
