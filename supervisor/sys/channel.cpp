#include "sys/channel.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/limits.h"

namespace baton::sys {
namespace {

constexpr std::size_t control_bytes = CMSG_SPACE(limits::message_descriptors * sizeof(int));

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> make_channel() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
        return Error::system("create a channel", errno);
    }
    std::pair<UniqueFd, UniqueFd> channel{UniqueFd(ends[0]), UniqueFd(ends[1])};
    // The largest message must fit beside a few small ones; where the limit is lower the kernel clips it.
    const int size = static_cast<int>(limits::message_bytes * 4);
    for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return channel;
}

Result<void> send_message(const UniqueFd& channel, std::string_view bytes, const std::vector<int>& descriptors) {
    const bool fits = !bytes.empty() && bytes.size() <= limits::message_bytes && descriptors.size() <= limits::message_descriptors;
    if (!fits) return Error::system("send a message", EMSGSIZE);
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, control_bytes> control{};
    if (!descriptors.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
        std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size() * sizeof(int));
    }
    for (;;) {
        if (::sendmsg(channel.get(), &header, MSG_NOSIGNAL) >= 0) return {};
        if (errno != EINTR) return Error::system("send a message", errno);
    }
}

Result<Received> receive_message(const UniqueFd& channel) {
    // Not initialised, and what is given away is as long as the message: many may wait to be looked at.
    std::array<char, limits::message_bytes> room;
    iovec part{room.data(), room.size()};
    alignas(cmsghdr) std::array<char, control_bytes> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t got = -1;
    // A peer that died with unread messages of ours resets the pair. That is told once, ahead of what it has sent
    // before: its messages come first, and then its end.
    do {
        got = ::recvmsg(channel.get(), &header, MSG_CMSG_CLOEXEC);
    } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0) return Error::system("receive a message", errno);

    Received received;
    for (cmsghdr* rights = CMSG_FIRSTHDR(&header); rights != nullptr; rights = CMSG_NXTHDR(&header, rights)) {
        if (rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int raw = -1;
            std::memcpy(&raw, CMSG_DATA(rights) + i * sizeof(int), sizeof(int));
            received.descriptors.emplace_back(raw);
        }
    }
    received.cut = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    if (received.cut) received.descriptors.clear();
    received.bytes.assign(room.data(), static_cast<std::size_t>(got));
    return received;
}

}  // namespace baton::sys
