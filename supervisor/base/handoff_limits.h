// The limits of lines to instances (delivery = "handoff"), beside those of baton/handoff.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace baton::limits {

// A worker that leaves waits so long for an instance to have its connections counted by others; one that does
// not speak in time keeps them, uncounted.
inline constexpr Millis line_leaving = 1'000;
// Instances that one client is offered to, each of which breaks its line without having taken it. After so many the
// client is closed: where there is one instance, or failures take none out, it would be offered again for ever.
inline constexpr std::uint8_t guest_offers = 8;
// Reports that are read at once, and before the others have their turn.
inline constexpr std::size_t line_read_bytes = 4'096;
// The largest report: this version's has 16 bytes, and later ones are not much longer.
inline constexpr std::size_t line_report_bytes = 256;
// Connections that one line may say it has: more than a process has descriptors for.
inline constexpr std::uint64_t line_connections = 1'048'576;

}  // namespace baton::limits
