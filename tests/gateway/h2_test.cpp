// HTTP/2 of clients through one gateway: what an instance sees of a request, what a client sees of a response,
// who waits for whom, and what is refused.
#include "front.h"

#include <sys/socket.h>

#include "base/gateway_limits.h"
#include "base/http_limits.h"
#include "gateway/h2_client.h"
#include "h2_peer.h"

namespace baton::gateway {
namespace {

using Fields = H2Peer::Fields;
constexpr const char* hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

class H2 : public Front {
  protected:
    struct Connection {
        explicit Connection(Wire made, std::uint32_t window = 65'535, bool automatic = true) : wire(std::move(made)), peer(window, automatic) {}
        Wire wire;
        H2Peer peer;
        std::string unsent;
        bool sound = true;  // what came was HTTP/2

        void turn() {
            unsent += peer.out();
            unsent = wire.send(unsent);
            wire.read();
            sound = sound && peer.in(std::exchange(wire.got, {}));
            unsent += peer.out();
            unsent = wire.send(unsent);
        }
    };

    void SetUp() override { begin(); }
    std::unique_ptr<Connection> client(std::uint32_t window = 65'535, bool automatic = true) {
        return std::make_unique<Connection>(connect_to(front_.address), window, automatic);
    }
    // A client that has heard of the gateway's settings.
    std::unique_ptr<Connection> greeted() {
        auto one = client();
        EXPECT_TRUE(meets(*one, [&] {
            return nghttp2_session_get_remote_settings(one->peer.session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == limits::h2_streams;
        }));
        return one;
    }
    // All that the instance has heard, once it ends so.
    std::string heard(Connection& connection, Wire& instance, const std::string& end) {
        EXPECT_TRUE(meets(connection, [&] {
            instance.read();
            return instance.got.ends_with(end);
        })) << instance.got;
        return std::exchange(instance.got, {});
    }
    // A request that an instance has heard, on a connection of its own.
    struct Asked {
        std::int32_t id = 0;
        std::unique_ptr<Wire> instance;
    };
    Asked asked(Connection& connection) {
        Asked made{connection.peer.ask("GET", "/"), accepted(connection)};
        heard(connection, *made.instance, "\r\n\r\n");
        return made;
    }
    bool goes_on(Connection& connection) {
        const Asked request = asked(connection);
        return answered(connection, *request.instance, request.id, hello).body == "hello";
    }
    // The instance answers; the response is whole.
    H2Peer::Response answered(Connection& connection, Wire& instance, std::int32_t id, const std::string& response) {
        std::string_view left = response;
        EXPECT_TRUE(meets(connection, [&] {
            left = instance.send(left);
            return connection.peer[id].closed;
        }));
        return connection.peer[id];
    }
    // The status that a request is answered with by the gateway itself.
    int verdict(const Fields& fields, const std::shared_ptr<H2Peer::Body>& body = nullptr) {
        auto one = client();
        const std::int32_t id = one->peer.submit(fields, body);
        EXPECT_TRUE(meets(*one, [&] { return one->peer[id].closed; }));
        return one->peer[id].status != 0 ? one->peer[id].status : -static_cast<int>(one->peer[id].error);
    }
    int verdict_of(const std::string& method, const std::string& path, const Fields& more = {}) {
        Fields fields{{":method", method}, {":scheme", "http"}, {":authority", "a"}, {":path", path}};
        fields.insert(fields.end(), more.begin(), more.end());
        return verdict(fields);
    }
};

TEST_F(H2, ARequestIsOneOfHttp1ForTheInstance) {
    auto one = client();
    const std::int32_t id = one->peer.ask("GET", "/x?y", {{"accept", "*/*"}, {"cookie", "a=1"}, {"te", "trailers"}, {"cookie", "b=2"}});
    auto instance = accepted(*one);
    EXPECT_EQ(heard(*one, *instance, "\r\n\r\n"),
              "GET /x?y HTTP/1.1\r\nHost: a\r\naccept: */*\r\ncookie: a=1; b=2\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
              "X-Forwarded-Host: a\r\nTE: trailers\r\nConnection: te\r\n\r\n");
    const auto response = answered(*one, *instance, id, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Mixed: Case\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=60\r\n\r\nhello");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.fields, (Fields{{"x-mixed", "Case"}, {"content-length", "5"}}));
    EXPECT_EQ(response.body, "hello");
    EXPECT_TRUE(response.ended);
    EXPECT_EQ(gateway_->totals().accepted, 1U);
}

TEST_F(H2, ManyRequestsShareOneConnectionAndNoneWaitsForAnother) {
    auto one = client();
    std::vector<std::int32_t> ids;
    std::vector<std::unique_ptr<Wire>> instances;
    for (int i = 0; i < 20; ++i) ids.push_back(one->peer.ask("GET", "/" + std::to_string(i)));
    ASSERT_TRUE(meets(*one, [&] {
        if (auto wire = instance_.accept()) instances.push_back(std::move(wire));
        return instances.size() == 20;
    }));
    // The last first.
    std::map<std::string, Wire*> by_path;
    for (const auto& wire : instances) {
        const std::string head = heard(*one, *wire, "\r\n\r\n");
        by_path[head.substr(4, head.find(' ', 4) - 4)] = wire.get();
    }
    for (int i = 19; i >= 0; --i) {
        const std::string path = "/" + std::to_string(i);
        const auto response = answered(*one, *by_path[path], ids[static_cast<std::size_t>(i)], "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(path.size()) + "\r\n\r\n" + path);
        EXPECT_EQ(response.body, path);
    }
    // The connections to the instance are used again.
    const std::int32_t id = one->peer.ask("GET", "/again");
    ASSERT_TRUE(meets(*one, [&] {
        for (const auto& wire : instances) {
            wire->read();
            if (!std::exchange(wire->got, {}).empty()) wire->send(hello);
        }
        return one->peer[id].closed;
    }));
    EXPECT_EQ(one->peer[id].body, "hello");
    EXPECT_EQ(instance_.accept(), nullptr);
}

TEST_F(H2, BodiesArriveWholeBothWays) {
    const std::string bytes = pattern(3'000'000);
    auto one = client(1 << 20);
    auto body = std::make_shared<H2Peer::Body>(H2Peer::Body{bytes});
    const std::int32_t id = one->peer.ask("POST", "/", {{"content-length", "3000000"}}, body);
    auto instance = accepted(*one);
    ASSERT_TRUE(meets(*one, [&] {
        instance->read();
        return instance->got.size() > bytes.size();
    }));
    EXPECT_NE(instance->got.find("Content-Length: 3000000\r\n"), std::string::npos);
    EXPECT_TRUE(instance->got.substr(instance->got.find("\r\n\r\n") + 4) == bytes);
    const auto response = answered(*one, *instance, id, "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes);
    EXPECT_TRUE(response.body == bytes);
    EXPECT_EQ(response.field("content-length"), "3000000");
}

TEST_F(H2, ABodyWithoutLengthIsChunkedAndTrailersPass) {
    auto one = client();
    auto body = std::make_shared<H2Peer::Body>(H2Peer::Body{"abc", 0, false, {{"x-sum", "9"}}});
    const std::int32_t id = one->peer.ask("POST", "/", {}, body);
    auto instance = accepted(*one);
    const std::string request = heard(*one, *instance, "\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n");
    EXPECT_NE(request.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    const auto response = answered(*one, *instance, id, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n");
    EXPECT_EQ(response.body, "hello");
    EXPECT_EQ(response.trailer, (Fields{{"x-sum", "1"}}));
    EXPECT_EQ(response.field("transfer-encoding"), "(none)");
    EXPECT_TRUE(response.ended);
}

TEST_F(H2, ATrailerThatWouldChangeTheRequestIsRefused) {
    for (const char* name : {"content-length", "host", "authorization", "x-forwarded-for"}) {
        auto one = client();
        auto body = std::make_shared<H2Peer::Body>(H2Peer::Body{"abc", 0, false, {{name, "9"}}});
        const std::int32_t id = one->peer.ask("POST", "/", {}, body);
        EXPECT_TRUE(meets(*one, [&] { return one->peer[id].closed; }));
        // A second length is the library's to refuse.
        EXPECT_TRUE(one->peer[id].status == 400 || one->peer[id].error == NGHTTP2_PROTOCOL_ERROR) << name;
        while (auto instance = instance_.accept()) {
            EXPECT_TRUE(ends(*instance));
            EXPECT_EQ(instance->got.find("\r\n0\r\n"), std::string::npos) << instance->got;
        }
    }
}

TEST_F(H2, InterimResponsesComeFirst) {
    auto one = client();
    auto body = std::make_shared<H2Peer::Body>(H2Peer::Body{"", 0, true, {}});
    const std::int32_t id = one->peer.ask("POST", "/", {{"expect", "100-continue"}, {"content-length", "3"}}, body);
    auto instance = accepted(*one);
    EXPECT_NE(heard(*one, *instance, "\r\n\r\n").find("expect: 100-continue\r\n"), std::string::npos);
    instance->send("HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(meets(*one, [&] { return !one->peer[id].interim.empty(); }));
    EXPECT_EQ(one->peer[id].interim, std::vector<int>{100});
    body->bytes = "abc";
    body->open = false;
    one->peer.resume(id);
    EXPECT_EQ(heard(*one, *instance, "abc"), "abc");
    const auto response = answered(*one, *instance, id, std::string("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") + hello);
    EXPECT_EQ(response.interim, (std::vector<int>{100, 103}));
    EXPECT_EQ(response.status, 200);
}

TEST_F(H2, HeadAndEmptyResponsesHaveNoBody) {
    auto one = client();
    std::int32_t id = one->peer.ask("HEAD", "/");
    auto instance = accepted(*one);
    heard(*one, *instance, "\r\n\r\n");
    auto response = answered(*one, *instance, id, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    EXPECT_EQ(response.field("content-length"), "5");
    EXPECT_TRUE(response.ended && response.body.empty());
    id = one->peer.ask("GET", "/");
    heard(*one, *instance, "\r\n\r\n");
    response = answered(*one, *instance, id, "HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_EQ(response.status, 204);
    EXPECT_TRUE(response.ended);
}

// --- who waits for whom ---

TEST_F(H2, AClientThatDoesNotReadHoldsItsInstanceBackAndNobodyElse) {
    const std::string bytes = pattern(20'000'000);
    auto one = client(100'000, false);
    const std::int32_t slow = one->peer.ask("GET", "/slow");
    auto instance = accepted(*one);
    heard(*one, *instance, "\r\n\r\n");
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n" + bytes;
    std::string_view left = response;
    ASSERT_TRUE(meets(*one, [&] {
        left = instance->send(left);
        return one->peer[slow].body.size() == 65'535;
    })) << one->peer[slow].body.size();
    // The connection's window is used up: only heads and ends can come, and the instance is not read.
    std::size_t before = 0;
    do {
        before = left.size();
        for (int i = 0; i < 20; ++i) {
            turns(1);
            one->turn();
            left = instance->send(left);
        }
    } while (left.size() != before);
    EXPECT_GT(left.size(), bytes.size() / 4) << "the response is piled up in the gateway";
    const std::int32_t other = one->peer.ask("GET", "/other");
    auto second = accepted(*one);
    heard(*one, *second, "\r\n\r\n");
    EXPECT_EQ(answered(*one, *second, other, "HTTP/1.1 204 No Content\r\n\r\n").status, 204);
    // It reads: all arrives.
    std::size_t consumed = 0;
    ASSERT_TRUE(meets(*one, [&] {
        left = instance->send(left);
        const std::size_t now = one->peer[slow].body.size();
        nghttp2_session_consume(one->peer.session(), slow, now - consumed);
        consumed = now;
        return one->peer[slow].closed;
    }));
    EXPECT_TRUE(one->peer[slow].body == bytes);
}

TEST_F(H2, AnInstanceThatDoesNotReadHoldsItsClientBack) {
    auto one = client();
    auto body = std::make_shared<H2Peer::Body>(H2Peer::Body{pattern(20'000'000)});
    const std::int32_t id = one->peer.ask("POST", "/", {}, body);
    auto instance = accepted(*one);
    std::size_t before = 0;
    do {
        before = body->from;
        for (int i = 0; i < 50; ++i) {
            turns(1);
            one->turn();
        }
    } while (body->from != before);
    EXPECT_LT(body->from, body->bytes.size() / 2);
    std::string all;
    ASSERT_TRUE(meets(*one, [&] {
        instance->read();
        return instance->got.ends_with("\r\n0\r\n\r\n");
    }));
    EXPECT_EQ(answered(*one, *instance, id, hello).status, 200);
}

// --- what goes wrong ---

TEST_F(H2, AnswersOfTheGatewayItself) {
    rules_.max_body = 10;
    follow();
    EXPECT_EQ(verdict_of("POST", "/", {{"content-length", "11"}}), -NGHTTP2_PROTOCOL_ERROR) << "a length without a body";
    auto body = std::make_shared<H2Peer::Body>(H2Peer::Body{std::string(11, 'x')});
    EXPECT_EQ(verdict({{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}, {"content-length", "11"}}, body), 413);
    EXPECT_EQ(verdict_of("GET", "/", {{"expect", "magic"}}), 417);
    EXPECT_EQ(verdict_of("GET", "/", {{"x", std::string(rules_.max_header, 'x')}}), 431);
    Fields many;
    for (std::size_t i = 0; i <= limits::http_fields; ++i) many.emplace_back("x" + std::to_string(i), "y");
    EXPECT_EQ(verdict_of("GET", "/", many), 431);
    EXPECT_EQ(verdict({{":method", "CONNECT"}, {":authority", "a:1"}}), 501);
    EXPECT_EQ(instance_.accept(), nullptr) << "something of it was sent on";
}

TEST_F(H2, WhatAClientSaysMustBeUnambiguous) {
    EXPECT_EQ(verdict_of("GET", "/", {{"host", "b"}}), 400) << "another host than the authority";
    EXPECT_EQ(verdict_of("GET", "/", {{"x", "a\r\nb: c"}}), 400);
    EXPECT_EQ(verdict_of("GET", "/", {{"transfer-encoding", "chunked"}}), -NGHTTP2_PROTOCOL_ERROR);
    EXPECT_EQ(verdict_of("GET", "/", {{"connection", "close"}}), -NGHTTP2_PROTOCOL_ERROR);
    EXPECT_EQ(verdict_of("GET", "/", {{"content-length", "1"}, {"content-length", "1"}}), -NGHTTP2_PROTOCOL_ERROR);
    EXPECT_LT(verdict_of("GET", "http://b/"), 0);
    EXPECT_EQ(verdict({{":method", "GET"}, {":scheme", "http"}, {":authority", "user@a"}, {":path", "/"}}), 400);
    EXPECT_EQ(verdict({{":method", "GET"}, {":scheme", "http"}, {":authority", "a b"}, {":path", "/"}}), -NGHTTP2_PROTOCOL_ERROR);
    EXPECT_EQ(instance_.accept(), nullptr) << "something of it was sent on";
}

TEST_F(H2, ABodyThatGrowsTooLargeIsRefused) {
    rules_.max_body = 10;
    follow();
    auto one = client();
    auto body = std::make_shared<H2Peer::Body>(H2Peer::Body{"123456789", 0, true, {}});
    const std::int32_t id = one->peer.ask("POST", "/", {}, body);
    auto instance = accepted(*one);
    heard(*one, *instance, "9\r\n123456789\r\n");
    body->bytes += "ab";
    one->peer.resume(id);
    ASSERT_TRUE(meets(*one, [&] { return one->peer[id].closed; }));
    EXPECT_EQ(one->peer[id].status, 413);
    EXPECT_EQ(one->peer[id].error, NGHTTP2_NO_ERROR);
    EXPECT_TRUE(meets(*one, [&] { instance->read(); return instance->over(); }));
    // The connection goes on.
    EXPECT_TRUE(goes_on(*one));
}

TEST_F(H2, AResponseThatIsCutDoesNotLookWhole) {
    auto one = client();
    const Asked request = asked(*one);
    request.instance->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    ASSERT_TRUE(meets(*one, [&] { return one->peer[request.id].body == "hello"; }));
    request.instance->socket.reset();
    ASSERT_TRUE(meets(*one, [&] { return one->peer[request.id].closed; }));
    EXPECT_EQ(one->peer[request.id].error, NGHTTP2_INTERNAL_ERROR);
    EXPECT_FALSE(one->peer[request.id].ended);
    EXPECT_EQ(gateway_->open_to(7), 0U);
}

TEST_F(H2, AnInstanceThatBreaksOffIsNoGoodResponse) {
    auto one = client();
    const Asked request = asked(*one);
    request.instance->socket.reset();
    ASSERT_TRUE(meets(*one, [&] { return one->peer[request.id].closed; }));
    EXPECT_EQ(one->peer[request.id].status, 502);
    EXPECT_EQ(one->peer[request.id].body, "502 Bad Gateway\n");
}

TEST_F(H2, ARequestThatIsTakenBackLeavesTheInstance) {
    auto one = client();
    const Asked request = asked(*one);
    one->peer.reset(request.id);
    EXPECT_TRUE(meets(*one, [&] { request.instance->read(); return request.instance->over(); }));
    EXPECT_TRUE(meets(*one, [&] { return gateway_->open_to(7) == 0; }));
    EXPECT_EQ(gateway_->totals().aborted, 1U);
    EXPECT_TRUE(goes_on(*one));
}

TEST_F(H2, AClientThatIsGoneTakesItsRequestsAlong) {
    auto one = client();
    const Asked request = asked(*one);
    one->wire.socket.reset();
    EXPECT_TRUE(until([&] { request.instance->read(); return request.instance->over(); }));
    EXPECT_TRUE(until([&] { return gateway_->gateway->open_sessions() == 0; }));
    EXPECT_EQ(gateway_->totals().aborted, 1U);
    EXPECT_EQ(gateway_->open_to(7), 0U);
}

// --- what is too much ---

TEST_F(H2, RequestsThatAreTakenBackAreCounted) {
    auto one = client();
    for (std::uint32_t i = 0; i < 2 * limits::h2_resets && one->peer.goaways.empty(); ++i) {
        const std::int32_t id = one->peer.ask("GET", "/");
        one->turn();
        one->peer.reset(id);
        one->turn();
        turns(1);
        while (instance_.accept()) {}
    }
    ASSERT_TRUE(meets(*one, [&] { return !one->peer.goaways.empty(); }));
    EXPECT_EQ(one->peer.goaways.front().code, NGHTTP2_ENHANCE_YOUR_CALM);
    EXPECT_TRUE(meets(*one, [&] { return one->wire.over(); }));
}

TEST_F(H2, FramesThatAskForNothingAreCounted) {
    auto one = client();
    for (std::uint32_t i = 0; i < 4 * limits::h2_idle_frames && one->peer.goaways.empty(); ++i) {
        nghttp2_submit_ping(one->peer.session(), 0, nullptr);
        one->turn();
        turns(1);
    }
    ASSERT_TRUE(meets(*one, [&] { return !one->peer.goaways.empty(); }));
    EXPECT_EQ(one->peer.goaways.front().code, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_F(H2, AHeadThatGoesOnForEverEndsTheConnection) {
    Wire wire = connect_to(front_.address);
    const auto frame = [](std::size_t size, int type, int flags, int id) {
        std::string head(9, '\0');
        for (int i = 0; i < 3; ++i) head[static_cast<std::size_t>(i)] = static_cast<char>(size >> (16U - 8U * static_cast<unsigned>(i)));
        head[3] = static_cast<char>(type);
        head[4] = static_cast<char>(flags);
        head[8] = static_cast<char>(id);
        return head + std::string(size, '\x82');
    };
    std::string bytes = std::string(http2_preface) + frame(0, 4, 0, 0) + frame(1, 1, 0, 1);
    for (int i = 0; i < 100; ++i) bytes += frame(1, 9, 0, 1);
    EXPECT_TRUE(wire.send(bytes).empty());
    EXPECT_TRUE(until([&] { wire.read(); return wire.over(); }));
}

TEST_F(H2, NoMoreThanSoManyAtOnce) {
    auto one = client();
    ASSERT_TRUE(meets(*one, [&] { return nghttp2_session_get_remote_settings(one->peer.session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == limits::h2_streams; }));
    EXPECT_EQ(nghttp2_session_get_remote_settings(one->peer.session(), NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE), rules_.max_header);
}

// --- beginnings and ends ---

TEST_F(H2, ThePrefaceMayComeInPieces) {
    auto one = client();
    const std::int32_t id = one->peer.ask("GET", "/");
    const std::string bytes = one->peer.out();
    for (const char byte : bytes) {
        one->wire.send(std::string(1, byte));
        turns(2);
    }
    auto instance = accepted(*one);
    heard(*one, *instance, "\r\n\r\n");
    EXPECT_EQ(answered(*one, *instance, id, hello).body, "hello");
}

TEST_F(H2, WhereItIsOffThePrefaceIsRefused) {
    rules_.http2 = false;
    follow();
    Wire wire = connect_to(front_.address);
    wire.send(http2_preface);
    EXPECT_TRUE(until([&] { wire.read(); return wire.over(); }));
    EXPECT_TRUE(wire.got.starts_with("HTTP/1.1 505 ")) << wire.got;
}

TEST_F(H2, ThePrefaceIsNoSecondRequest) {
    Wire wire = connect_to(front_.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(http2_preface));
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = instance_.accept()) != nullptr; }));
    instance->send(hello);
    EXPECT_TRUE(until([&] { wire.read(); return wire.over(); }));
    EXPECT_NE(wire.got.find("HTTP/1.1 505 "), std::string::npos) << wire.got;
}

TEST_F(H2, AWorkerThatLeavesSaysSoTwiceAndAnswersWhatWasAsked) {
    auto one = client();
    const std::int32_t first = one->peer.ask("GET", "/first");
    auto instance = accepted(*one);
    heard(*one, *instance, "\r\n\r\n");
    // Sent before it can know.
    const std::int32_t second = one->peer.ask("GET", "/second");
    one->wire.send(one->peer.out());
    gateway_->gateway->leave();
    auto other = accepted(*one);
    heard(*one, *other, "\r\n\r\n");
    ASSERT_TRUE(meets(*one, [&] { return one->peer.goaways.size() == 2; }));
    EXPECT_EQ(one->peer.order, "GPG");
    EXPECT_EQ(one->peer.goaways[0].last, INT32_MAX);
    EXPECT_EQ(one->peer.goaways[1].last, second);
    EXPECT_EQ(one->peer.goaways[1].code, NGHTTP2_NO_ERROR);
    EXPECT_FALSE(gateway_->gateway->finished());
    EXPECT_EQ(answered(*one, *other, second, hello).body, "hello");
    EXPECT_EQ(answered(*one, *instance, first, hello).body, "hello");
    EXPECT_TRUE(meets(*one, [&] { return one->wire.ended; }));
    one->wire.socket.reset();
    EXPECT_TRUE(until([&] { return gateway_->gateway->finished(); }));
}

TEST_F(H2, AnIdleClientLeavesAfterOneRoundTrip) {
    rules_.drain_grace = 60'000;
    follow();
    auto one = greeted();
    gateway_->gateway->leave();
    ASSERT_TRUE(meets(*one, [&] { return one->peer.goaways.size() == 1; }));
    EXPECT_EQ(one->peer.goaways[0].last, INT32_MAX);
    turns(10);
    one->wire.read();
    EXPECT_FALSE(one->wire.over()) << "nothing shows that it has read the notice";
    // Its library is done with the notice, as nothing is under way; the answer to the PING is said for it.
    EXPECT_TRUE(one->wire.send(std::string("\0\0\x08\x06\x01\0\0\0\0\0\0\0\0\0\0\0\0", 17)).empty());
    EXPECT_TRUE(until([&] { one->wire.read(); return one->wire.over(); }));
    EXPECT_EQ(one->wire.error, 0);
}

TEST_F(H2, OneThatDoesNotAnswerLeavesAfterItsGrace) {
    rules_.drain_grace = 30;
    follow();
    auto one = greeted();
    gateway_->gateway->leave();
    // It reads, and says nothing.
    EXPECT_TRUE(until([&] { one->wire.read(); return one->wire.over(); }));
    EXPECT_EQ(one->wire.error, 0);
}

TEST_F(H2, AnIdleClientIsToldThatItsTimeIsOver) {
    rules_.idle_timeout = 30;
    follow();
    auto one = client();
    EXPECT_TRUE(meets(*one, [&] { return one->wire.ended; }));
    ASSERT_EQ(one->peer.goaways.size(), 1U);
    EXPECT_EQ(one->peer.goaways[0].code, NGHTTP2_NO_ERROR);
}

TEST_F(H2, ABodyThatDoesNotComeIsGivenUp) {
    rules_.body_timeout = 30;
    follow();
    auto one = client();
    const std::int32_t id = one->peer.ask("POST", "/", {}, std::make_shared<H2Peer::Body>(H2Peer::Body{"", 0, true, {}}));
    auto instance = accepted(*one);
    ASSERT_TRUE(meets(*one, [&] { return one->peer[id].closed; }));
    EXPECT_EQ(one->peer[id].status, 408);
    EXPECT_TRUE(meets(*one, [&] { instance->read(); return instance->over(); }));
}

TEST_F(H2, AResponseThatIsNotTakenIsGivenUp) {
    rules_.send_timeout = 30;
    follow();
    auto one = client(10, false);
    const Asked request = asked(*one);
    request.instance->send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789");
    ASSERT_TRUE(meets(*one, [&] { return one->peer[request.id].closed; }));
    EXPECT_EQ(one->peer[request.id].error, NGHTTP2_CANCEL);
    EXPECT_EQ(one->peer[request.id].body, "0123456789");
}

}  // namespace
}  // namespace baton::gateway
