// Heads of messages: what is understood, and everything that is refused because two programs could
// understand it differently. Most of that is in corpus.txt.
#include "http/framing.h"
#include "http/head.h"

#include <gtest/gtest.h>

#include <string>

#include "base/http_limits.h"
#include "corpus.h"

namespace baton::http {
namespace {

std::string text_of(std::string text) {
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.replace(at, 1, "\r\n");
    return text;
}

int status_of(const std::string& bytes) {
    Scan scan;
    const HeadEnd end = find_end(bytes, scan);
    if (end.kind == HeadEnd::Kind::bad) return 400;
    if (end.kind == HeadEnd::Kind::more) return -1;
    RequestHead head;
    const int status = read(std::string_view(bytes).substr(0, end.size), head);
    return status != 0 ? status : framing_of(head).refused;
}

TEST(RequestHead, IsReadWhole) {
    const std::string bytes = text_of("POST /a/b?c=%20d HTTP/1.1\nHost: example.org:8080\nX-Empty:\nAccept: \t text/html  \n\n");
    RequestHead head;
    ASSERT_EQ(read(bytes, head), 0);
    EXPECT_EQ(head.method, "POST");
    EXPECT_EQ(head.path, "/a/b?c=%20d");
    EXPECT_EQ(head.authority, "example.org:8080");
    EXPECT_EQ(head.minor, 1);
    ASSERT_EQ(head.fields.size(), 3U);
    EXPECT_EQ(head.fields[1].value, "");
    EXPECT_EQ(head.fields[2].value, "text/html");
    EXPECT_EQ(find(head.fields, "ACCEPT")->value, "text/html");
    EXPECT_EQ(find(head.fields, "accep"), nullptr);
}

TEST(RequestHead, AnAbsoluteTargetNamesTheHost) {
    RequestHead head;
    const std::string bytes = text_of("GET http://a.example/x?y HTTP/1.1\nHost: b.example\n\n");
    ASSERT_EQ(read(bytes, head), 0);
    EXPECT_EQ(head.authority, "a.example");
    EXPECT_EQ(head.path, "/x?y");
    const std::string bare = text_of("GET http://a.example HTTP/1.1\nHost: a.example\n\n");
    ASSERT_EQ(read(bare, head), 0);
    EXPECT_EQ(head.path, "/");
}

class Request : public testing::TestWithParam<Judged> {};
const auto name_of = [](const auto& one) { return one.param.name; };

class RefusedHead : public Request {};
TEST_P(RefusedHead, IsRefused) {
    EXPECT_EQ(std::to_string(status_of(GetParam().bytes + behind)), GetParam().verdict) << GetParam().bytes;
}
INSTANTIATE_TEST_SUITE_P(Corpus, RefusedHead, testing::ValuesIn(read_corpus("http/corpus.txt", "head")), name_of);

class Sound : public Request {};
TEST_P(Sound, IsUnderstood) {
    std::string_view bytes = GetParam().bytes;
    if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);  // which the reader of connections does
    RequestHead head;
    ASSERT_EQ(read(bytes.substr(0, bytes.find("\r\n\r\n") + 4), head), 0);
    EXPECT_EQ(framing_of(head).refused, 0);
    EXPECT_EQ(std::string(head.method) + "," + std::string(head.path) + "," + std::string(head.authority), GetParam().verdict);
}
INSTANTIATE_TEST_SUITE_P(Corpus, Sound, testing::ValuesIn(read_corpus("http/corpus.txt", "sound")), name_of);

TEST(RequestHead, WhatIsNotWholeIsWaitedFor) {
    for (const char* bytes : {"", "GET", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r"}) EXPECT_EQ(status_of(bytes), -1) << bytes;
}

TEST(RequestHead, HasSoManyFieldsAndNoMore) {
    std::string fields;
    for (std::size_t i = 0; i + 1 < limits::http_fields; ++i) fields += "X: 1\r\n";
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"), 0);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n" + fields + "\r\n"), 431);
}

// However it is cut in pieces, the end is found at the same place.
TEST(Head, IsFoundByteByByte) {
    const std::string bytes = text_of("GET / HTTP/1.1\nHost: a\n\nrest\n");
    Scan scan;
    for (std::size_t size = 1; size <= bytes.size(); ++size) {
        const HeadEnd end = find_end(std::string_view(bytes).substr(0, size), scan);
        if (size < 27) {
            ASSERT_EQ(end.kind, HeadEnd::Kind::more) << size;
            continue;
        }
        ASSERT_EQ(end.kind, HeadEnd::Kind::whole);
        EXPECT_EQ(end.size, 27U);
        return;
    }
    FAIL() << "never found";
}

TEST(ResponseHead, IsReadWhole) {
    ResponseHead head;
    EXPECT_TRUE(read(text_of("HTTP/1.1 200 OK\nA: b\n\n"), head));
    EXPECT_EQ(head.status, 200);
    const std::string bare = text_of("HTTP/1.0 404\n\n");
    EXPECT_TRUE(read(bare, head));
    EXPECT_EQ(head.minor, 0);
    EXPECT_EQ(head.reason, "");
    EXPECT_TRUE(head.fields.empty());
    for (const char* wrong : {"HTTP/1.1 20 OK\n\n", "HTTP/1.1 2000 OK\n\n", "HTTP/2 200 OK\n\n", "HTTP/1.1 099 X\n\n", "HTTP/1.1  200 OK\n\n",
                              "HTTP/1.1 200 OK\nA b\n\n", "HTTP/1.1 200 OK\n A: b\n\n", "200 OK\n\n", "\n"}) {
        EXPECT_FALSE(read(text_of(wrong), head)) << wrong;
    }
}

TEST(Lists, AreSearchedByToken) {
    EXPECT_TRUE(lists("keep-alive, Upgrade", "upgrade"));
    EXPECT_TRUE(lists("close", "close"));
    EXPECT_FALSE(lists("closed", "close"));
    EXPECT_FALSE(lists("", "close"));
}

}  // namespace
}  // namespace baton::http
