// Unix datagram sockets that many senders write to and one process reads.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

// A socket bound to `path`, close-on-exec and non-blocking, that tells who sent each datagram. A
// socket file that is there already is replaced; anything else at that name is an error. Who may write:
// `only` this user (and root), or everybody. To name another user than its own, a process must be root.
Result<UniqueFd> open_datagram_socket(const std::string& path, std::optional<uid_t> only);

// As the kernel knows it; the process may have ended since.
struct Sender {
    pid_t pid = 0;
    uid_t uid = 0;
};

struct Datagram {
    std::string bytes;
    bool cut = false;  // it was longer than the limit; `bytes` is its start
    std::vector<UniqueFd> descriptors;
    std::optional<Sender> sender;
};
// The next datagram waiting, up to `limit` bytes; empty when there is none.
Result<std::optional<Datagram>> receive_datagram(const UniqueFd& socket, std::size_t limit);

// One datagram, with at most one descriptor, to the socket of that name ('@' begins an abstract one). Waits
// up to `patience_ms` for room in the reader's queue, by default not at all. `in_place_of`: the process that the
// reader shall take for the sender, for which the kernel wants CAP_SYS_ADMIN (EPERM); 0: this one.
Result<void> send_datagram(const std::string& path, const std::string& bytes, const UniqueFd* descriptor = nullptr, int patience_ms = 0,
                           pid_t in_place_of = 0);

}  // namespace baton::sys
