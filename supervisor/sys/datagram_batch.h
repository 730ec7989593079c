// Datagrams of the data plane: many are read and written by one system call, and none waits. Failures are errno
// values, as nothing may be allocated on this path.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sys/descriptor.h"
#include "sys/sockaddr.h"
#include "sys/stream.h"

namespace baton::sys {

// Who sent a datagram, and which of this host's addresses it was sent to; an answer goes the same way back. As
// plain bytes, without gaps, so that it can be hashed and passed to another process.
struct DatagramEnds {
    std::array<std::uint8_t, 28> peer{};  // sockaddr_in or sockaddr_in6
    std::array<std::uint8_t, 16> here{};  // in network order; all zero where the socket is bound to one address
    std::uint32_t interface = 0;          // the one it came by, for answers from a link-local address

    SocketAddress peer_address() const;
    friend bool operator==(const DatagramEnds&, const DatagramEnds&) = default;
};
static_assert(sizeof(DatagramEnds) == 48);

class DatagramBatch {
  public:
    // Room for so many datagrams of at most so many bytes. A longer one is cut by the kernel.
    DatagramBatch(std::size_t most, std::size_t bytes);
    DatagramBatch(const DatagramBatch&) = delete;
    DatagramBatch& operator=(const DatagramBatch&) = delete;

    // `count` of them were read or written; `error`: why not even one was. EAGAIN: nothing now, or no room.
    struct Outcome {
        std::size_t count = 0;
        int error = 0;
    };
    // In place of what was here. A connected socket tells by ECONNREFUSED that nobody is at its other end.
    Outcome receive(const UniqueFd& socket);

    std::size_t size() const { return size_; }
    std::string_view bytes(std::size_t index) const;
    // Of an unconnected socket.
    DatagramEnds ends(std::size_t index) const;

    // From `first` on, at most `count` of those that are here.
    Outcome send(const UniqueFd& connected, std::size_t first, std::size_t count);
    Outcome send_to(const UniqueFd& socket, std::size_t first, std::size_t count, const DatagramEnds& ends);

  private:
    static constexpr std::size_t control_bytes = 64;  // one pktinfo, of either family
    struct Control {
        alignas(cmsghdr) std::array<char, control_bytes> bytes;
    };
    Outcome send_headers(const UniqueFd& socket, std::size_t first, std::size_t count);

    std::size_t bytes_;
    std::unique_ptr<char[]> room_;
    std::vector<iovec> parts_;
    std::vector<SocketAddress> peers_;
    std::vector<Control> controls_;
    std::vector<mmsghdr> received_;
    std::vector<mmsghdr> sent_;
    std::size_t size_ = 0;
};

// A listening datagram socket: what waits there may be so much, and it tells which address of this host a
// datagram was sent to, where it is bound to all of them.
void prepare_datagrams(const UniqueFd& listener, int queue_bytes);
// A socket that sends to this address and hears from nobody else.
Connected connect_datagrams(const SocketAddress& address);

}  // namespace baton::sys
