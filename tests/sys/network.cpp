#include "network.h"

#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sys/sockaddr.h"

namespace sys_test {
namespace {

using baton::sys::SocketAddress;

UniqueFd client(int type, const Address& address, const std::string& source) {
    const auto target = baton::sys::to_socket_address(address);
    if (!target) return {};
    UniqueFd socket(::socket(target->family(), type | SOCK_CLOEXEC, 0));
    if (!source.empty()) {
        const auto from = baton::sys::to_socket_address(Address{address.family, source, 0});
        if (::bind(socket.get(), from->get(), from->length) != 0) return {};
    }
    if (::connect(socket.get(), target->get(), target->length) != 0) return {};
    return socket;
}

}  // namespace

void enter_own_network() {
    static const bool entered = [] {
        if (::unshare(CLONE_NEWNET) != 0) return false;
        const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        std::strncpy(request.ifr_name, "lo", sizeof request.ifr_name - 1);
        request.ifr_flags = IFF_UP | IFF_RUNNING;
        return ::ioctl(control.get(), SIOCSIFFLAGS, &request) == 0;
    }();
    static_cast<void>(entered);
}

ListenerSpec free_listener(Family family, const std::string& host, Protocol protocol) {
    enter_own_network();
    ListenerSpec listener{"web", Address{family, host, 0}, protocol, "web", 1024};
    const auto any = baton::sys::to_socket_address(listener.address);
    const UniqueFd socket(
        ::socket(any->family(), (protocol == Protocol::udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
    if (::bind(socket.get(), any->get(), any->length) != 0) return listener;
    SocketAddress bound;
    bound.length = sizeof bound.storage;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.length);
    listener.address.port = baton::sys::from_socket_address(bound)->port;
    return listener;
}

UniqueFd connect_to(const Address& address, const std::string& source) {
    return client(SOCK_STREAM, address, source);
}

UniqueFd udp_to(const Address& address, const std::string& source) {
    return client(SOCK_DGRAM, address, source);
}

bool connect_with(const UniqueFd& socket, const Address& address) {
    const auto target = baton::sys::to_socket_address(address);
    if (::connect(socket.get(), target->get(), target->length) == 0) return true;
    if (errno != EINPROGRESS) return false;
    pollfd entry{socket.get(), POLLOUT, 0};
    ::poll(&entry, 1, 5000);
    int error = ETIMEDOUT;
    socklen_t length = sizeof error;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error == 0 && (entry.revents & POLLOUT) != 0;
}

std::string accepted_from(const UniqueFd& listening) {
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    const UniqueFd accepted(
        ::accept4(listening.get(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.length, SOCK_CLOEXEC));
    if (!accepted.valid()) return "nobody";
    return baton::model::to_string(*baton::sys::from_socket_address(peer));
}

}  // namespace sys_test
