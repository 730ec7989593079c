// What may be chosen for the admin API. The limits are those of base/limits.h; tests make them small.
#pragma once

#include <functional>

#include <sys/types.h>

#include "base/limits.h"

namespace baton::admin {

struct Settings {
    // Who may look beside root and the user of this process, who alone may command: a program that may
    // upgrade the supervisor is the supervisor.
    std::function<bool(uid_t)> may_read = [](uid_t) { return false; };
    std::size_t connections = limits::admin_connections;
    std::size_t streams = limits::admin_streams;
    std::size_t commands = limits::admin_commands;
    Millis request_timeout = limits::admin_request_timeout;
    Millis keep_alive = limits::admin_keep_alive;
};

}  // namespace baton::admin
