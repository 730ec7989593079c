#include "run/probe_pace.h"

#include <algorithm>

#include "base/limits.h"

namespace baton::run {

std::optional<bool> ProbePace::conclude(bool passed) {
    if (verdict_ == passed) return std::nullopt;
    verdict_ = passed;
    return passed;
}

std::optional<bool> ProbePace::note(Millis began, bool passed) {
    noted_ = true;
    if (passed) {
        answered_ = true;
        failures_ = 0;
        successes_ = std::min(successes_ + 1, spec_.success);
        return successes_ >= spec_.success ? conclude(true) : std::nullopt;
    }
    successes_ = 0;
    if (hurries() && failures_ > 0 && began < counted_ + spec_.interval) return std::nullopt;
    counted_ = began;
    failures_ = std::min(failures_ + 1, spec_.failure);
    return failures_ >= spec_.failure ? conclude(false) : std::nullopt;
}

Millis ProbePace::next(Millis began) {
    const bool attempted = std::exchange(noted_, false);
    if (!attempted || !hurries()) return began + spec_.interval;
    wait_ = std::clamp<Millis>(wait_ * 2, limits::probe_first_interval,
                               std::max(spec_.interval, limits::probe_first_interval));
    // One of the attempts is always due exactly when a failure counts again.
    return std::min(began + std::min(wait_, spec_.interval),
                    std::max(counted_ + spec_.interval, began + 1));
}

}  // namespace baton::run
