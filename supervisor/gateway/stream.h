// One side of a connection, as those see it who read and write: a socket, by itself or under TLS.
#pragma once

#include <span>
#include <string_view>

#include "sys/descriptor.h"
#include "sys/stream.h"

namespace baton::gateway {

class Stream {
  public:
    Stream() = default;
    explicit Stream(sys::UniqueFd socket) : socket_(std::move(socket)) {}

    const sys::UniqueFd& socket() const { return socket_; }
    sys::UniqueFd take_socket() { return std::move(socket_); }

    // As sys::read_stream and sys::write_stream.
    sys::Transfer read(std::span<char> buffer) { return sys::read_stream(socket_, buffer); }
    sys::Transfer write(std::string_view bytes) { return sys::write_stream(socket_, bytes); }
    sys::Transfer write(std::span<const std::string_view> pieces) { return sys::write_pieces(socket_, pieces); }
    void end_output() { sys::end_output(socket_); }

  private:
    sys::UniqueFd socket_;
};

}  // namespace baton::gateway
