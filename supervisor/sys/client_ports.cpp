#include "sys/client_ports.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "sys/file.h"

namespace baton::sys {
namespace {

// The list may have 65,536 numbers.
constexpr std::size_t settings_bytes = 512UL * 1024;

// "9000-9100" or "8080".
std::optional<PortRange> range_in(const std::string& text, const char* format) {
    unsigned first = 0;
    unsigned last = 0;
    const int found = std::sscanf(text.c_str(), format, &first, &last);
    if (found < 1) return {};
    if (found == 1) last = first;
    if (first > UINT16_MAX || last > UINT16_MAX || last < first) return {};
    return PortRange{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
}

}  // namespace

std::optional<PortRange> given_to_clients(PortRange wanted, const std::string& range, const std::string& reserved) {
    const auto clients = range_in(range, "%u %u");
    if (!clients) return {};
    const PortRange shared{std::max(wanted.first, clients->first), std::min(wanted.last, clients->last)};
    if (shared.first > shared.last) return {};
    // They are in order, and those that follow one another are one.
    std::string_view left = reserved;
    while (!left.empty()) {
        const auto comma = std::min(left.find(','), left.size());
        const auto kept = range_in(std::string(left.substr(0, comma)), "%u-%u");
        if (kept && kept->first <= shared.first && kept->last >= shared.last) return {};
        left.remove_prefix(std::min(comma + 1, left.size()));
    }
    return shared;
}

std::optional<PortRange> given_to_clients(PortRange wanted) {
    const auto range = read_file("/proc/sys/net/ipv4/ip_local_port_range", settings_bytes);
    const auto reserved = read_file("/proc/sys/net/ipv4/ip_local_reserved_ports", settings_bytes);
    if (!range) return {};
    return given_to_clients(wanted, *range, reserved ? *reserved : std::string());
}

}  // namespace baton::sys
