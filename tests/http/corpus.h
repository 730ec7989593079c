// The lists of judged bytes that several rooms' tests share: a line is a name, a verdict, and the bytes as
// tests/http/corpus.txt tells at its beginning.
#pragma once

#include <string>
#include <vector>

namespace baton::http {

struct Judged {
    std::string name;
    std::string verdict;
    std::string bytes;
};

// Of a file below tests/, the lines of one section. Throws where there are none.
std::vector<Judged> read_corpus(const std::string& file, const std::string& section);

// What is sent right behind each of them.
inline constexpr const char* behind = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace baton::http
