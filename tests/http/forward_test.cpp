// What is sent on of a head, and what is not.
#include "http/forward.h"

#include <gtest/gtest.h>

namespace baton::http {
namespace {

using Kind = Framing::Kind;

std::string sent_on(const std::string& bytes, Origin origin, Framing framing = {}) {
    RequestHead head;
    EXPECT_EQ(read(bytes, head), 0) << bytes;
    std::string out;
    write_request(out, head, framing, options_of(head), origin);
    return out;
}

TEST(Request, LosesWhatIsOfOneConnection) {
    const std::string out = sent_on(
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine, Host, Authorization\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\n"
        "X-Mine: 1\r\nAuthorization: b\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\nX-Yours: 2\r\n\r\n",
        {.address = "192.0.2.1", .x_forwarded = false}, {Kind::chunked, 0});
    EXPECT_EQ(out, "GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nX-Yours: 2\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(Request, TellsWhoTheClientIs) {
    const std::string claim = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.1.1.1\r\n\r\n";
    EXPECT_EQ(sent_on(claim, {.address = "192.0.2.1"}),
              "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n\r\n");
    EXPECT_EQ(sent_on(claim, {.address = "192.0.2.1", .trusted = true}),
              "GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-For: 1.1.1.1, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
              "X-Forwarded-Host: a\r\n\r\n");
    EXPECT_EQ(sent_on(claim, {.address = "2001:db8::1", .secure = true, .x_forwarded = false, .forwarded = true}),
              "GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=\"[2001:db8::1]\";host=\"a\";proto=https\r\n\r\n");
    EXPECT_EQ(sent_on(claim, {.address = "192.0.2.1", .x_forwarded = false}), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(Request, AnUpgradeGoesOnButNotToH2c) {
    const std::string socket = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
    EXPECT_EQ(sent_on(socket, {.x_forwarded = false}),
              "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    const std::string h2c = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n";
    EXPECT_EQ(sent_on(h2c, {.x_forwarded = false}), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(Options, ArePerVersion) {
    RequestHead head;
    ASSERT_EQ(read("GET / HTTP/1.0\r\n\r\n", head), 0);
    EXPECT_TRUE(options_of(head).close);
    ASSERT_EQ(read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", head), 0);
    EXPECT_FALSE(options_of(head).close);
    EXPECT_TRUE(options_of(head).keep_alive);
    ASSERT_EQ(read("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", head), 0);
    EXPECT_TRUE(options_of(head).close);
    ResponseHead response;
    ASSERT_TRUE(read("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=10\r\n\r\n", response));
    EXPECT_EQ(options_of(response).keep_alive_seconds, 5U);
    EXPECT_FALSE(options_of(response).close);
}

TEST(Response, IsFramedAnew) {
    ResponseHead head;
    ASSERT_TRUE(read("HTTP/1.0 200 Fine\r\nContent-Length: 3\r\nConnection: close\r\nA: b\r\n\r\n", head));
    std::string out;
    write_response(out, head, {Kind::chunked, 0}, After::nothing, {});
    EXPECT_EQ(out, "HTTP/1.1 200 Fine\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n");
    out.clear();
    // Of HEAD: the length that a body would have.
    write_response(out, head, {}, After::close, {});
    EXPECT_EQ(out, "HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nA: b\r\nConnection: close\r\n\r\n");
}

TEST(Response, OfTheGatewayIsWhole) {
    std::string out;
    write_error(out, 503, true, After::close);
    EXPECT_EQ(out, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 24\r\nConnection: close\r\n\r\n503 Service Unavailable\n");
}

}  // namespace
}  // namespace baton::http
