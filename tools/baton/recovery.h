// What became of a command whose master is no longer there to tell: asked of whoever answers.
#pragma once

#include <cstdint>
#include <set>
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

// "", or "2 workers of generations before have not ended yet (baton get worker)".
std::string workers_left(const Client& client);

// The starts of a service's programs, or of one instance's ("web/1"), told apart by their numbers.
Result<std::set<std::uint64_t>> starts_of(const Client& client, const std::string& subject);

// A restart that one generation was asked for and another one may go on with: waits until none of the starts `before` is
// left and what took their place is ready, or has failed. An error where some are left, and nothing moves for two
// seconds, or all that takes too long.
Result<Verdict> verdict_of_restart(const Client& client, const std::string& subject, const std::set<std::uint64_t>& before, Progress& progress);

// The keeper's pid, which is the same as long as the supervisor runs.
Result<std::int64_t> keeper_of(const Client& client);

// Waits until the supervisor of this keeper is gone. An error where somebody accepts connections but does
// not answer for 30 seconds.
Result<void> await_end(const Client& client, std::int64_t keeper, Progress& progress);

}  // namespace baton::cli
