// What goes to the user beside the answer itself: complaints, always on standard error.
#pragma once

#include <string>

#include "client.h"

namespace baton::cli {

inline constexpr int succeeded = 0;
inline constexpr int failure = 1;

// "baton: message", the details below it; returns the exit status of a failure.
int complain(const Complaint& complaint);
int complain(const std::string& message);

}  // namespace baton::cli
