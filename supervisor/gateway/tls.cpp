#include "gateway/tls.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/check.h"
#include "base/http_limits.h"
#include "sys/file.h"

namespace baton::gateway {
namespace {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Freed<SSL_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

std::string reason() {
    const unsigned long code = ERR_peek_last_error();
    const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
    ERR_clear_error();
    return text == nullptr ? "no reason is known" : text;
}

// --- the socket, as the library reads and writes it: through the calls that every stream goes through ---

const sys::UniqueFd& socket_of(BIO* bio) {
    return *static_cast<const sys::UniqueFd*>(BIO_get_data(bio));
}

int write_socket(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const sys::Transfer put = sys::write_stream(socket_of(bio), std::span<const char>(bytes, static_cast<std::size_t>(size)));
    if (put.error == 0) return static_cast<int>(put.bytes);
    if (put.error == EAGAIN) BIO_set_retry_write(bio);
    return -1;
}

int read_socket(BIO* bio, char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const sys::Transfer got = sys::read_stream(socket_of(bio), std::span<char>(bytes, static_cast<std::size_t>(size)));
    if (got.error == 0) return static_cast<int>(got.bytes);
    if (got.error == EAGAIN) BIO_set_retry_read(bio);
    return -1;
}

long control_socket(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
    static const std::unique_ptr<BIO_METHOD, Freed<BIO_meth_free>> method = [] {
        std::unique_ptr<BIO_METHOD, Freed<BIO_meth_free>> made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream"));
        CHECK(made != nullptr);
        BIO_meth_set_write(made.get(), write_socket);
        BIO_meth_set_read(made.get(), read_socket);
        BIO_meth_set_ctrl(made.get(), control_socket);
        BIO_meth_set_create(made.get(), [](BIO* bio) {
            BIO_set_init(bio, 1);
            return 1;
        });
        return made;
    }();
    return method.get();
}

class Session final : public TlsSession {
  public:
    explicit Session(SSL_CTX* context) : ssl_(SSL_new(context)), bio_(BIO_new(socket_method())) {
        CHECK(ssl_ != nullptr && bio_ != nullptr);
        // Each takes one of the two references.
        BIO_up_ref(bio_);
        SSL_set0_rbio(ssl_.get(), bio_);
        SSL_set0_wbio(ssl_.get(), bio_);
        SSL_set_accept_state(ssl_.get());
    }

    Shake shake(const sys::UniqueFd& socket) override {
        begin(socket);
        const int done = SSL_do_handshake(ssl_.get());
        if (done == 1) return Shake::done;
        const int error = SSL_get_error(ssl_.get(), done);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Shake::more;
        problem_ = error == SSL_ERROR_SSL ? reason() : "the client closed";
        return Shake::failed;
    }
    std::string problem() const override { return problem_; }

    bool speaks_http2() const override {
        const unsigned char* protocol = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
        return size == 2 && protocol[0] == 'h' && protocol[1] == '2';
    }

    sys::Transfer read(const sys::UniqueFd& socket, std::span<char> buffer) override {
        begin(socket);
        sys::Transfer all;
        // Records are smaller than the buffer: to the end of what is here.
        while (all.bytes < buffer.size()) {
            std::size_t got = 0;
            const int done = SSL_read_ex(ssl_.get(), buffer.data() + all.bytes, buffer.size() - all.bytes, &got);
            if (done == 1) {
                all.bytes += got;
                continue;
            }
            if (all.bytes == 0) all.error = error_of(done);
            ERR_clear_error();
            break;
        }
        return all;
    }

    sys::Transfer write(const sys::UniqueFd& socket, std::string_view bytes) override {
        begin(socket);
        sys::Transfer all;
        while (all.bytes < bytes.size()) {
            std::size_t put = 0;
            const int done = SSL_write_ex(ssl_.get(), bytes.data() + all.bytes, bytes.size() - all.bytes, &put);
            if (done == 1) {
                all.bytes += put;
                continue;
            }
            if (all.bytes == 0) all.error = error_of(done);
            if (all.error == 0 && all.bytes == 0) all.error = EPIPE;
            ERR_clear_error();
            break;
        }
        return all;
    }

