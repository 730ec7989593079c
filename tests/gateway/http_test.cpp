// HTTP through one gateway: what an instance sees of a request, what a client sees of a response, and how
// long connections on both sides are kept.
#include "front.h"

#include <sys/socket.h>

#include <algorithm>

#include "base/gateway_limits.h"
#include "base/http_limits.h"
#include "corpus.h"
#include "sys/channel.h"

namespace baton::gateway {
namespace {

constexpr const char* get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr const char* seen = "GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n\r\n";
constexpr const char* hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

class Http : public Front {
  protected:
    void SetUp() override { begin(); }
    bool gets(Wire& wire, const std::string& whole) {
        const bool got = until([&] {
            wire.read();
            return wire.got.size() >= whole.size() || wire.over();
        });
        return got && wire.got == whole;
    }
    // Sends what the client says and what the instance answers.
    void answer(Wire& client, Wire& instance, const std::string& request = get, const std::string& response = hello) {
        client.got.clear();
        instance.got.clear();
        EXPECT_TRUE(client.send(request).empty());
        EXPECT_TRUE(until([&] {
            instance.read();
            return instance.got.find("\r\n\r\n") != std::string::npos || instance.over();
        }));
        EXPECT_TRUE(instance.send(response).empty());
        EXPECT_TRUE(until([&] {
            client.read();
            return client.got.find("\r\n\r\n") != std::string::npos || client.over();
        }));
        turns(5);
        client.read();
    }
    // The status that the gateway answers these bytes with by itself, in pieces of `step`, and nothing else until
    // the connection's end.
    std::string verdict(const std::string& bytes, std::size_t step = SIZE_MAX) {
        Wire client = connect_to(front_.address);
        for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size())) {
            client.send(bytes.substr(at, step));
            turns(1);
        }
        EXPECT_TRUE(ends(client)) << bytes;
        EXPECT_EQ(client.error, 0) << bytes;
        EXPECT_TRUE(client.got.starts_with("HTTP/1.1 ")) << client.got;
        EXPECT_EQ(client.got.find("HTTP/1.1 ", 1), std::string::npos) << client.got;
        return client.got.substr(9, 3);
    }
};

TEST_F(Http, OneConnectionCarriesManyRequests) {
    Wire client = connect_to(front_.address);
    ASSERT_TRUE(client.send(get).empty());
    auto instance = accepted();
    EXPECT_TRUE(gets(*instance, seen));
    EXPECT_EQ(gateway_->open_to(7), 1U);
    ASSERT_TRUE(instance->send(hello).empty());
    EXPECT_TRUE(gets(client, hello));
    EXPECT_TRUE(until([&] { return gateway_->open_to(7) == 0; }));
    for (int i = 0; i < 5; ++i) {
        answer(client, *instance);
        EXPECT_EQ(instance->got, seen);
        EXPECT_EQ(client.got, hello);
    }
    EXPECT_EQ(instance_.accept(), nullptr) << "the instance's connection was not used again";
    EXPECT_EQ(gateway_->totals().accepted, 1U);
}

TEST_F(Http, ClientsShareTheConnectionsToAnInstance) {
    Wire one = connect_to(front_.address);
    one.send(get);
    auto instance = accepted();
    answer(one, *instance, "");
    Wire two = connect_to(front_.address);
    answer(two, *instance);
    EXPECT_EQ(two.got, hello);
    EXPECT_EQ(instance_.accept(), nullptr);
}

TEST_F(Http, PipelinedRequestsAreAnsweredInTheirOrder) {
    Wire client = connect_to(front_.address);
    std::string all;
    for (int i = 0; i < 4; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
    ASSERT_TRUE(client.send(all).empty());
    auto instance = accepted();
    std::string expected;
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(until([&] {
            instance->read();
            return instance->got.find("GET /" + std::to_string(i) + " ") != std::string::npos;
        }));
        EXPECT_EQ(instance->got.find("GET /" + std::to_string(i + 1)), std::string::npos) << "sent before its turn";
        const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(i);
        instance->send(response);
        expected += response;
    }
    EXPECT_TRUE(gets(client, expected));
}

