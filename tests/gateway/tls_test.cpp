// TLS and PROXY headers of clients through one gateway, with a client that is the library's other side.
#include "front.h"

#include "gateway/tls.h"
#include "h2_peer.h"
#include "tls_peer.h"

namespace baton::gateway {
namespace {

constexpr const char* hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

class Porches : public Front {
  protected:
    void begin(model::Protocol protocol, bool tls, bool proxy_protocol = false) {
        entrance_.protocol = protocol;
        entrance_.proxy_protocol = proxy_protocol;
        if (tls) entrance_.tls = model::TlsSpec{"/c", "/k", model::TlsVersion::tls12, "1"};
        Front::begin(tls ? files_of(first_) : Files{});
    }
    using Files = std::map<std::string, sys::UniqueFd>;
    Files files_of(const KeyPair& pair) const {
        Files files;
        files[model::certificate_of(entrance_)] = *sys::sealed_memory("test", pair.certificate);
        files[model::key_of(entrance_)] = *sys::sealed_memory("test", pair.key);
        return files;
    }
    std::unique_ptr<TlsPeer> client(const std::string& alpn = {}, int most = 0) { return std::make_unique<TlsPeer>(connect_to(front_.address), alpn, most); }

    KeyPair first_ = make_key_pair("first");
    KeyPair second_ = make_key_pair("second");
};

TEST_F(Porches, HttpUnderTls) {
    begin(model::Protocol::http, true);
    for (const int most : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        auto peer = client(std::string("\x08http/1.1", 9), most);
        peer->say("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        auto instance = accepted(*peer);
        ASSERT_TRUE(meets(*peer, [&] { instance->read(); return instance->got.ends_with("\r\n\r\n"); }));
        EXPECT_NE(instance->got.find("X-Forwarded-Proto: https\r\n"), std::string::npos) << instance->got;
        EXPECT_EQ(peer->protocol(), "http/1.1");
        instance->send(hello);
        EXPECT_TRUE(meets(*peer, [&] { return peer->got == hello; })) << peer->got;
    }
}

TEST_F(Porches, LargeBodiesUnderTls) {
    begin(model::Protocol::http, true);
    const std::string bytes = pattern(5'000'000);
    auto peer = client();
    peer->say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + bytes);
    auto instance = accepted(*peer);
    ASSERT_TRUE(meets(*peer, [&] { instance->read(); return instance->got.size() > bytes.size(); }));
    EXPECT_TRUE(instance->got.ends_with(bytes));
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + bytes;
    std::string_view left = response;
    ASSERT_TRUE(meets(*peer, [&] { left = instance->send(left); return peer->got.size() >= response.size(); }));
    EXPECT_TRUE(peer->got == response);
}

TEST_F(Porches, Http2IsAgreedOn) {
    begin(model::Protocol::http, true);
    auto peer = client(std::string("\x08http/1.1\x02h2", 12));
    H2Peer session;
    const std::int32_t id = session.ask("GET", "/x");
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(meets(*peer, [&] {
        peer->say(session.out());
        if (!instance) instance = instance_.accept();
        if (instance) instance->read();
        return instance && instance->got.ends_with("\r\n\r\n");
    }));
    EXPECT_EQ(peer->protocol(), "h2");
    instance->send(hello);
    ASSERT_TRUE(meets(*peer, [&] {
        EXPECT_TRUE(session.in(std::exchange(peer->got, {})));
        peer->say(session.out());
        return session[id].closed;
    }));
    EXPECT_EQ(session[id].body, "hello");
}

TEST_F(Porches, WhereItIsOffHttp2IsNotAgreedOn) {
    rules_.http2 = false;
    begin(model::Protocol::http, true);
    auto peer = client(std::string("\x02h2\x08http/1.1", 12));
    ASSERT_TRUE(meets(*peer, [&] { return peer->ready(); }));
    EXPECT_EQ(peer->protocol(), "http/1.1");
}

TEST_F(Porches, TcpUnderTlsBothWaysToTheEnd) {
    begin(model::Protocol::tcp, true);
    const std::string bytes = pattern(3'000'000);
    auto peer = client();
    peer->say(bytes);
    auto instance = accepted(*peer);
    ASSERT_TRUE(meets(*peer, [&] { instance->read(); return instance->got.size() >= bytes.size(); }));
    EXPECT_TRUE(instance->got == bytes);
    std::string_view left = bytes;
    ASSERT_TRUE(meets(*peer, [&] { left = instance->send(left); return peer->got.size() >= bytes.size(); }));
    EXPECT_TRUE(peer->got == bytes);
    instance->socket.reset();
    EXPECT_TRUE(meets(*peer, [&] { return peer->ended; })) << "an end without a word could be anybody's";
}

TEST_F(Porches, ANewCertificateIsForNewConnections) {
    begin(model::Protocol::http, true);
    auto old = client();
    ASSERT_TRUE(meets(*old, [&] { return old->ready(); }));
    EXPECT_EQ(old->subject(), "first");
    entrance_.tls->fingerprint = "2";
    follow(files_of(second_));
    auto fresh = client();
    ASSERT_TRUE(meets(*fresh, [&] { return fresh->ready(); }));
    EXPECT_EQ(fresh->subject(), "second");
    old->say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    auto instance = accepted(*old);
    instance->send(hello);
    EXPECT_TRUE(meets(*old, [&] { return old->got == hello; }));
    // One that cannot be used leaves the last in force.
    entrance_.tls->fingerprint = "3";
    follow(files_of({first_.certificate, second_.key}));
    auto next = client();
    ASSERT_TRUE(meets(*next, [&] { return next->ready(); }));
    EXPECT_EQ(next->subject(), "second");
}

TEST_F(Porches, WhoDoesNotSpeakTlsIsClosed) {
    begin(model::Protocol::http, true);
    Wire wire = connect_to(front_.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(until([&] { wire.read(); return wire.over(); }));
    rules_.header_timeout = 30;
    follow();
    wire = connect_to(front_.address);
    EXPECT_TRUE(until([&] { wire.read(); return wire.over(); })) << "a handshake that does not begin";
    EXPECT_EQ(gateway_->totals().refused, 2U);
    EXPECT_EQ(gateway_->gateway->open_sessions(), 0U);
    EXPECT_EQ(instance_.accept(), nullptr);
}

TEST_F(Porches, OldVersionsAreRefused) {
    entrance_.tls = model::TlsSpec{};
    begin(model::Protocol::http, true);
    entrance_.tls->minimum = model::TlsVersion::tls13;
    follow(files_of(first_));
    auto peer = client({}, TLS1_2_VERSION);
    EXPECT_TRUE(meets(*peer, [&] { return peer->failed; }));
}

TEST_F(Porches, AWorkerThatLeavesTellsClientsUnderTls) {
    rules_.drain_grace = 30;
    begin(model::Protocol::http, true);
    auto peer = client();
    ASSERT_TRUE(meets(*peer, [&] { return peer->ready(); }));
    gateway_->gateway->leave();
    EXPECT_TRUE(meets(*peer, [&] { return peer->wire.over(); }));
    EXPECT_TRUE(until([&] { return gateway_->gateway->finished(); }));
}

TEST_F(Porches, CredentialsThatCannotBeUsedSayWhy) {
    const auto problem = [](const KeyPair& pair) {
        const auto made = make_credentials(pair.certificate, pair.key, model::TlsVersion::tls12, true, true);
        return made ? std::string() : made.error().message();
    };
    EXPECT_EQ(problem(first_), "");
    EXPECT_EQ(problem({first_.certificate, second_.key}), "key: the key is not the certificate's");
    EXPECT_TRUE(problem({"hello", first_.key}).starts_with("certificate: there is no certificate in it"));
    EXPECT_TRUE(problem({first_.certificate, "hello"}).starts_with("key: there is no key in it"));
}

// --- PROXY headers ---

TEST_F(Porches, AProxyHeaderTellsWhoTheClientIs) {
    begin(model::Protocol::http, false, true);
    Wire wire = connect_to(front_.address);
    const std::string bytes = "PROXY TCP4 192.0.2.9 192.0.2.1 1234 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const char byte : bytes) {
        wire.send(std::string(1, byte));
        turns(1);
    }
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = instance_.accept()) != nullptr; }));
    EXPECT_TRUE(until([&] { instance->read(); return instance->got.ends_with("\r\n\r\n"); }));
    EXPECT_NE(instance->got.find("X-Forwarded-For: 192.0.2.9\r\n"), std::string::npos) << instance->got;
    instance->send(hello);
    EXPECT_TRUE(until([&] { wire.read(); return wire.got == hello; }));
}

