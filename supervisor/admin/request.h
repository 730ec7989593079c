// A request as the routes see it: no bytes, no sockets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace baton::admin {

// How a request wants to be answered.
struct Manner {
    bool head = false;        // the header alone
    bool keep_alive = false;  // the connection goes on afterwards
    bool chunks = true;       // HTTP/1.1: the client understands answers in pieces
};

struct Request {
    std::string method;
    std::string target;
    std::string body;
    std::string accept;
    std::string last_event_id;
    Manner manner;
};

struct Target {
    std::vector<std::string> path;  // decoded segments
    std::map<std::string, std::string> query;
};

// "/v1/logs/web?lines=10" taken apart; a bad escape, an empty segment or a doubled parameter is an error.
Result<Target> parse_target(std::string_view text);

// A whole number within bounds and nothing beside it.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t low, std::uint64_t high);

}  // namespace baton::admin
