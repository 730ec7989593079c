#include "sys/listen.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

#include "sys/sockaddr.h"

namespace baton::sys {
namespace {

using model::Family;
using model::ListenerSpec;
using model::Protocol;

// A path's socket is bound under this name and moved to its own once it listens. The kernel keeps
// telling the name it was bound under, so identity_of takes the suffix off again.
constexpr std::string_view staging_suffix = ".baton-new";
constexpr std::size_t unix_path_bytes = 107;

std::string attempt(const ListenerSpec& listener) {
    return "bind " + model::to_string(listener.address) + " for listener " + listener.name + ": ";
}

Error refused(const ListenerSpec& listener, int code) {
    std::string reason = std::strerror(code);
    reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
    return Error(attempt(listener) + reason, code);
}

Error refused(const ListenerSpec& listener, const std::string& reason) {
    return failed(attempt(listener) + reason);
}

bool set_option(const UniqueFd& socket, int level, int option, int value = 1) {
    return ::setsockopt(socket.get(), level, option, &value, sizeof value) == 0;
}

int get_option(const UniqueFd& socket, int level, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    return ::getsockopt(socket.get(), level, option, &value, &length) == 0 ? value : -1;
}

int socket_type(const ListenerSpec& listener) {
    return listener.protocol == Protocol::udp ? SOCK_DGRAM : SOCK_STREAM;
}

// A socket bound at the listener's address, with SO_REUSEPORT set before (`join`) or not at all.
Result<UniqueFd> bind_inet(const ListenerSpec& listener, bool join) {
    const auto address = to_socket_address(listener.address);
    if (!address) return refused(listener, address.error().code());

    UniqueFd socket(::socket(address->family(), socket_type(listener) | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return refused(listener, errno);
    if (address->family() == AF_INET6 && !set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY))
        return refused(listener, errno);
    // Not for udp: there it means sharing, not a quick restart.
    if (listener.protocol != Protocol::udp && !set_option(socket, SOL_SOCKET, SO_REUSEADDR)) {
        return refused(listener, errno);
    }
    if (join && !set_option(socket, SOL_SOCKET, SO_REUSEPORT)) return refused(listener, errno);
    if (::bind(socket.get(), address->get(), address->length) != 0) return refused(listener, errno);
    return socket;
}

Result<UniqueFd> open_inet(const ListenerSpec& listener, Sharing sharing, bool first) {
    const bool group = sharing == Sharing::group;
    auto socket = bind_inet(listener, group && !first);
    if (!socket) return socket.error();
    // Bound without SO_REUSEPORT, so nobody else can be there; set now, others of ours can join. There is
    // no moment in which the address is free.
    if (group && first && !set_option(*socket, SOL_SOCKET, SO_REUSEPORT)) return refused(listener, errno);

    if (listener.protocol == Protocol::udp) {
        // A udp socket enters its group when it is bound, so one bound with the option from the start
        // takes the first one's place.
        if (group && first) return bind_inet(listener, true);
        return socket;
    }
    if (::listen(socket->get(), listener.backlog) != 0) return refused(listener, errno);
    return socket;
}

enum class Occupant { nobody, stale_socket, live_socket, not_a_socket };

Result<Occupant> occupant_of(const ListenerSpec& listener, const SocketAddress& address) {
    struct stat entry{};
    if (::lstat(listener.address.host.c_str(), &entry) != 0) {
        if (errno == ENOENT) return Occupant::nobody;
        return refused(listener, errno);
    }
    if (!S_ISSOCK(entry.st_mode)) return Occupant::not_a_socket;

    const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!client.valid()) return refused(listener, errno);
    if (::connect(client.get(), address.get(), address.length) == 0) return Occupant::live_socket;
    switch (errno) {
        case ECONNREFUSED: return Occupant::stale_socket;
        case ENOENT: return Occupant::nobody;
        // Its queue is full, or it is of another type.
        case EAGAIN:
        case EPROTOTYPE: return Occupant::live_socket;
        default: return refused(listener, errno);
    }
}

Result<UniqueFd> bind_unix(const ListenerSpec& listener, const SocketAddress& address) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return refused(listener, errno);
    if (::bind(socket.get(), address.get(), address.length) != 0) return refused(listener, errno);
    return socket;
}

// Bound under the staging name, where a leftover of a start that was cut short is swept away.
Result<UniqueFd> bind_staged(const ListenerSpec& listener, const ListenerSpec& staged) {
    const auto address = to_socket_address(staged.address);
    if (!address) return refused(listener, address.error().code());
    auto socket = bind_unix(listener, *address);
    if (socket || socket.error().code() != EADDRINUSE) return socket;
    const auto occupant = occupant_of(staged, *address);
    if (!occupant) return occupant.error();
    if (*occupant != Occupant::stale_socket || ::unlink(staged.address.host.c_str()) != 0) return socket;
    return bind_unix(listener, *address);
}

Result<UniqueFd> open_path(const ListenerSpec& listener, mode_t mode) {
    const auto address = to_socket_address(listener.address);
    if (!address) return refused(listener, address.error().code());
    const auto occupant = occupant_of(listener, *address);
    if (!occupant) return occupant.error();
    if (*occupant == Occupant::live_socket) return refused(listener, EADDRINUSE);
    if (*occupant == Occupant::not_a_socket)
        return refused(listener, "a file that is not a socket has this name");

    // A name too long for the suffix is bound as it is; a stale file is gone for a moment then.
    ListenerSpec staged = listener;
    const std::string& path = listener.address.host;
    const bool direct = path.size() + staging_suffix.size() > unix_path_bytes;
    if (!direct) staged.address.host += staging_suffix;
    const std::string& bound = staged.address.host;
    if (direct && *occupant == Occupant::stale_socket && ::unlink(path.c_str()) != 0)
        return refused(listener, errno);

    auto socket = direct ? bind_unix(listener, *address) : bind_staged(listener, staged);
    if (!socket) return socket.error();
    int code = 0;
    if (::chmod(bound.c_str(), mode) != 0 || ::listen(socket->get(), listener.backlog) != 0) {
        code = errno;
    } else if (!direct) {
        // Where nothing was, nothing may be overwritten that came meanwhile.
        const unsigned flags = *occupant == Occupant::nobody ? RENAME_NOREPLACE : 0U;
        if (::renameat2(AT_FDCWD, bound.c_str(), AT_FDCWD, path.c_str(), flags) != 0) code = errno;
    }
    if (code == 0) return socket;
    ::unlink(bound.c_str());
    return refused(listener, code == EEXIST ? EADDRINUSE : code);
}

Result<UniqueFd> open_abstract(const ListenerSpec& listener) {
    const auto address = to_socket_address(listener.address);
    if (!address) return refused(listener, address.error().code());
    auto socket = bind_unix(listener, *address);
    if (socket && ::listen(socket->get(), listener.backlog) != 0) return refused(listener, errno);
    return socket;
}

Result<void> test_path(const ListenerSpec& listener) {
    const std::string& path = listener.address.host;
    if (path.size() > unix_path_bytes) return refused(listener, ENAMETOOLONG);
    const auto slash = path.rfind('/');
    const std::string folder =
        slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return refused(listener, errno);
    struct stat entry{};
    if (::lstat(path.c_str(), &entry) == 0 && !S_ISSOCK(entry.st_mode)) {
        return refused(listener, "a file that is not a socket has this name");
    }
    return {};
}

short poll_now(const UniqueFd& socket, short events) {
    pollfd entry{socket.get(), events, 0};
    return ::poll(&entry, 1, 0) > 0 ? entry.revents : static_cast<short>(0);
}

// What the kernel's socket diagnosis tells of a unix socket: the attribute that answers `show`. Nothing
// where it cannot tell.
template <class Attribute>
std::optional<Attribute> diagnosed(const UniqueFd& socket, std::uint32_t show, std::uint16_t type) {
    struct stat entry{};
    const UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!netlink.valid() || ::fstat(socket.get(), &entry) != 0) return {};
    struct {
        nlmsghdr header;
        unix_diag_req request;
    } question{};
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.request.sdiag_family = AF_UNIX;
    question.request.udiag_ino = static_cast<std::uint32_t>(entry.st_ino);
    question.request.udiag_show = show;
    question.request.udiag_cookie[0] = ~0U;
    question.request.udiag_cookie[1] = ~0U;
    if (::send(netlink.get(), &question, sizeof question, 0) != sizeof question) return {};

