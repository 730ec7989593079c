#include "base/time.h"

#include <array>
#include <charconv>
#include <ctime>

#include <fmt/core.h>

namespace baton {
namespace {

struct Unit {
    std::string_view name;
    Millis millis;
};
constexpr std::array<Unit, 5> units{{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

std::int64_t micros(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

Millis read_clock(clockid_t clock) { return micros(clock) / 1'000; }

}  // namespace

Millis monotonic_now() {
    return read_clock(CLOCK_MONOTONIC);
}

std::int64_t monotonic_micros() {
    return micros(CLOCK_MONOTONIC);
}

Millis wall_now() {
    return read_clock(CLOCK_REALTIME);
}

Result<Millis> parse_duration(std::string_view text) {
    Millis count = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (ec == std::errc{} && count >= 0) {
        for (const Unit& known : units) {
            if (unit != known.name) continue;
            if (count > never / 2 / known.millis) break;
            return count * known.millis;
        }
    }
    return failed(fmt::format("'{}' is not a duration; write for example \"500ms\", \"5s\", \"10m\" or \"1h\"", text));
}

std::string format_duration(Millis duration) {
    if (duration == 0) return "0s";
    for (auto unit = units.rbegin(); unit != units.rend(); ++unit) {
        if (duration % unit->millis == 0) return fmt::format("{}{}", duration / unit->millis, unit->name);
    }
    return fmt::format("{}ms", duration);
}

std::string format_wall(Millis wall) {
    const std::time_t seconds = wall / 1000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, wall % 1000);
}

}  // namespace baton
