// Connections of the data plane: accepted, made, read, written and ended without ever waiting. Failures are
// errno values, as nothing may be allocated on this path.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "sys/descriptor.h"
#include "sys/sockaddr.h"

namespace baton::sys {

// error EAGAIN: nothing now. Without an error, 0 bytes read: the other side has sent its last.
struct Transfer {
    std::size_t bytes = 0;
    int error = 0;
};
Transfer read_stream(const UniqueFd& socket, std::span<char> buffer);
// The same, and what was read is there still.
Transfer peek_stream(const UniqueFd& socket, std::span<char> buffer);
Transfer write_stream(const UniqueFd& socket, std::span<const char> bytes);
// The same for several pieces, one after the other; at most 8.
Transfer write_pieces(const UniqueFd& socket, std::span<const std::string_view> pieces);
// To a unix socket, with at most 16 descriptors, which go with the first byte. error ETOOMANYREFS: too many of this
// user's are under way.
Transfer write_descriptors(const UniqueFd& socket, std::string_view bytes, std::span<const int> descriptors);

// error EAGAIN: nobody waits; EMFILE, ENFILE, ENOBUFS, ENOMEM: not now, though somebody may. A client that
// gave up while it waited is skipped. `from`: gets the client's address.
struct Accepted {
    UniqueFd socket;
    int error = 0;
};
Accepted accept_stream(const UniqueFd& listener, SocketAddress* from = nullptr);

// error EINPROGRESS: the stream is writable when the outcome is there, which connect_error tells. EAGAIN: a
// unix socket's queue is full. A tcp stream sends without delay (TCP_NODELAY).
struct Connected {
    UniqueFd socket;
    int error = 0;
};
Connected connect_stream(const SocketAddress& address);
// Whether the error of a connection that could not be made says something of who was to be reached: not where this
// process or host has no more of something, may not reach it, or its queue is full.
bool blames_peer(int error);
int connect_error(const UniqueFd& socket);

// accept_stream never waits from here on. What is accepted inherits the rest: what is small is sent at once,
// and a peer that is gone is found.
void prepare_listener(const UniqueFd& listener);
// The other side reads its end after what was sent.
void end_output(const UniqueFd& socket);
// The other side of a tcp stream is told that it broke, when it is closed.
void break_on_close(const UniqueFd& socket);
// Its own end; of length 0 where that cannot be told.
SocketAddress local_address(const UniqueFd& socket);
// Descriptors this process may have.
std::size_t descriptor_limit();

}  // namespace baton::sys