    std::array<char, 512> answer{};
    const ssize_t got = ::recv(netlink.get(), answer.data(), answer.size(), MSG_DONTWAIT);
    nlmsghdr header{};
    std::size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(unix_diag_msg));
    if (got < static_cast<ssize_t>(at)) return {};
    std::memcpy(&header, answer.data(), sizeof header);
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return {};
    const std::size_t end = std::min<std::size_t>(static_cast<std::size_t>(got), header.nlmsg_len);
    while (at + sizeof(nlattr) <= end) {
        nlattr found{};
        std::memcpy(&found, answer.data() + at, sizeof found);
        if (found.nla_len < sizeof found || at + found.nla_len > end) return {};
        if (found.nla_type == type && found.nla_len >= NLA_HDRLEN + sizeof(Attribute)) {
            Attribute attribute{};
            std::memcpy(&attribute, answer.data() + at + NLA_HDRLEN, sizeof attribute);
            return attribute;
        }
        at += NLA_ALIGN(found.nla_len);
    }
    return {};
}

// The length of a unix socket's queue.
std::optional<std::uint32_t> diagnosed_queue(const UniqueFd& socket) {
    const auto lengths = diagnosed<unix_diag_rqlen>(socket, UDIAG_SHOW_RQLEN, UNIX_DIAG_RQLEN);
    if (!lengths) return {};
    return lengths->udiag_rqueue;
}

