// What the tests of sockets share: free addresses and plain clients.
#pragma once

#include <string>

#include "model/listener.h"
#include "sys/descriptor.h"

namespace sys_test {

using baton::model::Address;
using baton::model::Family;
using baton::model::ListenerSpec;
using baton::model::Protocol;
using baton::sys::UniqueFd;

// Once a process: a network of its own with loopback up, where that is permitted (as root), so that nothing
// on the machine can take a port that a test has just left.
void enter_own_network();
// A listener with a port that nobody has, in that network.
ListenerSpec free_listener(Family family, const std::string& host, Protocol protocol);

// A blocking stream socket connected to `address`; from `source` where one is given. Invalid, with
// errno set, where it fails.
UniqueFd connect_to(const Address& address, const std::string& source = {});
// Connects a non-blocking socket and waits for the outcome.
bool connect_with(const UniqueFd& socket, const Address& address);
// A udp socket connected to `address`.
UniqueFd udp_to(const Address& address, const std::string& source = {});
// Accepts one connection and tells its peer, in the model's form.
std::string accepted_from(const UniqueFd& listening);

}  // namespace sys_test
