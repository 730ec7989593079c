// When a ProbeLoop's attempts are due and what they add up to. Pure: times are parameters.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "model/service.h"

namespace baton::run {

class ProbePace {
  public:
    explicit ProbePace(const model::ProbeSpec& spec) : spec_(spec) {}

    // An attempt that began at `began` has passed or failed. A verdict, where it is the first or
    // has changed: true passed, false failed.
    std::optional<bool> note(Millis began, bool passed);
    // When the attempt after the one that began at `began` should begin; call after note(), or
    // without it where there was no attempt.
    Millis next(Millis began);

  private:
    bool hurries() const { return !verdict_ && !answered_; }
    std::optional<bool> conclude(bool passed);

    model::ProbeSpec spec_;
    std::optional<bool> verdict_;
    bool answered_ = false;  // some attempt passed
    bool noted_ = false;     // since the last next()
    std::uint32_t successes_ = 0;
    std::uint32_t failures_ = 0;
    Millis counted_ = 0;  // when the last counted failure began
    Millis wait_ = 0;     // the last wait of the hurried phase
};

}  // namespace baton::run
