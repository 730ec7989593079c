// The pid file, and its place beside it during an upgrade. Every change is a rename, so that a reader
// never sees half a number; a failure is told and stops nothing.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>

#include "base/result.h"

namespace baton::engine {

class PidFile {
  public:
    explicit PidFile(std::string path);

    Result<void> write();               // PATH: this process
    Result<void> write_aside();         // PATH.oldbin: this process
    Result<void> set_aside();           // PATH becomes PATH.oldbin
    // PATH.oldbin becomes PATH again; where there is none, PATH is written.
    Result<void> restore();
    // Another batond that lives, if PATH names one.
    std::optional<pid_t> other() const;
    void remove();        // PATH, if it names this process
    void remove_aside();  // PATH.oldbin

  private:
    Result<void> write_to(const std::string& path) const;

    std::string path_;
    std::string aside_;
};

}  // namespace baton::engine
