// What became of a command whose master is no longer there to tell: asked of whoever answers.
#pragma once

#include <cstdint>
#include <string>

#include "attempt.h"
#include "base/result.h"
#include "client.h"
#include "progress.h"

namespace baton::cli {

// A moment in the supervisor's history.
struct Moment {
    std::uint64_t event = 0;  // the last one there was
    std::string time;         // of this machine, which is the supervisor's
};

Result<Moment> present(const Client& client);

// Waits until there is one generation and no upgrade, then says what the events after `before` tell. An
// error where nobody could be reached for 30 seconds, or no event tells for two.
Result<Verdict> verdict_of_upgrade(const Client& client, const Moment& before, Progress& progress);

// Waits, for at most 30 seconds, until there is one generation and no upgrade.
void await_settled(const Client& client);

// The keeper's pid, which is the same as long as the supervisor runs.
Result<std::int64_t> keeper_of(const Client& client);

// Waits until the supervisor of this keeper is gone. An error where somebody accepts connections but does
// not answer for 30 seconds.
Result<void> await_end(const Client& client, std::int64_t keeper, Progress& progress);

}  // namespace baton::cli
