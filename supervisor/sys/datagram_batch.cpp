#include "sys/datagram_batch.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace baton::sys {
namespace {

template <class T>
void put(void* to, const T& value) {
    std::memcpy(to, &value, sizeof(value));
}

template <class T>
T get(const void* from) {
    T value{};
    std::memcpy(&value, from, sizeof(value));
    return value;
}

// Adds what says by which address of this host it leaves; the bytes of control it takes.
std::size_t leave_by(const DatagramEnds& ends, int family, char* control) {
    auto* part = reinterpret_cast<cmsghdr*>(control);
    if (family == AF_INET) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, ends.here.data(), sizeof(info.ipi_spec_dst));
        part->cmsg_level = IPPROTO_IP;
        part->cmsg_type = IP_PKTINFO;
        part->cmsg_len = CMSG_LEN(sizeof(info));
        put(CMSG_DATA(part), info);
        return CMSG_SPACE(sizeof(info));
    }
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, ends.here.data(), sizeof(info.ipi6_addr));
    info.ipi6_ifindex = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? ends.interface : 0;
    part->cmsg_level = IPPROTO_IPV6;
    part->cmsg_type = IPV6_PKTINFO;
    part->cmsg_len = CMSG_LEN(sizeof(info));
    put(CMSG_DATA(part), info);
    return CMSG_SPACE(sizeof(info));
}

}  // namespace

SocketAddress DatagramEnds::peer_address() const {
    SocketAddress address;
    std::memcpy(&address.storage, peer.data(), peer.size());
    address.length = address.family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    return address;
}

DatagramBatch::DatagramBatch(std::size_t most, std::size_t bytes)
    : bytes_(bytes), room_(new char[most * bytes]), parts_(most), peers_(most), controls_(most), received_(most), sent_(most) {}

DatagramBatch::Outcome DatagramBatch::receive(const UniqueFd& socket) {
    for (std::size_t i = 0; i < received_.size(); ++i) {
        parts_[i] = {room_.get() + i * bytes_, bytes_};
        msghdr& header = received_[i].msg_hdr;
        header = {};
        header.msg_name = &peers_[i].storage;
        header.msg_namelen = sizeof(peers_[i].storage);
        header.msg_iov = &parts_[i];
        header.msg_iovlen = 1;
        header.msg_control = controls_[i].bytes.data();
        header.msg_controllen = controls_[i].bytes.size();
    }
    size_ = 0;
    for (;;) {
        const int count = ::recvmmsg(socket.get(), received_.data(), static_cast<unsigned>(received_.size()), MSG_DONTWAIT, nullptr);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return {0, errno == EWOULDBLOCK ? EAGAIN : errno};
        size_ = static_cast<std::size_t>(count);
        return {size_, 0};
    }
}

std::string_view DatagramBatch::bytes(std::size_t index) const {
    return {room_.get() + index * bytes_, received_[index].msg_len};
}

DatagramEnds DatagramBatch::ends(std::size_t index) const {
    DatagramEnds ends;
    const sockaddr_storage& from = peers_[index].storage;
    if (from.ss_family == AF_INET) {
        auto in = get<sockaddr_in>(&from);
        std::memset(in.sin_zero, 0, sizeof(in.sin_zero));
        put(ends.peer.data(), in);
    } else {
        auto in = get<sockaddr_in6>(&from);
        in.sin6_flowinfo = 0;
        put(ends.peer.data(), in);
    }
    const msghdr& header = received_[index].msg_hdr;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(const_cast<msghdr*>(&header), part)) {
        if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
            const auto info = get<in_pktinfo>(CMSG_DATA(part));
            std::memcpy(ends.here.data(), &info.ipi_spec_dst, sizeof(info.ipi_spec_dst));
        }
        if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
            const auto info = get<in6_pktinfo>(CMSG_DATA(part));
            std::memcpy(ends.here.data(), &info.ipi6_addr, sizeof(info.ipi6_addr));
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) ends.interface = info.ipi6_ifindex;
        }
    }
    return ends;
}

DatagramBatch::Outcome DatagramBatch::send_headers(const UniqueFd& socket, std::size_t first, std::size_t count) {
    for (;;) {
        const int sent = ::sendmmsg(socket.get(), sent_.data() + first, static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return {0, errno == EWOULDBLOCK ? EAGAIN : errno};
        return {static_cast<std::size_t>(sent), 0};
    }
}

DatagramBatch::Outcome DatagramBatch::send(const UniqueFd& connected, std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i) {
        parts_[i].iov_len = received_[i].msg_len;
        sent_[i].msg_hdr = {};
        sent_[i].msg_hdr.msg_iov = &parts_[i];
        sent_[i].msg_hdr.msg_iovlen = 1;
    }
    return send_headers(connected, first, count);
}

DatagramBatch::Outcome DatagramBatch::send_to(const UniqueFd& socket, std::size_t first, std::size_t count, const DatagramEnds& ends) {
    SocketAddress peer = ends.peer_address();
    const bool by_own = std::any_of(ends.here.begin(), ends.here.end(), [](std::uint8_t byte) { return byte != 0; });
    Control control{};
    const std::size_t used = by_own ? leave_by(ends, peer.family(), control.bytes.data()) : 0;
    for (std::size_t i = first; i < first + count; ++i) {
        parts_[i].iov_len = received_[i].msg_len;
        msghdr& header = sent_[i].msg_hdr;
        header = {};
        header.msg_name = &peer.storage;
        header.msg_namelen = peer.length;
        header.msg_iov = &parts_[i];
        header.msg_iovlen = 1;
        header.msg_control = used > 0 ? control.bytes.data() : nullptr;
        header.msg_controllen = used;
    }
    return send_headers(socket, first, count);
}

void prepare_datagrams(const UniqueFd& listener, int queue_bytes) {
    ::setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &queue_bytes, sizeof(queue_bytes));
    const SocketAddress bound = local_address(listener);
    const int on = 1;
    if (bound.family() == AF_INET && get<sockaddr_in>(&bound.storage).sin_addr.s_addr == htonl(INADDR_ANY)) {
        ::setsockopt(listener.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    }
    const auto in6 = get<sockaddr_in6>(&bound.storage);
    if (bound.family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr)) {
        ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    }
}

Connected connect_datagrams(const SocketAddress& address) {
    UniqueFd socket(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) return {UniqueFd(), errno};
    if (::connect(socket.get(), address.get(), address.length) != 0) return {UniqueFd(), errno};
    return {std::move(socket), 0};
}

}  // namespace baton::sys
