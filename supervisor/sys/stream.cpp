#include "sys/stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace baton::sys {

namespace {

Transfer receive(const UniqueFd& socket, std::span<char> buffer, int flags) {
    for (;;) {
        const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), flags);
        if (got >= 0) return {static_cast<std::size_t>(got), 0};
        if (errno != EINTR) return {0, errno == EWOULDBLOCK ? EAGAIN : errno};
    }
}

Transfer send(const UniqueFd& socket, const msghdr& message) {
    for (;;) {
        const ssize_t put = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
        if (put >= 0) return {static_cast<std::size_t>(put), 0};
        if (errno != EINTR) return {0, errno == EWOULDBLOCK ? EAGAIN : errno};
    }
}

}  // namespace

Transfer read_stream(const UniqueFd& socket, std::span<char> buffer) { return receive(socket, buffer, 0); }

Transfer peek_stream(const UniqueFd& socket, std::span<char> buffer) { return receive(socket, buffer, MSG_PEEK); }

Transfer write_stream(const UniqueFd& socket, std::span<const char> bytes) {
    for (;;) {
        const ssize_t put = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (put >= 0) return {static_cast<std::size_t>(put), 0};
        if (errno != EINTR) return {0, errno == EWOULDBLOCK ? EAGAIN : errno};
    }
}

Transfer write_pieces(const UniqueFd& socket, std::span<const std::string_view> pieces) {
    std::array<iovec, 8> parts{};
    msghdr message{};
    message.msg_iov = parts.data();
    for (const std::string_view piece : pieces) {
        if (piece.empty()) continue;
        CHECK(message.msg_iovlen < parts.size());
        parts[message.msg_iovlen++] = {const_cast<char*>(piece.data()), piece.size()};  // NOLINT: the kernel only reads it
    }
    if (message.msg_iovlen == 0) return {};
    if (message.msg_iovlen == 1) return write_stream(socket, {static_cast<const char*>(parts[0].iov_base), parts[0].iov_len});
    return send(socket, message);
}

Transfer write_descriptors(const UniqueFd& socket, std::string_view bytes, std::span<const int> descriptors) {
    constexpr std::size_t most = 16;
    CHECK(!descriptors.empty() && descriptors.size() <= most);
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: the kernel only reads it
    alignas(cmsghdr) std::array<char, CMSG_SPACE(most * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    return send(socket, message);
}

Accepted accept_stream(const UniqueFd& listener, SocketAddress* from) {
    for (;;) {
        if (from != nullptr) from->length = sizeof(from->storage);
        auto* const address = from == nullptr ? nullptr : reinterpret_cast<sockaddr*>(&from->storage);
        UniqueFd socket(::accept4(listener.get(), address, from == nullptr ? nullptr : &from->length, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (socket.valid()) return {std::move(socket), 0};
        switch (errno) {
            case EINTR:
            case ECONNABORTED:
            case EPROTO: continue;
            default: return {UniqueFd(), errno == EWOULDBLOCK ? EAGAIN : errno};
        }
    }
}

Connected connect_stream(const SocketAddress& address) {
    UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) return {UniqueFd(), errno};
    if (address.family() != AF_UNIX) {
        const int on = 1;
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        ::setsockopt(socket.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    }
    int error = 0;
    do {
        error = ::connect(socket.get(), address.get(), address.length) == 0 ? 0 : errno;
    } while (error == EINTR);
    return {std::move(socket), error};
}

bool blames_peer(int error) {
    switch (error) {
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case EADDRNOTAVAIL:
        case EACCES:
        case EPERM: return false;
        default: return true;
    }
}

int connect_error(const UniqueFd& socket) {
    int error = 0;
    socklen_t length = sizeof(error);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
    return error;
}

void prepare_listener(const UniqueFd& listener) {
    ::fcntl(listener.get(), F_SETFL, ::fcntl(listener.get(), F_GETFL) | O_NONBLOCK);
    const int on = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    ::setsockopt(listener.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ::setsockopt(listener.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

void end_output(const UniqueFd& socket) {
    ::shutdown(socket.get(), SHUT_WR);
}

void break_on_close(const UniqueFd& socket) {
    const linger at_once{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

SocketAddress local_address(const UniqueFd& socket) {
    SocketAddress address;
    address.length = sizeof(address.storage);
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.length) != 0) return {};
    return address;
}

std::size_t descriptor_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::size_t>(limit.rlim_cur) : 1024;
}

}  // namespace baton::sys
