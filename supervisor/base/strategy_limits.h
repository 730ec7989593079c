// The limits of strategy plugins, each named once with the reason for its value. Those that a plugin's author
// has to know are in baton/strategy.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace baton::limits {

// A plugin's file: ours have less than 100 KiB, one with a runtime linked in has a few MiB.
inline constexpr std::size_t plugin_bytes = 64 * 1024 * 1024;
// Files looked at in one plugin directory.
inline constexpr std::size_t plugin_files = 256;
// A check must end within this; ours take less than 300 ms, on a starved host ten times as long. It is below the time
// after which a silent master is replaced.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr Millis plugin_check = 20'000;  // an order of magnitude slower, and with hardly any optimisation
#else
inline constexpr Millis plugin_check = 3'500;
#endif
// Processor time of a check, in seconds: what is left behind by a master that died ends by this.
inline constexpr std::uint32_t plugin_check_cpu_seconds = plugin_check / 1'000 + 1;
// Memory a plugin may take in its check, over what the process has: 1,000 endpoints in several states.
inline constexpr std::size_t plugin_check_memory_bytes = 1024UL * 1024 * 1024;
// What a check may say.
inline constexpr std::size_t plugin_check_output_bytes = 64 * 1024;
// Problems told of one file; further ones are counted.
inline constexpr std::size_t plugin_problems = 20;
// A call of a plugin on the data plane that lasts so long does not come back: picks take nanoseconds. To build for the
// most endpoints takes milliseconds, on a starved host much more. It is looked at this often while plugins are in force.
inline constexpr Millis plugin_call = 300;
inline constexpr Millis plugin_build = 2'000;
inline constexpr Millis plugin_call_look = 100;
// Why a plugin refused its options or its endpoints.
inline constexpr std::size_t plugin_error_bytes = 1'024;
// Lines a second that one plugin may log.
inline constexpr std::uint32_t plugin_log_lines = 20;
// One line of its log; a longer one is cut.
inline constexpr std::size_t plugin_log_line_bytes = 1'024;
// The reasons of one decision of a scheduler or failover strategy.
inline constexpr std::size_t plugin_reason_bytes = 64 * 1024;
// Symbols of a plugin's file.
inline constexpr std::size_t plugin_symbols = 1'000'000;

}  // namespace baton::limits