    void end(const sys::UniqueFd& socket) override {
        begin(socket);
        static_cast<void>(SSL_shutdown(ssl_.get()));
        ERR_clear_error();
    }

  private:
    void begin(const sys::UniqueFd& socket) {
        ERR_clear_error();
        BIO_set_data(bio_, const_cast<sys::UniqueFd*>(&socket));  // NOLINT: the library knows no const
    }
    // 0: the other side has sent its last.
    int error_of(int done) {
        switch (SSL_get_error(ssl_.get(), done)) {
            case SSL_ERROR_WANT_READ:
            case SSL_ERROR_WANT_WRITE: return EAGAIN;
            case SSL_ERROR_ZERO_RETURN: return 0;
            default: return ECONNRESET;
        }
    }

    Ssl ssl_;
    BIO* bio_;  // the session's
    std::string problem_;
};

// What the client offers, in the order of this side.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered, unsigned offered_size, void* http2) {
    constexpr std::string_view both("\x02h2\x08http/1.1", 12);
    const std::string_view ours = http2 != nullptr ? both : both.substr(3);
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()), static_cast<unsigned>(ours.size()), offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// --- tickets ---

using Keys = std::shared_ptr<const TicketKeys>;

// Where a context has its keys: sessions may outlive everything else of it.
int keys_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr,
                                                      [](void*, void* keys, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<Keys*>(keys); });
    CHECK(index >= 0);
    return index;
}

// As RFC 5077 recommends: AES-256 in CBC mode, then HMAC with SHA-256. 1: done; 2: done, and a new one is wanted; 0: it is
// not ours, or too old; less: an error.
int use_ticket_key(SSL* session, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int seals) {
    const TicketKeys& keys = **static_cast<const Keys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), keys_index()));
    const TicketKey* key = seals != 0 ? &keys.current() : keys.find(std::span<const unsigned char, ticket_name_bytes>(name, ticket_name_bytes));
    if (key == nullptr) return 0;
    if (seals != 0) {
        std::copy(key->name.begin(), key->name.end(), name);
        if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    }
    std::array<char, 7> digest{"SHA256"};
    std::array<unsigned char, ticket_secret_bytes> secret = key->mac;
    const std::array parameters{OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret.data(), secret.size()),
                                OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
    const bool sound = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), vector, seals != 0 ? 1 : 0) == 1 &&
                       EVP_MAC_CTX_set_params(mac, parameters.data()) == 1;
    OPENSSL_cleanse(secret.data(), secret.size());
    if (!sound) return -1;
    // By 1.3 a ticket is for one use, so that who watches cannot tell two connections of one client (RFC 8446, C.4).
    return seals == 0 && (keys.is_old(*key) || SSL_version(session) == TLS1_3_VERSION) ? 2 : 1;
}

Result<void> resume_by(SSL_CTX* context, const Resumption& resumption) {
    std::array<unsigned char, SSL_MAX_SID_CTX_LENGTH> scope{};
    static_assert(scope.size() == 32);
    CHECK(EVP_Digest(resumption.scope.data(), resumption.scope.size(), scope.data(), nullptr, EVP_sha256(), nullptr) == 1);
    CHECK(SSL_CTX_set_session_id_context(context, scope.data(), static_cast<unsigned>(scope.size())) == 1);
    SSL_CTX_set_timeout(context, limits::tls_session / 1'000);
    if (!resumption.keys) return {};
    auto keys = std::make_unique<Keys>(resumption.keys);
    if (SSL_CTX_set_ex_data(context, keys_index(), keys.get()) != 1) return failed("TLS: " + reason());
    static_cast<void>(keys.release());  // the context's
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, use_ticket_key);
    return {};
}

