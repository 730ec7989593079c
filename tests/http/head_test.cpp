// Heads of messages: what is understood, and everything that is refused because two programs could
// understand it differently.
#include "http/head.h"

#include <gtest/gtest.h>

#include <string>

#include "base/http_limits.h"

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
    return read(std::string_view(bytes).substr(0, end.size), head);
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

struct Case {
    const char* name;
    std::string bytes;
    int status;
};
class Request : public testing::TestWithParam<Case> {};
TEST_P(Request, IsJudged) {
    EXPECT_EQ(status_of(GetParam().bytes), GetParam().status) << GetParam().bytes;
}

std::string with(const std::string& line) {
    return text_of("GET / HTTP/1.1\nHost: a\n") + line + text_of("\n\n");
}

INSTANTIATE_TEST_SUITE_P(
    Corpus, Request,
    testing::Values(
        Case{"http_1_0_without_host", text_of("GET / HTTP/1.0\n\n"), 0},
        Case{"options_of_the_server", text_of("OPTIONS * HTTP/1.1\nHost: a\n\n"), 0},
        Case{"ipv6_host", text_of("GET / HTTP/1.1\nHost: [::1]:80\n\n"), 0},
        Case{"empty_host", text_of("GET / HTTP/1.1\nHost:\n\n"), 0},
        Case{"any_token_is_a_method", text_of("M-SEARCH / HTTP/1.1\nHost: a\n\n"), 0},
        Case{"raw_bars_in_a_query", text_of("GET /?a|b={c} HTTP/1.1\nHost: a\n\n"), 0},
        Case{"high_bytes_in_a_value", with("X: caf\xc3\xa9"), 0},
        Case{"not_whole", "GET / HTTP/1.1\r\nHost: a\r\n", -1},
        Case{"not_whole_after_cr", "GET / HTTP/1.1\r\nHost: a\r\n\r", -1},
        Case{"bare_lf_after_the_request_line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
        Case{"bare_lf_after_a_field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
        Case{"bare_lf_at_the_end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
        Case{"bare_cr_in_a_value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
        Case{"double_cr", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400},
        Case{"nul_in_a_value", with(std::string("X: a\0b", 6)), 400},
        Case{"folded_field", with("X: a\r\n b"), 400},
        Case{"folded_first_field", text_of("GET / HTTP/1.1\n X: a\nHost: a\n\n"), 400},
        Case{"blank_before_the_colon", with("Content-Length : 1"), 400},
        Case{"blank_in_a_name", with("Content Length: 1"), 400},
        Case{"no_colon", with("Content-Length"), 400},
        Case{"no_name", with(": 1"), 400},
        Case{"name_with_a_bracket", with("A(b): 1"), 400},
        Case{"control_byte_in_a_value", with("X: a\x01"), 400},
        Case{"delete_in_a_value", with("X: a\x7f"), 400},
        Case{"no_host", text_of("GET / HTTP/1.1\n\n"), 400},
        Case{"two_hosts", text_of("GET / HTTP/1.1\nHost: a\nHost: a\n\n"), 400},
        Case{"host_with_a_path", text_of("GET / HTTP/1.1\nHost: a/b\n\n"), 400},
        Case{"host_with_a_user", text_of("GET / HTTP/1.1\nHost: a@b\n\n"), 400},
        Case{"host_with_two_ports", text_of("GET / HTTP/1.1\nHost: a:1:2\n\n"), 400},
        Case{"host_list", text_of("GET / HTTP/1.1\nHost: a, b\n\n"), 400},
        Case{"open_bracket", text_of("GET / HTTP/1.1\nHost: [::1\n\n"), 400},
        Case{"two_blanks", text_of("GET  / HTTP/1.1\nHost: a\n\n"), 400},
        Case{"tab_for_a_blank", text_of("GET\t/ HTTP/1.1\nHost: a\n\n"), 400},
        Case{"blank_in_the_target", text_of("GET /a b HTTP/1.1\nHost: a\n\n"), 400},
        Case{"high_bytes_in_the_target", text_of("GET /\xc3\xa9 HTTP/1.1\nHost: a\n\n"), 400},
        Case{"fragment", text_of("GET /a#b HTTP/1.1\nHost: a\n\n"), 400},
        Case{"relative_target", text_of("GET a HTTP/1.1\nHost: a\n\n"), 400},
        Case{"star_for_get", text_of("GET * HTTP/1.1\nHost: a\n\n"), 400},
        Case{"foreign_scheme", text_of("GET ftp://a/ HTTP/1.1\nHost: a\n\n"), 400},
        Case{"absolute_with_a_user", text_of("GET http://u@a/ HTTP/1.1\nHost: a\n\n"), 400},
        Case{"no_version", text_of("GET /\nHost: a\n\n"), 400},
        Case{"lower_case_version", text_of("GET / http/1.1\nHost: a\n\n"), 400},
        Case{"version_with_a_tail", text_of("GET / HTTP/1.1x\nHost: a\n\n"), 400},
        Case{"version_1_2", text_of("GET / HTTP/1.2\nHost: a\n\n"), 505},
        Case{"version_2_0", text_of("GET / HTTP/2.0\nHost: a\n\n"), 505},
        Case{"method_with_a_slash", text_of("GE/T / HTTP/1.1\nHost: a\n\n"), 400},
        Case{"long_method", text_of(std::string(33, 'A') + " / HTTP/1.1\nHost: a\n\n"), 501},
        Case{"connect", text_of("CONNECT a:443 HTTP/1.1\nHost: a:443\n\n"), 501}),
    [](const auto& one) { return one.param.name; });

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