// The inode of the file that a unix socket was bound to, which a rename does not change.
std::optional<std::uint32_t> diagnosed_file(const UniqueFd& socket) {
    const auto file = diagnosed<unix_diag_vfs>(socket, UDIAG_SHOW_VFS, UNIX_DIAG_VFS);
    if (!file) return {};
    return file->udiag_vfs_ino;
}

Result<std::uint32_t> queued_connections(const UniqueFd& socket) {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
        return Error::system("read the queue of a listening socket", errno);
    }
    // Of a listening socket the field tells the queue's length (tcp_get_info in the kernel).
    return info.tcpi_state == TCP_LISTEN ? info.tcpi_unacked : 0U;
}

std::uint32_t queued_datagrams(const UniqueFd& socket) {
    if ((poll_now(socket, POLLIN) & POLLIN) == 0) return 0;
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    socklen_t length = sizeof memory;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &length);
    return std::max<std::uint32_t>(memory[SK_MEMINFO_RMEM_ALLOC], 1);
}

Result<SocketAddress> bound_address(const UniqueFd& socket) {
    SocketAddress address;
    address.length = sizeof address.storage;
    auto* raw = reinterpret_cast<sockaddr*>(&address.storage);
    if (::getsockname(socket.get(), raw, &address.length) != 0)
        return Error::system("read a socket's address", errno);
    return address;
}

}  // namespace

Result<UniqueFd> open_listener(const ListenerSpec& listener, Sharing sharing, bool first, mode_t mode) {
    switch (listener.address.family) {
        case Family::inet4:
        case Family::inet6: return open_inet(listener, sharing, first);
        case Family::unix_path: return open_path(listener, mode);
        case Family::unix_abstract: return open_abstract(listener);
    }
    return refused(listener, EAFNOSUPPORT);
}

bool port_is_free(std::uint16_t port) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        const UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
        const int on = 1;
        // As servers do: connections that have just ended are no obstacle.
        if (type == SOCK_STREAM) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == EADDRINUSE) return false;
    }
    return true;
}

Result<void> give_file(const std::string& path, uid_t uid) {
    if (::chown(path.c_str(), uid, static_cast<gid_t>(-1)) != 0) return Error::system("give " + path + " to user " + std::to_string(uid), errno);
    return {};
}

Result<void> test_address(const ListenerSpec& listener) {
    if (listener.address.family == Family::unix_path) return test_path(listener);
    if (listener.address.family == Family::unix_abstract) {
        const auto address = to_socket_address(listener.address);
        if (!address) return refused(listener, address.error().code());
        return {};
    }
    // The kernel asks whether the address exists, then whether it is permitted, then whether it is free.
    const auto socket = bind_inet(listener, false);
    if (!socket && socket.error().code() != EADDRINUSE) return socket.error();
    return {};
}

Result<std::uint64_t> cookie_of(const UniqueFd& socket) {
    std::uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0) return Error::system("read a socket's cookie", errno);
    return cookie;
}

std::string identity_of(const UniqueFd& socket) {
    const auto bound = bound_address(socket);
    if (!bound) return {};
    auto address = from_socket_address(*bound);
    if (!address) return {};

    ListenerSpec listener;
    const int type = get_option(socket, SOL_SOCKET, SO_TYPE);
    if (model::is_unix(*address)) {
        if (type != SOCK_STREAM) return {};
        if (address->family == Family::unix_path && address->host.ends_with(staging_suffix)) {
            address->host.resize(address->host.size() - staging_suffix.size());
        }
    } else {
        const int protocol = get_option(socket, SOL_SOCKET, SO_PROTOCOL);
        if (address->port == 0 || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)) return {};
        listener.protocol = protocol == IPPROTO_UDP ? Protocol::udp : Protocol::tcp;
    }
    listener.address = std::move(*address);
    return model::identity(listener);
}

