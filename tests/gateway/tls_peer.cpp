#include "tls_peer.h"

#include <algorithm>
#include <array>
#include <vector>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace baton::gateway {
namespace {

std::string taken(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    std::string text(bytes, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
}

}  // namespace

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

TlsPeer::TlsPeer(Wire made, const std::string& alpn, int most, const Session& resumed)
    : wire(std::move(made)), context_(SSL_CTX_new(TLS_client_method())), ssl_(nullptr) {
    if (most != 0) SSL_CTX_set_max_proto_version(context_, most);
    ssl_ = SSL_new(context_);
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
    if (!alpn.empty()) SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(alpn.data()), static_cast<unsigned>(alpn.size()));
    if (resumed) SSL_set_session(ssl_, resumed.get());
}

TlsPeer::~TlsPeer() {
    // Where it has not said its end, the library lets nobody go on with its session.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN);
    SSL_free(ssl_);
    SSL_CTX_free(context_);
}

void TlsPeer::turn() {
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

std::string TlsPeer::protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

std::string TlsPeer::subject() const {
    X509* own = SSL_get1_peer_certificate(ssl_);
    std::array<char, 64> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(own), NID_commonName, name.data(), static_cast<int>(name.size()));
    X509_free(own);
    return name.data();
}

TlsPeer::Session TlsPeer::session() const {
    return {SSL_get1_session(ssl_), SSL_SESSION_free};
}

}  // namespace baton::gateway
