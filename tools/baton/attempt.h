// One command sent once, and what became of it.
#pragma once

#include <string>
#include <variant>

#include "client.h"
#include "model/views.h"
#include "progress.h"

namespace baton::cli {

// The supervisor's verdict, which has `done`.
using Verdict = model::ProgressView;
// The command was refused, with this HTTP status.
struct Refused {
    int status = 0;
    Complaint complaint;
};
// Nobody could be reached; the command was not sent.
struct Unreachable {
    Error error;
};
// The connection ended before the verdict; the command may or may not have taken effect.
struct Broken {};

using Outcome = std::variant<Verdict, Refused, Unreachable, Broken>;

// Sends the command and shows its steps.
Outcome attempt(const Client& client, const std::string& target, const std::string& body, Progress& progress);

}  // namespace baton::cli
