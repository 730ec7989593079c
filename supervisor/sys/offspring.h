// The children that somebody waits for, so that the end of one among thousands is learnt of without looking at
// the others. One thread.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "sys/descriptor.h"
#include "sys/process.h"
#include "sys/readiness.h"

namespace baton::sys {

class Offspring {
  public:
    static Result<Offspring> create();

    // `pidfd` must live as long as the child is watched, and is not watched any more when it is closed. One that
    // cannot be watched is not told of by next().
    void watch(pid_t pid, const UniqueFd& pidfd);
    // One that has ended and was not reaped yet.
    std::optional<Ended> next();

  private:
    explicit Offspring(Epoll epoll) : epoll_(std::move(epoll)) {}

    Epoll epoll_;
    std::vector<pid_t> ended_;
};

}  // namespace baton::sys
