// How the test server shall behave, and misbehave. Every option can also be given by an environment
// variable TEST_<NAME>, so that a test changes a service's behaviour by its environment alone.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace baton::test_server {

struct Options {
    std::string protocol = "http";  // http or tcp; a datagram socket always echoes
    std::string print_environment;  // a file; ".PID" is appended
    Millis ready_after = 0;         // nothing is accepted before
    bool never_ready = false;       // says so by notify, and answers /healthz with 503
    bool handoff = false;           // connections are given by Baton's workers
    bool notify = false;            // READY, STOPPING, STATUS, WATCHDOG by NOTIFY_SOCKET
    std::string status;             // STATUS= at readiness
    Millis extend_timeout = 0;      // while not ready, asks for so much more time, every half of it
    bool no_watchdog = false;       // never says WATCHDOG=1
    Millis exit_after = never;
    std::uint64_t exit_after_requests = 0;  // 0: never
    int exit_code = 0;
    bool crash = false;             // abort at once
    Millis crash_after = never;     // abort, counted from readiness
    bool ignore_term = false;
    Millis hang_after = never;      // from then on the process does nothing at all
    int http_status = 200;          // for every route but /healthz
    std::uint64_t chatter = 0;      // lines to standard output at start
    Millis drain_grace = 2'000;     // an idle connection is closed after so much silence
    Millis drain_limit = 60'000;    // after so long a drain ends whatever is open
};

}  // namespace baton::test_server
