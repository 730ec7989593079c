// Slow start, Envoy's formula: an endpoint that has just come gets
//   weight * max(min_percent, (time / window) ^ (1 / aggression))
// and its whole weight when the window is over.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/time.h"

namespace baton::model {

struct SlowStart {
    Millis window = 0;        // 0: none
    double min_share = 0.10;  // Envoy's default
    double aggression = 1.0;  // above 1 grows faster at first
};

// Thousandths of its weight, 1 to 1000, for one that came `elapsed` ago.
inline std::uint32_t slow_start_share(const SlowStart& rule, Millis elapsed) {
    if (rule.window <= 0 || elapsed >= rule.window) return 1000;
    const double time = static_cast<double>(std::max<Millis>(elapsed, 1)) / static_cast<double>(rule.window);
    const double share = std::max(rule.min_share, std::pow(time, 1.0 / rule.aggression));
    return static_cast<std::uint32_t>(std::clamp(std::lround(share * 1000), 1L, 1000L));
}

}  // namespace baton::model