bool is_listening(const UniqueFd& socket) {
    const auto bound = bound_address(socket);
    if (!bound) return false;
    const bool stream = get_option(socket, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
    if (stream && get_option(socket, SOL_SOCKET, SO_ACCEPTCONN) != 1) return false;
    if (!stream) {
        const auto address = from_socket_address(*bound);
        if (!address || address->port == 0) return false;
    }
    // unix and udp sockets stay as they were after a shutdown(), but for this.
    return (poll_now(socket, POLLRDHUP) & (POLLRDHUP | POLLHUP)) == 0;
}

Result<void> listen_again(const UniqueFd& socket, int backlog) {
    if (get_option(socket, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP) {
        return failed("listen again on " + identity_of(socket) +
                      ": the kernel cannot undo a shutdown of this kind of socket");
    }
    if (::listen(socket.get(), backlog) != 0)
        return Error::system("listen again on " + identity_of(socket), errno);
    return {};
}

Result<void> allow_others(const UniqueFd& socket) {
    if (set_option(socket, SOL_SOCKET, SO_REUSEPORT)) return {};
    return Error::system("share the address of " + identity_of(socket), errno);
}

Result<void> pass_queue_on(const UniqueFd& socket, int backlog) {
    if (::shutdown(socket.get(), SHUT_RD) != 0 && errno != ENOTCONN) {
        return Error::system("pass on the queue of " + identity_of(socket), errno);
    }
    return listen_again(socket, backlog);
}

bool takes_both_families(const UniqueFd& socket) {
    return get_option(socket, SOL_SOCKET, SO_DOMAIN) == AF_INET6 && get_option(socket, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
}

Result<std::uint32_t> queued(const UniqueFd& socket) {
    switch (get_option(socket, SOL_SOCKET, SO_DOMAIN)) {
        case AF_INET:
        case AF_INET6:
            if (get_option(socket, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP) return queued_connections(socket);
            return queued_datagrams(socket);
        case AF_UNIX: {
            if (const auto length = diagnosed_queue(socket)) return *length;
            return (poll_now(socket, POLLIN) & POLLIN) != 0 ? 1U : 0U;
        }
        default: return Error::system("read the queue of a listening socket", ENOTSOCK);
    }
}

Result<void> close_listener(UniqueFd socket) {
    const bool stream = get_option(socket, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
    // ENOTCONN: another holder was first.
    if (stream && ::shutdown(socket.get(), SHUT_RD) != 0 && errno != ENOTCONN) {
        return Error::system("close listener " + identity_of(socket), errno);
    }
    return {};
}

Result<void> remove_socket_file(const UniqueFd& socket) {
    ListenerSpec listener;
    constexpr std::string_view prefix = "unix:/";
    const std::string identity = identity_of(socket);
    if (!identity.starts_with(prefix)) return {};
    listener.name = identity;
    listener.address = model::Address{Family::unix_path, identity.substr(prefix.size() - 1), 0};
    const std::string& path = listener.address.host;

    struct stat entry{};
    if (::lstat(path.c_str(), &entry) != 0 || !S_ISSOCK(entry.st_mode)) return {};
    const auto own = diagnosed_file(socket);
    bool remove = own && *own == static_cast<std::uint32_t>(entry.st_ino);
    if (!remove) {
        // Another's, or one of which the kernel does not tell (an overlay has inodes of its own): then it
        // goes if nobody listens there.
        const auto address = to_socket_address(listener.address);
        if (!address) return refused(listener, address.error().code());
        const auto occupant = occupant_of(listener, *address);
        if (!occupant) return occupant.error();
        remove = *occupant == Occupant::stale_socket;
    }
    if (remove && ::unlink(path.c_str()) != 0 && errno != ENOENT) return Error::system("remove " + path, errno);
    return {};
}

model::Address reachable(const model::Address& address) {
    if (!is_wildcard(address)) return address;
    const bool v4 = address.family == Family::inet4;
    return model::Address{address.family, v4 ? "127.0.0.1" : "::1", address.port};
}

Result<UniqueFd> probe_socket(const model::Address& target, model::Address& source) {
    const auto what = [&] { return "open a probe to " + model::to_string(target); };
    source = reachable(target);
    source.port = 0;
    const auto address = to_socket_address(source);
    if (!address) return address.error().context(what());
    UniqueFd socket(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) return Error::system(what(), errno);
    if (address->family() == AF_UNIX) {
        source = model::Address{target.family, {}, 0};
        return socket;
    }
    // The target is an address of this host, so it is one to come from as well.
    if (::bind(socket.get(), address->get(), address->length) != 0) return Error::system(what(), errno);
    const auto bound = bound_address(socket);
    if (!bound) return bound.error();
    auto known = from_socket_address(*bound);
    if (!known) return known.error();
    source = std::move(*known);
    return socket;
}

}  // namespace baton::sys
