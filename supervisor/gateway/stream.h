// One side of a connection, as those see it who read and write: a socket, by itself or under TLS.
//
// What is posted on it goes out before the end of the turn. Until then it is as good as written; who writes more, ends
// the output or gives the stream away settles that first.
#pragma once

#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gateway/outbox.h"
#include "gateway/tls.h"
#include "sys/descriptor.h"
#include "sys/readiness.h"
#include "sys/stream.h"

namespace baton::gateway {

class Stream {
  public:
    Stream() = default;
    explicit Stream(sys::UniqueFd socket) : socket_(std::move(socket)) {}
    // Whose handshake is over.
    Stream(sys::UniqueFd socket, std::unique_ptr<TlsSession> tls) : socket_(std::move(socket)), tls_(std::move(tls)) {}

    const sys::UniqueFd& socket() const { return socket_; }
    // Only of one that is not under TLS.
    sys::UniqueFd take_socket() { return std::move(socket_); }
    // Under TLS: nobody else can go on with it, a short read may not be all that is there, something may be there
    // that the kernel does not tell of, and what one direction waits for may be the other one.
    bool secure() const { return tls_ != nullptr; }
    bool speaks_http2() const { return tls_ && tls_->speaks_http2(); }
    // What an event means for it.
    sys::Readiness heard(const sys::Readiness& event) const {
        sys::Readiness meant = event;
        if (tls_) meant.readable = meant.writable = event.readable || event.writable;
        return meant;
    }

    // As sys::read_stream and sys::write_stream.
    sys::Transfer read(std::span<char> buffer) { return tls_ ? tls_->read(socket_, buffer) : sys::read_stream(socket_, buffer); }
    sys::Transfer write(std::string_view bytes) { return tls_ ? tls_->write(socket_, bytes) : sys::write_stream(socket_, bytes); }
    sys::Transfer write(std::span<const std::string_view> pieces) {
        if (!tls_) return sys::write_pieces(socket_, pieces);
        // One record, where they fit in one.
        std::string all;
        for (const std::string_view piece : pieces) all += piece;
        return all.empty() ? sys::Transfer{} : tls_->write(socket_, all);
    }
    // False: it is to be written by itself.
    bool post(Outbox& outbox, std::uint64_t token, std::span<const std::string_view> pieces) { return !tls_ && outbox.post(posted_, socket_, token, pieces); }
    bool posted() const { return static_cast<bool>(posted_); }
    // Writes what is posted. What was not taken is good until the end of the turn.
    struct Late {
        std::string_view rest;
        int error = 0;  // never EAGAIN
    };
    Late settle() {
        const std::string_view bytes = posted_.take();
        if (bytes.empty()) return {};
        const sys::Transfer put = write(bytes);
        return {bytes.substr(put.bytes), put.error == EAGAIN ? 0 : put.error};
    }
    void end_output() {
        if (tls_) tls_->end(socket_);
        sys::end_output(socket_);
    }

  private:
    sys::UniqueFd socket_;
    std::unique_ptr<TlsSession> tls_;
    Outbox::Posted posted_;
};

}  // namespace baton::gateway
