#include "run/lines.h"

#include <gtest/gtest.h>

#include <vector>

#include "run/utf8.h"

namespace baton::run {
namespace {

using Texts = std::vector<std::string>;

Texts all(Lines& lines) {
    Texts texts;
    while (auto line = lines.next()) texts.push_back(*line);
    return texts;
}

TEST(Lines, AreCutAtTheirEnds) {
    Lines lines(100);
    lines.add("one\ntwo\n\nfo");
    EXPECT_EQ(all(lines), (Texts{"one", "two", ""}));
    lines.add("ur\nrest");
    EXPECT_EQ(all(lines), Texts{"four"});
    EXPECT_EQ(lines.rest(), "rest");
    EXPECT_EQ(lines.rest(), std::nullopt);
}

TEST(Lines, ALongOneComesInPiecesAndItsEndIsNoEmptyLine) {
    Lines lines(8);
    lines.add(
        "12345678"
        "abcdefgh\n"
        "x\n");
    EXPECT_EQ(all(lines), (Texts{"12345678", "abcdefgh", "x"}));
    lines.add("12345678");
    EXPECT_EQ(all(lines), Texts{}) << "its end may come next";
    lines.add("\n");
    EXPECT_EQ(all(lines), Texts{"12345678"});
    lines.add("12345678ab");
    EXPECT_EQ(all(lines), Texts{"12345678"});
    lines.add("\n\n");
    EXPECT_EQ(all(lines), (Texts{"ab", ""})) << "an empty line after it is one";
}

TEST(Lines, AreTheSameHoweverTheBytesArrive) {
    std::string bytes;
    for (int i = 0; i < 40; ++i)
        bytes += std::string(static_cast<std::size_t>(i), 'a') + "\xC3\xA4\r\n";
    Lines at_once(16);
    at_once.add(bytes);
    const Texts expected = all(at_once);
    EXPECT_GT(expected.size(), 40U);
    for (std::size_t step = 1; step < 50; step += 3) {
        Lines lines(16);
        Texts texts;
        for (std::size_t i = 0; i < bytes.size(); i += step) {
            lines.add(std::string_view(bytes).substr(i, step));
            for (std::string& line : all(lines)) texts.push_back(std::move(line));
        }
        EXPECT_EQ(texts, expected) << "in steps of " << step;
    }
}

TEST(Lines, CarriageReturnsAreDropped) {
    Lines lines(100);
    lines.add("dos\r\nbar\rbaz\n");
    EXPECT_EQ(all(lines), (Texts{"dos", "barbaz"}));
}

TEST(Utf8, InvalidBytesAreReplaced) {
    EXPECT_EQ(valid_utf8("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80"),
              "gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80");
    EXPECT_EQ(valid_utf8("a\xFF"
                         "b"),
              "a\xEF\xBF\xBD"
              "b");
    EXPECT_EQ(valid_utf8("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD") << "overlong";
    EXPECT_EQ(valid_utf8("\xED\xA0\x80").size(), 9U) << "a surrogate";
    EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80").size(), 12U) << "past U+10FFFF";
    EXPECT_EQ(valid_utf8("x\xE2\x82"), "x\xEF\xBF\xBD\xEF\xBF\xBD") << "cut off";
}

TEST(Utf8, NoCharacterIsCut) {
    const std::string text = "ab\xF0\x9F\x98\x80";
    EXPECT_EQ(cut_utf8(text, 6), text);
    for (std::size_t limit : {2, 3, 4, 5}) EXPECT_EQ(cut_utf8(text, limit), "ab") << limit;
    EXPECT_EQ(cut_utf8("abcdef", 3), "abc");
    EXPECT_EQ(cut_utf8(std::string(10, '\x80'), 6).size(), 6U) << "no text at all";
    EXPECT_EQ(plain_line("a\033[31mb\t"), "a?[31mb?");
}

}  // namespace
}  // namespace baton::run
