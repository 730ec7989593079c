// A program under test: started, read from, waited for. Every wait ends after ten seconds.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "sys/descriptor.h"

namespace baton::test {

struct Finished {
    int status = -1;  // the exit status; 128 + the signal that ended it
    std::string out;
    std::string err;
};

class Process {
  public:
    // With `terminal` standard output is a terminal of 100 columns.
    explicit Process(const std::vector<std::string>& command,
                     const std::map<std::string, std::string>& environment = {}, bool terminal = false);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    // Reads standard output until `text` is in it; false: it ended or took too long.
    bool says(const std::string& text);
    // The same of standard error.
    bool complains(const std::string& text);
    void signal(int number) const;
    // Reads both outputs to their end and reaps.
    Finished finish();

  private:
    // Reads what there is of both; false at the end of both, or when none came in time.
    bool pump();
    bool read_into(sys::UniqueFd& fd, std::string& text);

    pid_t pid_ = 0;
    sys::UniqueFd out_;
    sys::UniqueFd err_;
    Finished so_far_;
};

}  // namespace baton::test
