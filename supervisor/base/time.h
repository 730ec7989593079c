// Time as the supervisor counts it: milliseconds of CLOCK_MONOTONIC, which every process of one boot
// shares, so that a deadline in a snapshot means the same to the master that adopts it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace baton {

using Millis = std::int64_t;

inline constexpr Millis never = INT64_MAX;

// CLOCK_MONOTONIC, in milliseconds. Any thread.
Millis monotonic_now();
// The same in microseconds, for what is measured.
std::int64_t monotonic_micros();
// CLOCK_REALTIME, in milliseconds since the epoch. Any thread.
Millis wall_now();

// "500ms", "5s", "10m", "1h" to milliseconds; a number with no unit, a sign or an overflow is an error.
Result<Millis> parse_duration(std::string_view text);
// The shortest exact form that parse_duration reads back.
std::string format_duration(Millis duration);
// Wall time as 2026-01-31T12:00:00.123Z.
std::string format_wall(Millis wall);

}  // namespace baton
