// The ports that the kernel gives to clients of this host, which a program that wants one of them may find taken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace baton::sys {

struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    friend bool operator==(const PortRange&, const PortRange&) = default;
};

// The part of `wanted` that the kernel gives to clients: what lies in `range` (ip_local_port_range, "32768\t60999") and
// is not wholly among `reserved` (ip_local_reserved_ports, "8080,9000-9100"). Nothing where either cannot be read.
std::optional<PortRange> given_to_clients(PortRange wanted, const std::string& range, const std::string& reserved);
// The same of this host, for the network this process is in.
std::optional<PortRange> given_to_clients(PortRange wanted);

}  // namespace baton::sys
