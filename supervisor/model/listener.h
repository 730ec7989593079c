// A listener: an address the supervisor opened, and the service that is reached through it.
#pragma once

#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "model/address.h"

namespace baton::model {

enum class Protocol { http, tcp, udp };
BOOST_DESCRIBE_ENUM(Protocol, http, tcp, udp)

struct ListenerSpec {
    std::string name;
    Address address;
    Protocol protocol = Protocol::tcp;
    std::string service;
    int backlog = 1024;
};
BOOST_DESCRIBE_STRUCT(ListenerSpec, (), (name, address, protocol, service, backlog))
using boost::describe::operators::operator==;

// The identity of the socket: "tcp4:127.0.0.1:80", "udp6:[::1]:53", "unix:/run/x", "unix:@x".
std::string identity(const ListenerSpec& listener);
// False where the kernel cannot group sockets by SO_REUSEPORT (unix sockets).
bool can_steer(const ListenerSpec& listener);

}  // namespace baton::model
