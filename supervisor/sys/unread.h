// Whether the other side of a channel reads: one that does not is stopped, or hangs.
#pragma once

#include <cstddef>

#include "sys/descriptor.h"

namespace baton::sys {

// What was sent over this unix socket and not read by the other side yet, as the kernel counts its memory; 0 exactly
// when it has read all.
std::size_t unread(const UniqueFd& channel);

}  // namespace baton::sys