TEST_F(Porches, WhatFollowsAProxyHeaderIsTheInstances) {
    begin(model::Protocol::tcp, false, true);
    Wire wire = connect_to(front_.address);
    wire.send("PROXY UNKNOWN\r\nhello");
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = instance_.accept()) != nullptr; }));
    EXPECT_TRUE(until([&] { instance->read(); return instance->got == "hello"; })) << instance->got;
}

TEST_F(Porches, WhoBeginsWhileTheListenerLeavesIsClosed) {
    for (const auto protocol : {model::Protocol::tcp, model::Protocol::http}) {
        begin(protocol, false, true);
        Wire wire = connect_to(front_.address);
        ASSERT_TRUE(until([&] { return gateway_->totals().open == 1; }));
        gateway_->gateway->follow({}, {});
        wire.send("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(until([&] { wire.read(); return wire.over(); }));
        wire.socket.reset();
        EXPECT_TRUE(until([&] { return gateway_->totals().open == 0; }));
        EXPECT_EQ(gateway_->totals().closed, 1U);
        running_.clear();
    }
}

TEST_F(Porches, ABeginningThatIsNoneIsClosed) {
    begin(model::Protocol::http, false, true);
    Wire wire = connect_to(front_.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(until([&] { wire.read(); return wire.over(); }));
    EXPECT_EQ(wire.got, "");
    rules_.header_timeout = 30;
    follow();
    wire = connect_to(front_.address);
    wire.send("PROXY TCP4 ");
    EXPECT_TRUE(until([&] { wire.read(); return wire.over(); }));
    EXPECT_EQ(gateway_->totals().refused, 2U);
    EXPECT_EQ(gateway_->gateway->open_sessions(), 0U);
    EXPECT_EQ(instance_.accept(), nullptr);
}

TEST_F(Porches, AProxyHeaderComesBeforeTheHandshake) {
    begin(model::Protocol::http, true, true);
    auto peer = client();
    peer->wire.send("PROXY TCP4 192.0.2.9 192.0.2.1 1234 443\r\n");
    peer->say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    auto instance = accepted(*peer);
    ASSERT_TRUE(meets(*peer, [&] { instance->read(); return instance->got.ends_with("\r\n\r\n"); }));
    EXPECT_NE(instance->got.find("X-Forwarded-For: 192.0.2.9\r\n"), std::string::npos);
    EXPECT_NE(instance->got.find("X-Forwarded-Proto: https\r\n"), std::string::npos);
    EXPECT_EQ(gateway_->totals().refused, 0U);
}

}  // namespace
}  // namespace baton::gateway
