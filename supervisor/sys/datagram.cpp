#include "sys/datagram.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <fmt/core.h>

#include "model/address.h"
#include "sys/sockaddr.h"

namespace baton::sys {
namespace {

// The kernel's SCM_MAX_FD: more cannot come in one datagram.
constexpr std::size_t most_descriptors = 253;

void take_control(msghdr& message, Datagram& datagram) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET) continue;
        if (part->cmsg_type == SCM_CREDENTIALS) {
            ucred sender{};
            std::memcpy(&sender, CMSG_DATA(part), sizeof(sender));
            datagram.sender = Sender{sender.pid, sender.uid};
        }
        if (part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int raw = -1;
            std::memcpy(&raw, CMSG_DATA(part) + i * sizeof(int), sizeof(raw));
            datagram.descriptors.emplace_back(raw);
        }
    }
}

}  // namespace

Result<UniqueFd> open_datagram_socket(const std::string& path, std::optional<uid_t> only) {
    const auto address = to_socket_address({model::Family::unix_path, path, 0});
    if (!address) return address.error().context("bind " + path);
    UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) return Error::system("create a datagram socket", errno);
    const int on = 1;
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0) {
        return Error::system("ask for the senders on " + path, errno);
    }
    const auto bind = [&] { return ::bind(socket.get(), address->get(), address->length) == 0; };
    bool bound = bind();
    if (!bound && errno == EADDRINUSE) {
        struct stat present {};
        if (::lstat(path.c_str(), &present) == 0 && !S_ISSOCK(present.st_mode))
            return failed("bind " + path + ": a file that is no socket is in the way");
        if (::unlink(path.c_str()) != 0 && errno != ENOENT)
            return Error::system("remove the old socket " + path, errno);
        bound = bind();
    }
    if (!bound) return Error::system("bind " + path, errno);
    if (only && ::chown(path.c_str(), *only, static_cast<gid_t>(-1)) != 0)
        return Error::system(fmt::format("give {} to user {}", path, *only), errno);
    if (::chmod(path.c_str(), only ? 0600 : 0666) != 0) return Error::system("set the mode of " + path, errno);
    return socket;
}

Result<std::optional<Datagram>> receive_datagram(const UniqueFd& socket, std::size_t limit) {
    Datagram datagram;
    datagram.bytes.resize(limit);
    iovec place{datagram.bytes.data(), datagram.bytes.size()};
    alignas(cmsghdr)
        std::array<char, CMSG_SPACE(most_descriptors * sizeof(int)) + CMSG_SPACE(sizeof(ucred))>
            control;
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = -1;
    do {
        got = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::optional<Datagram>();
    if (got < 0) return Error::system("receive a datagram", errno);
    take_control(message, datagram);
    datagram.bytes.resize(static_cast<std::size_t>(got));
    datagram.cut = (message.msg_flags & MSG_TRUNC) != 0;
    return std::optional<Datagram>(std::move(datagram));
}

Result<void> send_datagram(const std::string& path, const std::string& bytes, const UniqueFd* descriptor, int patience_ms, pid_t in_place_of) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) return Error::system("send to " + path, ENAMETOOLONG);
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path.front() == '@') address.sun_path[0] = '\0';
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return Error::system("create a datagram socket", errno);
    const timeval patience{patience_ms / 1000, static_cast<suseconds_t>(patience_ms % 1000) * 1000};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);

    iovec place{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))> control{};
    std::size_t used = 0;
    const auto attach = [&](int type, const auto& value) {
        auto* part = reinterpret_cast<cmsghdr*>(control.data() + used);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = type;
        part->cmsg_len = CMSG_LEN(sizeof value);
        std::memcpy(CMSG_DATA(part), &value, sizeof value);
        used += CMSG_SPACE(sizeof value);
    };
    if (descriptor != nullptr) attach(SCM_RIGHTS, descriptor->get());
    if (in_place_of != 0) attach(SCM_CREDENTIALS, ucred{in_place_of, ::geteuid(), ::getegid()});
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path.front() == '@' ? 0 : 1));
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = used > 0 ? control.data() : nullptr;
    message.msg_controllen = used;
    if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL | (patience_ms == 0 ? MSG_DONTWAIT : 0)) < 0) return Error::system("send to " + path, errno);
    return {};
}

}  // namespace baton::sys
