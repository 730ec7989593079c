// Addresses between the model's form and the kernel's.
#pragma once

#include <sys/socket.h>

#include "base/result.h"
#include "model/address.h"

namespace baton::sys {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const;
    int family() const { return storage.ss_family; }
};

// An error where a unix name is too long or a host is not numeric.
Result<SocketAddress> to_socket_address(const model::Address& address);
// An error for an unnamed unix socket and for families the model does not know.
Result<model::Address> from_socket_address(const SocketAddress& address);
// 0.0.0.0 and [::].
bool is_wildcard(const model::Address& address);

}  // namespace baton::sys
