// Code that is not trusted yet, run in a copy of this process: with limits on time, processor and memory, no
// descriptor but those it needs, no files to write. What it finds it says through a pipe; whether it ended well
// is in its status.
//
// It ends by itself whatever becomes of us: by a timer of its own, and with its parent. The copy has one
// thread, which must not touch what other threads of ours use (the log).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/result.h"
#include "base/time.h"
#include "sys/descriptor.h"

namespace baton::sys {

struct TrialLimits {
    Millis wall = 1'000;
    std::uint32_t cpu_seconds = 1;
    std::size_t memory_bytes = 0;  // over what this process has
    std::size_t output_bytes = 64 * 1024;
};

class Trial {
  public:
    using Say = std::function<void(std::string_view words)>;

    // Runs `body` in the copy, which keeps only the descriptor `needed`, by its number.
    static Result<Trial> start(const TrialLimits& limits, const UniqueFd& needed, const std::function<void(const Say&)>& body);
    Trial(Trial&& other) noexcept;
    Trial& operator=(Trial&&) = delete;
    // Killed and reaped, if it is still there.
    ~Trial();

    // Readable when there is something for advance().
    const UniqueFd& output() const { return output_; }
    Millis deadline() const { return deadline_; }
    // Takes what was said, without waiting. False: nothing follows; then finish() does not wait.
    bool advance();

    struct End {
        std::string said;
        int status = 0;          // as waitpid gives it
        bool timed_out = false;  // it was killed for that
    };
    // Kills it if it is not done, and reaps it.
    End finish();
    // Waits until it is done or its deadline has passed.
    End wait();

  private:
    Trial(pid_t pid, UniqueFd output, Millis deadline, std::size_t limit);
    void end(bool kill);

    pid_t pid_ = -1;
    UniqueFd output_;
    Millis deadline_ = 0;
    std::size_t limit_ = 0;
    std::string said_;
    int status_ = 0;
    bool done_ = false;
};

}  // namespace baton::sys
