#include "sys/peer.h"

#include <sys/socket.h>

#include <cerrno>

namespace baton::sys {

Result<UniqueFd> accept_connection(const UniqueFd& listening) {
    for (;;) {
        UniqueFd fd(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd.valid()) return fd;
        // ECONNABORTED: the client left while it waited; the next one may be there.
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) return UniqueFd();
        return Error::system("accept a connection", errno);
    }
}

Result<Peer> peer_of(const UniqueFd& connection) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return Error::system("read a connection's peer credentials", errno);
    }
    return Peer{credentials.pid, credentials.uid, credentials.gid};
}

void send_farewell(const UniqueFd& connection, std::string_view bytes) {
    // One attempt: a new connection's buffer is empty, and whoever is turned away is not waited for.
    static_cast<void>(::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

}  // namespace baton::sys
