// TLS and PROXY headers of clients through one gateway, with a client that is the library's other side.
#include "front.h"

#include <array>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "gateway/tls.h"
#include "h2_peer.h"

namespace baton::gateway {
namespace {

constexpr const char* hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

struct KeyPair {
    std::string certificate;
    std::string key;
};

std::string taken(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    std::string text(bytes, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
}

// A certificate that signs itself.
KeyPair make_key_pair(const std::string& name) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* own = X509_new();
    X509_set_version(own, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(own), 1);
    X509_gmtime_adj(X509_getm_notBefore(own), -60);
    X509_gmtime_adj(X509_getm_notAfter(own), 3600);
    X509_set_pubkey(own, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(own), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(own, X509_get_subject_name(own));
    X509_sign(own, key, EVP_sha256());
    BIO* one = BIO_new(BIO_s_mem());
    BIO* two = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(one, own);
    PEM_write_bio_PrivateKey(two, key, nullptr, nullptr, 0, nullptr, nullptr);
    X509_free(own);
    EVP_PKEY_free(key);
    return {taken(one), taken(two)};
}

// A client under TLS: its session is fed by hand, so that the test never waits within it.
class TlsPeer {
  public:
    explicit TlsPeer(Wire made, const std::string& alpn = {}, int most = 0) : wire(std::move(made)), context_(SSL_CTX_new(TLS_client_method())), ssl_(nullptr) {
        if (most != 0) SSL_CTX_set_max_proto_version(context_, most);
        ssl_ = SSL_new(context_);
        SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl_);
        if (!alpn.empty()) SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(alpn.data()), static_cast<unsigned>(alpn.size()));
    }
    ~TlsPeer() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
    }
    TlsPeer(const TlsPeer&) = delete;
    TlsPeer& operator=(const TlsPeer&) = delete;

    void say(const std::string& bytes) { plain_ += bytes; }
    void turn() {
        wire.read();
        BIO_write(SSL_get_rbio(ssl_), wire.got.data(), static_cast<int>(wire.got.size()));
        wire.got.clear();
        if (!SSL_is_init_finished(ssl_)) {
            const int done = SSL_do_handshake(ssl_);
            failed = failed || (done != 1 && SSL_get_error(ssl_, done) == SSL_ERROR_SSL);
        }
        if (SSL_is_init_finished(ssl_)) {
            while (!plain_.empty()) {
                const int put = SSL_write(ssl_, plain_.data(), static_cast<int>(std::min<std::size_t>(plain_.size(), 1 << 20)));
                if (put <= 0) break;
                plain_.erase(0, static_cast<std::size_t>(put));
            }
            std::vector<char> buffer(65'536);
            for (int size = 0; (size = SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()))) > 0;) got.append(buffer.data(), static_cast<std::size_t>(size));
            ended = (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
        }
        char* bytes = nullptr;
        const long size = BIO_get_mem_data(SSL_get_wbio(ssl_), &bytes);
        if (size > 0) unsent_.append(bytes, static_cast<std::size_t>(size));
        static_cast<void>(BIO_reset(SSL_get_wbio(ssl_)));
        unsent_ = std::string(wire.send(unsent_));
    }
    bool ready() const { return SSL_is_init_finished(ssl_) != 0; }
    void say_end() { SSL_shutdown(ssl_); }
    std::string protocol() const {
        const unsigned char* name = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(ssl_, &name, &size);
        return {reinterpret_cast<const char*>(name), size};
    }
    std::string subject() const {
        X509* own = SSL_get1_peer_certificate(ssl_);
        std::array<char, 64> name{};
        X509_NAME_get_text_by_NID(X509_get_subject_name(own), NID_commonName, name.data(), static_cast<int>(name.size()));
        X509_free(own);
        return name.data();
    }

    Wire wire;
    std::string got;
    bool ended = false;   // the other side has said that it has sent its last
    bool failed = false;

  private:
    SSL_CTX* context_;
    SSL* ssl_;
    std::string plain_;
    std::string unsent_;
};

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
}

}  // namespace
}  // namespace baton::gateway
