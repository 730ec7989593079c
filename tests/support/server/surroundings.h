// What this process was given: its identity, the sockets it inherited, the service manager's notify
// socket, and everything else a child can inherit, for a test to look at.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace baton::test_server {

struct Identity {
    std::string service;
    std::string instance;
    std::string version;
    int pid = 0;
};
Identity identity_of_this_process();

// A socket to serve: inherited by systemd's protocol, or opened for PORT.
struct Inherited {
    int descriptor = -1;
    bool datagram = false;
    int family = 0;
    std::string name;  // from LISTEN_FDNAMES
};
// The sockets of LISTEN_FDS; without them a new one on 127.0.0.1:PORT (8000 where it is not set).
Result<std::vector<Inherited>> listening_sockets();

// Sends one sd_notify message. Nothing happens where NOTIFY_SOCKET is not set.
void notify(const std::string& message);

// The environment, open descriptors, signal masks, limits, groups and ids of this process, as JSON.
// Call it before anything else is opened.
std::string describe_surroundings(int argc, char** argv);

}  // namespace baton::test_server
