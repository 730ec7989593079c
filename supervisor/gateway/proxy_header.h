// The PROXY header, with which a balancer in front tells who the client is, and this one tells its instances
// (the PROXY protocol, versions 1 and 2, of haproxy.org).
//
// Pure: bytes in, addresses out, and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/pool.h"
#include "model/service.h"

namespace baton::gateway {

// more   it is not all here.
// bad    this is none, or a malformed one: the connection is not from whom it should be from.
// whole  `size` bytes; `client` is empty where the sender speaks for itself (LOCAL, UNKNOWN) or for a unix
//        socket: then the connection's own address counts.
struct ProxyHeader {
    enum class Kind { more, bad, whole } kind = Kind::more;
    std::size_t size = 0;
    std::optional<ClientAddress> client;
};
ProxyHeader read_proxy_header(std::string_view bytes);

// Which `version` is none gives nothing. `connected_to`: where the client is connected; of one that a header has
// announced, what that said is told again instead. Families that differ, and unix sockets, are told as unknown.
std::string write_proxy_header(model::ProxyProtocol version, const ClientAddress& from, const ClientAddress& connected_to);

// The longest one that is read: version 2 with options.
inline constexpr std::size_t proxy_header_bytes = 4096;

}  // namespace baton::gateway
