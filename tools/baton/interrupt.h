// What Ctrl-C means at this moment. The signal ends the program wherever it waits; nothing is left half
// done on this side, and what the supervisor was told to do goes on there.
#pragma once

namespace baton::cli {

// From now on INT and TERM write `farewell` (a literal) to standard error and end with `status`.
void on_interrupt(const char* farewell, int status);

}  // namespace baton::cli
