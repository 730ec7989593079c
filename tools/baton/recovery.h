// The verdict of an upgrade whose connection broke: asked of whoever owns the instances afterwards.
#pragma once

#include <cstdint>

#include "attempt.h"
#include "base/result.h"
#include "client.h"
#include "progress.h"

namespace baton::cli {

// The number of the last event there is.
Result<std::uint64_t> last_event(const Client& client);

// Waits until there is one generation and no upgrade, then says what the events after `before` tell. An
// error where nobody could be reached for 30 seconds, or no event tells.
Result<Verdict> verdict_of_upgrade(const Client& client, std::uint64_t before, Progress& progress);

}  // namespace baton::cli
