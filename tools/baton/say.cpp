#include "say.h"

#include <cstdio>

#include <fmt/core.h>

#include "terminal.h"

namespace baton::cli {

int complain(const Complaint& complaint) {
    std::fflush(stdout);
    fmt::print(stderr, "baton: {}\n", harmless(complaint.message));
    for (const auto& detail : complaint.details) fmt::print(stderr, "  {}\n", harmless(detail));
    return failure;
}

int complain(const std::string& message) {
    return complain(Complaint{message, {}});
}

}  // namespace baton::cli
