#include "sys/sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace baton::sys {
namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

// The kernel's structures overlay one another; copying in and out keeps that within the language.
template <class T>
SocketAddress overlay(const T& value, std::size_t length = sizeof(T)) {
    SocketAddress address;
    std::memcpy(&address.storage, &value, sizeof(T));
    address.length = static_cast<socklen_t>(length);
    return address;
}

template <class T>
T view(const SocketAddress& address) {
    T value{};
    std::memcpy(&value, &address.storage, sizeof(T));
    return value;
}

// A zero byte ends it for inet_pton, and for nobody who has read it before.
bool parse(int family, const std::string& host, void* into) {
    return host.find('\0') == std::string::npos && ::inet_pton(family, host.c_str(), into) == 1;
}

Result<SocketAddress> unix_address(const model::Address& address) {
    const bool abstract = address.family == model::Family::unix_abstract;
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    // A path keeps the zero at its end, an abstract name starts with one.
    if (address.host.empty() || address.host.size() >= sizeof(un.sun_path)) {
        return Error::system(model::to_string(address), ENAMETOOLONG);
    }
    std::memcpy(un.sun_path + (abstract ? 1 : 0), address.host.data(), address.host.size());
    return overlay(un, path_offset + address.host.size() + 1);
}

Result<model::Address> from_unix(const SocketAddress& address) {
    const auto un = view<sockaddr_un>(address);
    if (address.length <= path_offset) return failed("the unix socket has no name");
    const std::size_t length = address.length - path_offset;
    if (un.sun_path[0] == '\0') {
        return model::Address{model::Family::unix_abstract, std::string(un.sun_path + 1, length - 1), 0};
    }
    return model::Address{model::Family::unix_path, std::string(un.sun_path, ::strnlen(un.sun_path, length)),
                          0};
}

}  // namespace

const sockaddr* SocketAddress::get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
}

Result<SocketAddress> to_socket_address(const model::Address& address) {
    if (model::is_unix(address)) return unix_address(address);
    if (address.family == model::Family::inet4) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(address.port);
        if (parse(AF_INET, address.host, &in.sin_addr)) return overlay(in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(address.port);
        if (parse(AF_INET6, address.host, &in.sin6_addr)) return overlay(in);
    }
    return Error::system(model::to_string(address), EINVAL);
}

Result<model::Address> from_socket_address(const SocketAddress& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    switch (address.family()) {
        case AF_UNIX: return from_unix(address);
        case AF_INET: {
            const auto in = view<sockaddr_in>(address);
            ::inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
            return model::Address{model::Family::inet4, text.data(), ntohs(in.sin_port)};
        }
        case AF_INET6: {
            const auto in = view<sockaddr_in6>(address);
            ::inet_ntop(AF_INET6, &in.sin6_addr, text.data(), text.size());
            return model::Address{model::Family::inet6, text.data(), ntohs(in.sin6_port)};
        }
        default: return failed("the socket is of a family that is not supported");
    }
}

bool is_wildcard(const model::Address& address) {
    return (address.family == model::Family::inet4 && address.host == "0.0.0.0") ||
           (address.family == model::Family::inet6 && address.host == "::");
}

}  // namespace baton::sys
