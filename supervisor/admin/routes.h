// What each request means: a table of methods and paths, and for each a function that turns the request
// into what is to be done. Nothing here waits or writes; the session carries the answer out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "admin/request.h"
#include "engine/console.h"
#include "model/views.h"

namespace baton::admin {

// A JSON document, ready to be sent.
struct Document {
    std::string json;
};
struct RunCommand {
    engine::Command command;
};
struct FollowEvents {
    std::uint64_t after = 0;
    bool follow = true;
};
struct FollowLogs {
    std::string service;  // empty: everything
    std::optional<std::uint32_t> ordinal;
    std::size_t lines = 0;
    bool follow = false;
};
struct CheckHealth {
    bool as_owner = false;
};
struct Refusal {
    model::ProblemView problem;
    std::string allow;  // for 405: the methods there are
};

using Reply = std::variant<Document, RunCommand, FollowEvents, FollowLogs, CheckHealth, Refusal>;

Reply route(const Request& request, const engine::Console& console);

// "scale web to 3", for the log.
std::string describe(const engine::Command& command);

}  // namespace baton::admin