TEST_F(Http, BodiesArriveWhole) {
    const std::string bytes = pattern(3'000'000);
    Wire client = connect_to(front_.address);
    const std::string request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + bytes;
    std::string_view left = request;
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] {
        left = client.send(left);
        if (!instance) instance = instance_.accept();
        if (instance) instance->read();
        return instance && instance->got.size() > bytes.size() && instance->got.ends_with(bytes.substr(bytes.size() - 1000));
    }));
    EXPECT_TRUE(instance->got.substr(instance->got.find("\r\n\r\n") + 4) == bytes);
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes;
    left = response;
    ASSERT_TRUE(until([&] {
        left = instance->send(left);
        client.read();
        return client.got.size() >= response.size();
    }));
    EXPECT_TRUE(client.got == response);
}

TEST_F(Http, ChunksAreFramedAnew) {
    Wire client = connect_to(front_.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n");
    auto instance = accepted();
    EXPECT_TRUE(until([&] {
        instance->read();
        return instance->got.ends_with("\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n");
    })) << instance->got;
    instance->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    EXPECT_TRUE(gets(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
    instance->send("0\r\nX-Sum: 1\r\n\r\n");
    EXPECT_TRUE(gets(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"));
    answer(client, *instance);
    EXPECT_EQ(client.got, hello) << "the connection is used again";
}

TEST_F(Http, ABodyUntilCloseBecomesChunks) {
    Wire client = connect_to(front_.address);
    client.send(get);
    auto instance = accepted();
    EXPECT_TRUE(gets(*instance, seen));
    instance->send("HTTP/1.1 200 OK\r\n\r\nhello");
    EXPECT_TRUE(gets(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
    instance->socket.reset();
    EXPECT_TRUE(gets(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    EXPECT_FALSE(client.over());
}

TEST_F(Http, AnOldClientGetsNoChunks) {
    Wire client = connect_to(front_.address);
    client.send("GET / HTTP/1.0\r\n\r\n");
    auto instance = accepted();
    EXPECT_TRUE(until([&] { instance->read(); return instance->got.starts_with("GET / HTTP/1.1\r\nHost: \r\n"); }));
    instance->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(client.got, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
}

TEST_F(Http, HeadHasALengthAndNoBody) {
    Wire client = connect_to(front_.address);
    client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
    auto instance = accepted();
    answer(client, *instance, "", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    EXPECT_EQ(client.got, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    answer(client, *instance);
    EXPECT_EQ(client.got, hello);
}

TEST_F(Http, InterimResponsesComeFirst) {
    Wire client = connect_to(front_.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    auto instance = accepted();
    EXPECT_TRUE(until([&] { instance->read(); return instance->got.find("Expect: 100-continue") != std::string::npos; }));
    instance->send("HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_TRUE(gets(client, "HTTP/1.1 100 Continue\r\n\r\n"));
    client.send("abc");
    EXPECT_TRUE(until([&] { instance->read(); return instance->got.ends_with("abc"); }));
    instance->send(std::string("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") + hello);
    EXPECT_TRUE(gets(client, std::string("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") + hello));
}

TEST_F(Http, AnUpgradedConnectionIsATunnel) {
    Wire client = connect_to(front_.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly");
    auto instance = accepted();
    EXPECT_TRUE(until([&] { instance->read(); return instance->got.find("Upgrade: websocket\r\n\r\n") != std::string::npos; }));
    instance->send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
    EXPECT_TRUE(gets(client, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst"));
    EXPECT_TRUE(until([&] { instance->read(); return instance->got.ends_with("early"); }));
    EXPECT_TRUE(carries(client, *instance, pattern(200'000)));
    EXPECT_TRUE(carries(*instance, client, pattern(200'000)));
    EXPECT_EQ(gateway_->open_to(7), 1U);
    client.socket.reset();
    EXPECT_TRUE(ends(*instance));
    instance->socket.reset();
    EXPECT_TRUE(until([&] { return gateway_->open_to(7) == 0; }));
}

TEST_F(Http, ARequestOnAConnectionThatJustClosedGoesToAnother) {
    Wire client = connect_to(front_.address);
    client.send(get);
    auto first = accepted();
    answer(client, *first, "");
    // Both at once: the gateway cannot know of the one when it sends the other.
    first->read();
    client.got.clear();
    client.send(get);
    first->socket.reset();
    auto second = accepted();
    ASSERT_TRUE(second);
    EXPECT_TRUE(gets(*second, seen));
    second->send(hello);
    EXPECT_TRUE(gets(client, hello));
    EXPECT_EQ(gateway_->totals().failed, 0U);
}

// A unix socket is connected at once: there is no event after which the request could be sent.
TEST_F(Http, TheSameByAUnixSocket) {
    const Listening hidden = listen_unix("hidden");
    routes_ = {route("web", {{8, hidden.address}})};
    follow();
    const std::string put = "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for (const std::string& request : {std::string(get), put}) {
        Wire client = connect_to(front_.address);
        std::unique_ptr<Wire> first;
        client.send(request);
        ASSERT_TRUE(until([&] { return (first = hidden.accept()) != nullptr; }));
        answer(client, *first, "");
        client.got.clear();
        client.send(request);
        first->socket.reset();
        std::unique_ptr<Wire> second;
        ASSERT_TRUE(until([&] { return (second = hidden.accept()) != nullptr; }));
        EXPECT_TRUE(until([&] { second->read(); return second->got.ends_with(request == put ? "\r\n\r\n0\r\n\r\n" : "\r\n\r\n"); })) << second->got;
        second->send(hello);
        EXPECT_TRUE(gets(client, hello));
        client.socket.reset();
        second->socket.reset();
        EXPECT_TRUE(until([&] { return gateway_->totals().open == 0; }));
    }
    EXPECT_EQ(gateway_->totals().failed, 0U);
}

TEST_F(Http, WhoWaitsIsSentWholeToAUnixSocket) {
    model::Address address;
    { address = listen_unix("later").address; }
    routes_ = {route("web", {{8, address}})};
    follow();
    Wire client = connect_to(front_.address);
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nworld");
    turns(20);
    const Listening later = listen_unix("later");
    ASSERT_EQ(later.address, address);
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = later.accept()) != nullptr; }));
    EXPECT_TRUE(until([&] { instance->read(); return instance->got.ends_with("\r\n\r\nworld"); })) << instance->got;
    instance->send(hello);
    EXPECT_TRUE(gets(client, hello));
}

TEST_F(Http, AListenerThatClosesAnswersWhoIsThere) {
    Wire busy = connect_to(front_.address);
    busy.send(get);
    auto instance = accepted();
    answer(busy, *instance, "");
    Wire idle = connect_to(front_.address);
    ASSERT_TRUE(until([&] { return gateway_->totals().open == 2; }));
    EXPECT_TRUE(gateway_->gateway->closing().empty());
    rules_.drain_grace = 50;
    entrance_.closing = routes_[0].closing = true;
    follow();
    EXPECT_EQ(gateway_->gateway->closing(), std::vector<std::string>{"web"});
    Wire late = connect_to(front_.address);
    answer(busy, *instance, get, hello);
    EXPECT_TRUE(busy.got.find("Connection: close\r\n") != std::string::npos) << busy.got;
    EXPECT_TRUE(ends(idle)) << "it asks for nothing";
    busy.socket.reset();
    EXPECT_TRUE(until([&] { return gateway_->gateway->closing().empty(); }));
    EXPECT_EQ(gateway_->totals().accepted, 2U) << "nobody new";
}

TEST_F(Http, AnInstanceThatBreaksOffIsNoGoodResponse) {
    Wire client = connect_to(front_.address);
    client.send(get);
    auto instance = accepted();
    EXPECT_TRUE(gets(*instance, seen));
    instance->socket.reset();
    EXPECT_TRUE(until([&] { client.read(); return client.got.ends_with("502 Bad Gateway\n"); }));
    EXPECT_FALSE(client.over());
    client.got.clear();
    client.send(get);
    instance = accepted();
    EXPECT_TRUE(until([&] { instance->read(); return !instance->got.empty(); }));
    instance->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    EXPECT_TRUE(gets(client, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"));
    instance->socket.reset();
    EXPECT_TRUE(ends(client)) << "a response that is cut must not look whole";
}

TEST_F(Http, WhatAnInstanceSaysMustBeUnambiguous) {
    for (const char* response : {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                                 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "hello\r\n\r\n",
                                 "HTTP/1.1 101 Switching\r\n\r\n"}) {
        Wire client = connect_to(front_.address);
        client.send(get);
        auto instance = accepted();
        EXPECT_TRUE(gets(*instance, seen));
        instance->send(response);
        EXPECT_TRUE(until([&] { client.read(); return client.got.starts_with("HTTP/1.1 502 "); })) << response;
        EXPECT_TRUE(ends(*instance));
    }
}

// However it is cut, and whatever follows it: the list's verdict, one answer, and nothing of it goes on.
TEST_F(Http, WhatAClientSaysMustBeUnambiguous) {
    for (const char* section : {"head", "rules"}) {
        for (const http::Judged& one : http::read_corpus("http/corpus.txt", section)) {
            EXPECT_EQ(verdict(one.bytes + http::behind), one.verdict) << one.name;
            if (one.bytes.size() > 1'000) continue;
            EXPECT_EQ(verdict(one.bytes + http::behind, 1), one.verdict) << one.name << ", byte by byte";
        }
    }
    EXPECT_EQ(instance_.accept(), nullptr) << "something of it was sent on";
}

TEST_F(Http, ABodyThatIsMalformedHasNoEnd) {
    for (const http::Judged& one : http::read_corpus("http/corpus.txt", "body")) {
        for (const std::size_t step : {std::size_t{1}, one.bytes.size() + 100}) {
            EXPECT_EQ(verdict(one.bytes + http::behind, step), one.verdict) << one.name;
            while (auto instance = instance_.accept()) {
                EXPECT_TRUE(ends(*instance)) << one.name;
                EXPECT_EQ(instance->got.find("\r\n0\r\n"), std::string::npos) << one.name;
                EXPECT_EQ(instance->got.find("smuggled"), std::string::npos) << one.name;
            }
        }
    }
}

TEST_F(Http, ABrokenChunkEndsBoth) {
    Wire client = connect_to(front_.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    auto instance = accepted();
    EXPECT_TRUE(until([&] { instance->read(); return instance->got.ends_with("3\r\nabc\r\n"); }));
    client.send("x\r\n");
    EXPECT_TRUE(ends(client));
    EXPECT_TRUE(client.got.starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(ends(*instance));
}

TEST_F(Http, BodiesHaveALimit) {
    rules_.max_body = 10;
    follow();
    EXPECT_EQ(verdict("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n"), "413");
    Wire client = connect_to(front_.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n2\r\nab\r\n");
    EXPECT_TRUE(ends(client));
    EXPECT_TRUE(client.got.starts_with("HTTP/1.1 413 "));
}

TEST_F(Http, RequestsGoWhereTheyMatch) {
    Listening api = listen_tcp();
    Listening host = listen_tcp();
    model::Route by_path = route("web", {{8, api.address}});
    by_path.service = "api";
    by_path.match.path_prefix = "/api";
    model::Route by_host = route("web", {{9, host.address}});
    by_host.service = "host";
    by_host.match.host = "b.example";
    model::Route by_header = by_host;
    by_header.match = {};
    by_header.match.header_name = "x-version";
    by_header.match.header_value = "2";
    routes_ = {by_path, by_host, by_header, route("web", {{7, instance_.address}})};
    follow();
    const auto goes_to = [&](const std::string& request, const Listening& where) {
        Wire client = connect_to(front_.address);
        client.send(request);
        std::unique_ptr<Wire> instance;
        return until([&] { return (instance = where.accept()) != nullptr; });
    };
    EXPECT_TRUE(goes_to("GET /api HTTP/1.1\r\nHost: a\r\n\r\n", api));
    EXPECT_TRUE(goes_to("GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n", api));
    EXPECT_TRUE(goes_to("GET /api?x HTTP/1.1\r\nHost: b.example\r\n\r\n", api));
    EXPECT_TRUE(goes_to("GET /%61pi/x HTTP/1.1\r\nHost: a\r\n\r\n", api));
    EXPECT_TRUE(goes_to("GET /x/..//api HTTP/1.1\r\nHost: a\r\n\r\n", api));
    EXPECT_TRUE(goes_to("GET /api/../x HTTP/1.1\r\nHost: a\r\n\r\n", instance_));
    EXPECT_TRUE(goes_to("GET /x?/api%zz HTTP/1.1\r\nHost: a\r\n\r\n", instance_));
    EXPECT_EQ(verdict("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"), "400");
    EXPECT_TRUE(goes_to("GET /apiary HTTP/1.1\r\nHost: a\r\n\r\n", instance_));
    EXPECT_TRUE(goes_to("GET / HTTP/1.1\r\nHost: B.Example:8080\r\n\r\n", host));
    EXPECT_TRUE(goes_to("GET / HTTP/1.1\r\nHost: a\r\nX-Version: 2\r\n\r\n", host));
    EXPECT_TRUE(goes_to("GET / HTTP/1.1\r\nHost: a\r\nX-Version: 3\r\n\r\n", instance_));
}

TEST_F(Http, ASlowClientHoldsUpItsInstanceOnly) {
    Wire client = connect_to(front_.address);
    client.send(get);
    auto instance = accepted();
    EXPECT_TRUE(gets(*instance, seen));
    const std::string bytes = pattern(40U << 20U);
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes.size()) + "\r\n\r\n" + bytes;
    std::string_view left = response;
    ASSERT_TRUE(until([&] {
        const std::size_t before = left.size();
        left = instance->send(left);
        turns(20);
        return left.size() == before;
    }));
    EXPECT_FALSE(left.empty()) << "nobody held it up";
    Wire other = connect_to(front_.address);
    other.send(get);
    auto second = accepted();
    answer(other, *second, "");
    EXPECT_EQ(other.got, hello);
    ASSERT_TRUE(until([&] {
        left = instance->send(left);
        client.read(400'000);
        return client.got.size() >= response.size();
    }, 30'000));
    EXPECT_TRUE(client.got == response);
}

TEST_F(Http, AClientThatIsGoneFreesItsInstance) {
    Wire client = connect_to(front_.address);
    client.send(get);
    auto instance = accepted();
    EXPECT_TRUE(gets(*instance, seen));
    sys::break_on_close(client.socket);
    client.socket.reset();
    EXPECT_TRUE(ends(*instance));
    EXPECT_EQ(gateway_->open_to(7), 0U);
}

TEST_F(Http, WhoHasLeftTheTableGetsNoRequest) {
    Wire client = connect_to(front_.address);
    client.send(get);
    auto old = accepted();
    answer(client, *old, "");
    Listening next = listen_tcp();
    routes_ = {route("web", {{8, next.address}})};
    follow();
    EXPECT_TRUE(ends(*old)) << "the idle connection is kept";
    client.send(get);
    std::unique_ptr<Wire> instance;
    EXPECT_TRUE(until([&] { return (instance = next.accept()) != nullptr; }));
}

TEST_F(Http, DeadlinesEndWhoDoesNothing) {
    rules_.idle_timeout = 30;
    rules_.header_timeout = 40;
    rules_.body_timeout = 40;
    follow();
    Wire idle = connect_to(front_.address);
    EXPECT_TRUE(ends(idle));
    EXPECT_EQ(idle.got, "");
    EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost"), "408");
    EXPECT_EQ(verdict("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"), "408");
}

TEST_F(Http, AnInstanceHasADeadline) {
    routes_[0].timeouts.response = 40;
    routes_[0].timeouts.idle = 40;
    follow();
    Wire client = connect_to(front_.address);
    client.send(get);
    auto instance = accepted();
    EXPECT_TRUE(until([&] { client.read(); return client.got.starts_with("HTTP/1.1 504 "); }));
    EXPECT_TRUE(ends(*instance));
    client.got.clear();
    client.send(get);
    instance = accepted();
    EXPECT_TRUE(until([&] { instance->read(); return !instance->got.empty(); }));
    instance->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    EXPECT_TRUE(ends(client));
    EXPECT_TRUE(client.got.ends_with("hello"));
}

TEST_F(Http, WhoLeavesTellsItsClients) {
    Wire idle = connect_to(front_.address);
    idle.send(get);
    auto instance = accepted();
    answer(idle, *instance, "");
    gateway_->gateway->leave();
    answer(idle, *instance);
    EXPECT_EQ(idle.got, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    EXPECT_TRUE(ends(idle));
    idle.socket.reset();
    EXPECT_TRUE(until([&] { return gateway_->gateway->finished(); }));
}

TEST_F(Http, ConnectionsPassBetweenTwoRequests) {
    Wire idle = connect_to(front_.address);
    idle.send(get);
    auto instance = accepted();
    answer(idle, *instance, "");
    Wire busy = connect_to(front_.address);
    busy.send(get);
    EXPECT_TRUE(until([&] { instance->read(); return instance->got.ends_with(std::string(seen) + seen); })) << instance->got;
    Running& old = *gateway_;
    begin();
    auto channel = sys::make_channel();
    gateway_->gateway->take(std::move(channel->second));
    old.gateway->give(std::move(channel->first), heir_id);
    EXPECT_TRUE(until([&] { return gateway_->totals().taken == 1; }));
    // The idle one is the new worker's; the other one still gets its response from the old one.
    idle.got.clear();
    idle.send(get);
    auto second = accepted();
    answer(idle, *second, "");
    EXPECT_EQ(idle.got, hello);
    EXPECT_FALSE(old.gateway->finished());
    instance->send(hello);
    EXPECT_TRUE(gets(busy, hello));
    EXPECT_TRUE(until([&] { return gateway_->totals().taken == 2 && old.gateway->finished(); }));
    answer(busy, *second);
    EXPECT_EQ(busy.got, hello);
}

// One that is larger than what is read at once, as the listener allows.
TEST_F(Http, AHeadThatIsHalfReadPasses) {
    rules_.max_header = limits::http_header_bytes_max;
    follow();
    Wire idle = connect_to(front_.address);
    idle.send(get);
    auto instance = accepted();
    answer(idle, *instance, "");
    Wire large = connect_to(front_.address);
    std::string head = "GET /large HTTP/1.1\r\nHost: a\r\n";
    for (std::size_t at = 0; at < 70; ++at) head += "X-" + std::to_string(at) + ": " + std::string(10'000, 'v') + "\r\n";
    std::string_view left = head;
    ASSERT_TRUE(until([&] { return (left = large.send(left)).empty(); }));
    turns(50);
    Running& old = *gateway_;
    gateway_ = &start();
    std::map<std::string, sys::UniqueFd> listeners;
    listeners["web"] = front_.copy();
    follow(std::move(listeners));
    auto channel = sys::make_channel();
    gateway_->gateway->take(std::move(channel->second));
    old.gateway->give(std::move(channel->first), heir_id);
    ASSERT_TRUE(until([&] { return old.gateway->finished(); }));
    EXPECT_EQ(gateway_->totals().taken, 2U);
    end(old);
    EXPECT_TRUE(large.send("\r\n").empty());
    auto second = accepted();
    EXPECT_TRUE(until([&] {
        second->read();
        return second->got.find("X-69: ") != std::string::npos && second->got.ends_with("\r\n\r\n");
    }));
    second->send(hello);
    EXPECT_TRUE(gets(large, hello));
}

// Its next request is answered, with the end of the connection announced: nobody may ever take it.
TEST_F(Http, OneThatIsRefusedIsToldToLeave) {
    Wire idle = connect_to(front_.address);
    idle.send(get);
    auto instance = accepted();
    answer(idle, *instance, "");
    auto channel = sys::make_channel();
    gateway_->gateway->give(std::move(channel->first), heir_id);
    turns(5);
    const PassedAnswer refuses{1, 1};
    ASSERT_TRUE(sys::send_message(channel->second, std::string_view(reinterpret_cast<const char*>(&refuses), sizeof(refuses))));
    turns(5);
    EXPECT_EQ(gateway_->gateway->open_sessions(), 1U);
    answer(idle, *instance);
    EXPECT_EQ(idle.got, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
}

}  // namespace
}  // namespace baton::gateway