class Made final : public Credentials {
  public:
    explicit Made(Context context) : context_(std::move(context)) {}
    std::unique_ptr<TlsSession> accept() const override { return std::make_unique<Session>(context_.get()); }

  private:
    Context context_;
};

Bio text_of(std::string_view pem) {
    return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), INT_MAX))));
}

// A key that is protected by a phrase must not ask for one on a terminal.
int no_phrase(char*, int, int, void*) {
    return 0;
}

Result<void> use_certificate(SSL_CTX* context, std::string_view pem) {
    const Bio bio = text_of(pem);
    const Certificate own(PEM_read_bio_X509_AUX(bio.get(), nullptr, no_phrase, nullptr));
    if (!own) return failed("there is no certificate in it (" + reason() + ")");
    if (SSL_CTX_use_certificate(context, own.get()) != 1) return failed("the certificate cannot be used: " + reason());
    for (;;) {
        Certificate next(PEM_read_bio_X509(bio.get(), nullptr, no_phrase, nullptr));
        if (!next) break;
        if (SSL_CTX_add0_chain_cert(context, next.get()) != 1) return failed("a certificate of the chain cannot be used: " + reason());
        static_cast<void>(next.release());
    }
    ERR_clear_error();
    return {};
}

Result<void> use_key(SSL_CTX* context, std::string_view pem) {
    const Key key(PEM_read_bio_PrivateKey(text_of(pem).get(), nullptr, no_phrase, nullptr));
    if (!key) return failed("there is no key in it that can be used without a phrase (" + reason() + ")");
    if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) return failed("the key is not the certificate's");
    return {};
}

}  // namespace

Result<std::shared_ptr<const Credentials>> make_credentials(std::string_view certificate, std::string_view key, model::TlsVersion minimum, bool alpn,
                                                            bool http2, const Resumption& resumption) {
    ERR_clear_error();
    Context context(SSL_CTX_new(TLS_server_method()));
    if (!context) return failed("TLS: " + reason());
    SSL_CTX_set_min_proto_version(context.get(), minimum == model::TlsVersion::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    // Of 1.2 what has forward secrecy and authenticates what it encrypts; all of 1.3 does.
    CHECK(SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    // Many clients of HTTP close without a word; what they sent has its own framing. Of a stream nobody else could tell
    // that it was cut short.
    if (alpn) SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    // A session goes on by its ticket, which the client keeps.
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    if (auto done = resume_by(context.get(), resumption); !done) return done.error();
    SSL_CTX_set_read_ahead(context.get(), 1);
    if (alpn) SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, http2 ? context.get() : nullptr);
    if (auto used = use_certificate(context.get(), certificate); !used) return used.error().context("certificate");
    if (auto used = use_key(context.get(), key); !used) return used.error().context("key");
    return std::shared_ptr<const Credentials>(std::make_shared<Made>(std::move(context)));
}

Result<CredentialFiles> read_credentials(const model::TlsSpec& spec) {
    auto certificate = sys::read_file(spec.certificate, limits::tls_file_bytes);
    if (!certificate) return certificate.error();
    auto key = sys::read_file(spec.key, limits::tls_file_bytes);
    if (!key) return key.error();
    if (auto made = make_credentials(*certificate, *key, spec.minimum, false, false); !made) {
        const bool of_key = made.error().message().starts_with("key");
        return made.error().context(of_key ? spec.key : spec.certificate);
    }
    CredentialFiles files{std::move(*certificate), std::move(*key), {}};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    const std::string both = files.certificate + '\0' + files.key;
    CHECK(EVP_Digest(both.data(), both.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
    constexpr std::string_view digits = "0123456789abcdef";
    for (std::size_t i = 0; i < 16; ++i) (files.fingerprint += digits[digest[i] >> 4U]) += digits[digest[i] & 15U];
    return files;
}

Result<std::string> credentials_check(const model::TlsSpec& spec) {
    auto files = read_credentials(spec);
    if (!files) return files.error();
    return std::move(files->fingerprint);
}

}  // namespace baton::gateway
