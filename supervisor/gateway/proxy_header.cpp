#include "gateway/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "model/address.h"
#include "sys/sockaddr.h"

namespace baton::gateway {
namespace {

using Kind = ProxyHeader::Kind;

constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t head_bytes = 16;   // signature, version and command, family, length
constexpr std::size_t line_bytes = 107;  // of version 1, with its end

bool starts_alike(std::string_view bytes, std::string_view whole) {
    const std::size_t size = std::min(bytes.size(), whole.size());
    return bytes.substr(0, size) == whole.substr(0, size);
}

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    return port;
}

std::optional<ClientAddress> address_of(model::Family family, std::string_view host, std::string_view port) {
    const auto number = port_of(port);
    if (!number) return std::nullopt;
    const auto address = sys::to_socket_address({family, std::string(host), *number});
    return address ? std::optional(ClientAddress(*address)) : std::nullopt;
}

void announce(ClientAddress& client, const std::array<std::uint8_t, 16>& to, std::uint16_t port) {
    client.announced = true;
    client.to = to;
    client.to_port = port;
}

// PROXY TCP4 192.0.2.1 192.0.2.2 4711 80
ProxyHeader read_line(std::string_view bytes) {
    const std::size_t end = bytes.substr(0, line_bytes).find("\r\n");
    if (end == std::string_view::npos) return {bytes.size() < line_bytes ? Kind::more : Kind::bad, 0, {}};
    std::vector<std::string_view> words;
    for (std::string_view rest = bytes.substr(0, end); words.size() < 7;) {
        const std::size_t blank = rest.find(' ');
        words.push_back(rest.substr(0, blank));
        if (blank == std::string_view::npos) break;
        rest.remove_prefix(blank + 1);
    }
    if (words.size() >= 2 && words[1] == "UNKNOWN") return {Kind::whole, end + 2, {}};
    if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return {Kind::bad, 0, {}};
    const model::Family family = words[1] == "TCP4" ? model::Family::inet4 : model::Family::inet6;
    auto client = address_of(family, words[2], words[4]);
    const auto here = address_of(family, words[3], words[5]);
    if (!client || !here) return {Kind::bad, 0, {}};
    announce(*client, here->bytes, here->port);
    return {Kind::whole, end + 2, client};
}

ProxyHeader read_binary(std::string_view bytes) {
    if (bytes.size() < head_bytes) return {};
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    const std::size_t size = head_bytes + static_cast<std::size_t>(byte(14) << 8U | byte(15));
    if (byte(12) >> 4U != 2 || (byte(12) & 15U) > 1 || size > proxy_header_bytes) return {Kind::bad, 0, {}};
    if (bytes.size() < size) return {};
    const std::size_t width = byte(13) == 0x11 || byte(13) == 0x12 ? 4 : byte(13) == 0x21 || byte(13) == 0x22 ? 16 : 0;
    if ((byte(12) & 15U) == 0 || width == 0) return {Kind::whole, size, {}};
    if (size < head_bytes + 2 * width + 4) return {Kind::bad, 0, {}};
    const std::size_t port = head_bytes + 2 * width;
    const auto* raw = reinterpret_cast<const std::uint8_t*>(bytes.data()) + head_bytes;
    const auto number = [&](std::size_t at) { return static_cast<std::uint16_t>(byte(at) << 8U | byte(at + 1)); };
    ClientAddress client({raw, width}, number(port));
    std::array<std::uint8_t, 16> to{};
    std::copy_n(raw + width, width, to.begin());
    announce(client, to, number(port + 2));
    return {Kind::whole, size, std::move(client)};
}

std::string two_bytes(std::size_t number) {
    return {static_cast<char>(number >> 8U), static_cast<char>(number & 255U)};
}

std::string_view raw_of(const ClientAddress& address) {
    return {reinterpret_cast<const char*>(address.bytes.data()), address.size};
}

}  // namespace

ProxyHeader read_proxy_header(std::string_view bytes) {
    if (starts_alike(bytes, signature)) return read_binary(bytes);
    if (starts_alike(bytes, "PROXY ")) return bytes.size() < 6 ? ProxyHeader{} : read_line(bytes);
    return {Kind::bad, 0, {}};
}

std::string write_proxy_header(model::ProxyProtocol version, const ClientAddress& from, const ClientAddress& connected_to) {
    if (version == model::ProxyProtocol::none) return {};
    const ClientAddress to = from.announced ? ClientAddress(std::span(from.to).first(from.size), from.to_port) : connected_to;
    const bool known = from.size > 0 && from.size == to.size;
    switch (version) {
        case model::ProxyProtocol::none: return {};
        case model::ProxyProtocol::v1:
            if (!known) return "PROXY UNKNOWN\r\n";
            return fmt::format("PROXY TCP{} {} {} {} {}\r\n", from.size == 4 ? 4 : 6, from.text, to.text, from.port, to.port);
        case model::ProxyProtocol::v2: {
            std::string out(signature);
            if (!known) return out + std::string("\x20\0\0\0", 4);
            out += "\x21";
            out += from.size == 4 ? "\x11" : "\x21";
            out += two_bytes(2U * from.size + 4);
            (out += raw_of(from)) += raw_of(to);
            return out + two_bytes(from.port) + two_bytes(to.port);
        }
    }
    return {};
}

}  // namespace baton::gateway
