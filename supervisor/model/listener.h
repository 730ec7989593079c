// A listener: an address the supervisor opened, the services that are reached through it, and how clients
// are spoken to there. Times are milliseconds, sizes bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "base/time.h"
#include "model/address.h"

namespace baton::model {

enum class Protocol { http, tcp, udp };
BOOST_DESCRIBE_ENUM(Protocol, http, tcp, udp)

// What a request must have; empty: anything.
struct Match {
    std::string path_prefix;   // whole segments: "/api" fits /api, /api/x and /api?x, and not /apiary
    std::string host;          // in lower case, without a port
    std::string header_name;   // in lower case
    std::string header_value;  // exactly; empty: the header only has to be there
};
BOOST_DESCRIBE_STRUCT(Match, (), (path_prefix, host, header_name, header_value))

struct RouteSpec {
    Match match;
    std::string service;
};
BOOST_DESCRIBE_STRUCT(RouteSpec, (), (match, service))

// Which headers tell an instance who its client is.
enum class Forwarded { x_forwarded, forwarded, both, none };
BOOST_DESCRIBE_ENUM(Forwarded, x_forwarded, forwarded, both, none)

// How HTTP clients are treated.
struct HttpSpec {
    Millis header_timeout = 10'000;  // a request's head, from its first byte
    Millis body_timeout = 60'000;    // between two reads of a request's body
    Millis idle_timeout = 75'000;    // between two requests
    Millis send_timeout = 60'000;    // between two writes of a response
    std::uint64_t max_header = 32 * 1024;
    std::uint64_t max_body = 0;      // 0: no limit
    Millis drain_grace = 2'000;      // an idle connection that is drained may still bring a request for so long
    bool http2 = true;
    Forwarded forwarded = Forwarded::x_forwarded;
    bool trust_forwarded = false;    // what the client sends of them is kept
    bool abort_on_close = false;     // one that sends no more takes no response either
};
BOOST_DESCRIBE_STRUCT(HttpSpec, (),
                      (header_timeout, body_timeout, idle_timeout, send_timeout, max_header, max_body, drain_grace, http2,
                       forwarded, trust_forwarded, abort_on_close))

enum class TlsVersion { tls12, tls13 };
BOOST_DESCRIBE_ENUM(TlsVersion, tls12, tls13)

struct TlsSpec {
    std::string certificate;  // absolute paths of PEM files
    std::string key;
    TlsVersion minimum = TlsVersion::tls12;
    std::string fingerprint;  // of what the files held when the configuration was read
};
BOOST_DESCRIBE_STRUCT(TlsSpec, (), (certificate, key, minimum, fingerprint))

struct ListenerSpec {
    std::string name;
    Address address;
    Protocol protocol = Protocol::tcp;
    std::string service;  // where no route matches
    int backlog = 1024;
    bool proxy_protocol = false;  // clients begin with a PROXY header
    std::string access_log;       // absolute; empty: none
    std::vector<RouteSpec> routes;  // the first that matches
    HttpSpec http;
    std::optional<TlsSpec> tls;
};
BOOST_DESCRIBE_STRUCT(ListenerSpec, (), (name, address, protocol, service, backlog, proxy_protocol, access_log, routes, http, tls))
using boost::describe::operators::operator==;

// The identity of the socket: "tcp4:127.0.0.1:80", "udp6:[::1]:53", "unix:/run/x", "unix:@x".
std::string identity(const ListenerSpec& listener);
// False where the kernel cannot group sockets by SO_REUSEPORT (unix sockets).
bool can_steer(const ListenerSpec& listener);
// Whether a service is reached through it, by itself or by a route.
bool leads_to(const ListenerSpec& listener, std::string_view service);
// The services it leads to, each once: its own, then those of its routes.
std::vector<std::string> services_of(const ListenerSpec& listener);
// What of it is the socket's: without routes, and without what is said to clients.
ListenerSpec socket_of(const ListenerSpec& listener);

}  // namespace baton::model
