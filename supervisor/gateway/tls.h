// TLS of clients: a certificate with its key and what is agreed on beside it, and the session of one connection
// over a socket. The library behind it (OpenSSL) is seen by the source file only.
//
// A Credentials is never changed: a new certificate is a new one, and sessions keep the one that they began with.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/ticket_keys.h"
#include "model/listener.h"
#include "sys/descriptor.h"
#include "sys/stream.h"

namespace baton::gateway {

// The session of one connection. It does not own the socket, which must outlive it where it is not moved.
class TlsSession {
  public:
    virtual ~TlsSession() = default;

    enum class Shake { done, more, failed };
    // As far as it goes now; more: again when the socket is ready in any way. Nothing is read or written before
    // it is done.
    virtual Shake shake(const sys::UniqueFd& socket) = 0;
    // Why it failed.
    virtual std::string problem() const = 0;
    virtual bool speaks_http2() const = 0;

    // As sys::read_stream and sys::write_stream. A short read may not be all that is there to be told: only EAGAIN
    // is. What was refused with EAGAIN must begin the next write.
    virtual sys::Transfer read(const sys::UniqueFd& socket, std::span<char> buffer) = 0;
    virtual sys::Transfer write(const sys::UniqueFd& socket, std::string_view bytes) = 0;
    // The other side is told that it has got everything.
    virtual void end(const sys::UniqueFd& socket) = 0;
};

class Credentials {
  public:
    virtual ~Credentials() = default;
    virtual std::unique_ptr<TlsSession> accept() const = 0;
};

// How clients take their sessions up again. `keys` may change, which holds from the next handshake on; none: nobody can,
// where another process made the session. `scope`: whose sessions they are; those of another one begin anew, as who was
// shown one certificate has not seen any other.
struct Resumption {
    std::shared_ptr<const TicketKeys> keys;
    std::string scope;
};

// PEM texts: the certificate with those that lead to its root, and its key. `alpn`: HTTP's versions are agreed on
// (h2 only with `http2`). An Error says what is wrong with them.
Result<std::shared_ptr<const Credentials>> make_credentials(std::string_view certificate, std::string_view key, model::TlsVersion minimum, bool alpn,
                                                            bool http2, const Resumption& resumption = {});

// Of the files that a listener names. An Error says which of them cannot be used, and why. Reads files: for a
// master, not for a worker.
struct CredentialFiles {
    std::string certificate;
    std::string key;
    std::string fingerprint;  // of both; it tells no secret
};
Result<CredentialFiles> read_credentials(const model::TlsSpec& spec);
// Only whether they can be used, and their fingerprint.
Result<std::string> credentials_check(const model::TlsSpec& spec);

}  // namespace baton::gateway
