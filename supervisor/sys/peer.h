// The other end of a unix stream socket: taking a connection, and who made it.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

// Whom the kernel says the other end was when it connected.
struct Peer {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};

// The next connection waiting on `listening`, non-blocking; an invalid descriptor where none waits
// (another process may have taken it). `listening` must be non-blocking.
Result<UniqueFd> accept_connection(const UniqueFd& listening);

Result<Peer> peer_of(const UniqueFd& connection);

// Sends as much of `bytes` as fits without waiting, for a farewell to a client that is turned away.
void send_farewell(const UniqueFd& connection, std::string_view bytes);

}  // namespace baton::sys
