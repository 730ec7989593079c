// The limits of what makes an instance count, beside those of instances in base/limits.h.
#pragma once

#include "base/time.h"

namespace baton::limits {

// Where no probe tells of readiness, a program that was started is ready at once, and counts when it has lived for
// so long: one that cannot work (a wrong option, a missing library) mostly ends within some ten milliseconds.
inline constexpr Millis started_proves = 100;

}  // namespace baton::limits
