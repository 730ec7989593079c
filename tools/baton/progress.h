// The steps of a long command: a bar that moves on a terminal, a line for each step elsewhere, the
// supervisor's own documents with JSON output.
#pragma once

#include <string>

#include "model/views.h"
#include "terminal.h"

namespace baton::cli {

class Progress {
  public:
    Progress(const Terminal& terminal, bool json) : terminal_(terminal), json_(json) {}

    void step(const model::ProgressView& view);
    // The bar makes room for what is said next.
    void pause();
    // The last word of a command that succeeded: the supervisor's, or `otherwise` where it has none.
    void success(const model::ProgressView& view, const std::string& otherwise);

  private:
    void draw(const model::ProgressView& view);
    void print(const model::ProgressView& view);

    const Terminal& terminal_;
    bool json_;
    bool drawn_ = false;
    std::string phase_;      // of the bar
    std::string last_line_;  // of the last step, so that nothing is said twice
};

}  // namespace baton::cli
