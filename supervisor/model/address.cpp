#include "model/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <array>
#include <charconv>

#include <fmt/core.h>

namespace baton::model {
namespace {

constexpr std::size_t unix_path_bytes = sizeof(sockaddr_un::sun_path) - 1;

Error malformed(std::string_view text, std::string_view why) {
    return failed(fmt::format("'{}' is not an address: {}; write HOST:PORT, [V6]:PORT, unix:/PATH or unix:@NAME", text, why));
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view whole) {
    unsigned port = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (ec != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65535) {
        return malformed(whole, "the port must be a number from 1 to 65535");
    }
    return static_cast<std::uint16_t>(port);
}

Result<Address> parse_unix(std::string_view name, std::string_view whole) {
    const bool abstract = name.starts_with('@');
    if (abstract) name.remove_prefix(1);
    if (name.empty()) return malformed(whole, "the name is empty");
    if (name.size() > unix_path_bytes - (abstract ? 1U : 0U)) {
        return malformed(whole, fmt::format("a unix socket's name has at most {} bytes", unix_path_bytes));
    }
    return Address{abstract ? Family::unix_abstract : Family::unix_path, std::string(name), 0};
}

// The numeric form the kernel would print, or an empty string.
std::string canonical(int family, const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> binary{};
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (::inet_pton(family, host.c_str(), binary.data()) != 1) return {};
    return ::inet_ntop(family, binary.data(), text.data(), text.size());
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
    if (text.starts_with("unix:")) return parse_unix(text.substr(5), text);

    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return malformed(text, "the port is missing");
    std::string_view host = text.substr(0, colon);
    const auto port = parse_port(text.substr(colon + 1), text);
    if (!port) return port.error();

    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
        auto numeric = canonical(AF_INET6, std::string(host));
        if (numeric.empty()) return malformed(text, "the host in brackets is not an IPv6 address");
        return Address{Family::inet6, std::move(numeric), *port};
    }
    auto numeric = host == "*" ? std::string("0.0.0.0") : canonical(AF_INET, std::string(host));
    if (numeric.empty() && host == "localhost") numeric = "127.0.0.1";
    if (numeric.empty()) return malformed(text, "the host must be a numeric address (IPv6 in brackets)");
    return Address{Family::inet4, std::move(numeric), *port};
}

std::string to_string(const Address& address) {
    switch (address.family) {
        case Family::inet4: return fmt::format("{}:{}", address.host, address.port);
        case Family::inet6: return fmt::format("[{}]:{}", address.host, address.port);
        case Family::unix_path: return "unix:" + address.host;
        case Family::unix_abstract: return "unix:@" + address.host;
    }
    return {};
}

bool is_unix(const Address& address) {
    return address.family == Family::unix_path || address.family == Family::unix_abstract;
}

}  // namespace baton::model
