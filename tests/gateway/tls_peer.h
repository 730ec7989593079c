// A client of TLS that is the library's other side, and certificates for whom it meets.
#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "loop.h"

namespace baton::gateway {

struct KeyPair {
    std::string certificate;
    std::string key;
};
// A certificate that signs itself.
KeyPair make_key_pair(const std::string& name);

// Its session is fed by hand, so that the test never waits within it.
class TlsPeer {
  public:
    using Session = std::shared_ptr<SSL_SESSION>;
    // `most`: the highest version it speaks; 0: all. `resumed`: the session that it would like to go on with.
    explicit TlsPeer(Wire made, const std::string& alpn = {}, int most = 0, const Session& resumed = {});
    ~TlsPeer();
    TlsPeer(const TlsPeer&) = delete;
    TlsPeer& operator=(const TlsPeer&) = delete;

    void say(const std::string& bytes) { plain_ += bytes; }
    void turn();
    bool ready() const { return SSL_is_init_finished(ssl_) != 0; }
    void say_end() { SSL_shutdown(ssl_); }
    std::string protocol() const;
    std::string subject() const;
    // What it can go on with later; after it has read something, as tickets come before that.
    Session session() const;
    bool resumed() const { return SSL_session_reused(ssl_) == 1; }

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

}  // namespace baton::gateway
