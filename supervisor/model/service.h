// What a user asks for: a service, as the configuration describes it. Times are milliseconds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "base/time.h"
#include "model/address.h"

namespace baton::model {

// external: servers that somebody else runs, by their addresses.
enum class Runtime { process, external };
BOOST_DESCRIBE_ENUM(Runtime, process, external)

// inherit: an instance accepts on the listeners' sockets. proxy: a worker does, and passes on to the instance.
// handoff: a worker does, and gives the accepted socket to the instance, through a unix socket that it inherits.
enum class Delivery { inherit, proxy, handoff };
BOOST_DESCRIBE_ENUM(Delivery, inherit, proxy, handoff)

// With proxy. port: the program binds the port it is told. socket: it inherits a unix socket of its own.
enum class Upstream { port, socket };
BOOST_DESCRIBE_ENUM(Upstream, port, socket)

enum class ProbeType { none, notify, tcp, http, exec };
BOOST_DESCRIBE_ENUM(ProbeType, none, notify, tcp, http, exec)

// One of startup, readiness, liveness. `success` and `failure` count probes in a row.
struct ProbeSpec {
    ProbeType type = ProbeType::none;
    std::string path = "/";            // http
    std::uint16_t port = 0;            // tcp, http: instead of the service's first listener
    std::vector<std::string> command;  // exec: ready when it exits 0
    Millis interval = 1000;
    Millis timeout = 1000;
    std::uint32_t success = 1;
    std::uint32_t failure = 3;
    Millis initial_delay = 0;
};
BOOST_DESCRIBE_STRUCT(ProbeSpec, (), (type, path, port, command, interval, timeout, success, failure, initial_delay))

// Resource limits; 0 or empty: unchanged.
struct LimitSpec {
    std::uint64_t nofile = 0;
    std::uint64_t memory = 0;  // bytes, by cgroup
    double cpu = 0;            // cores, by cgroup
};
BOOST_DESCRIBE_STRUCT(LimitSpec, (), (nofile, memory, cpu))

struct BalanceSpec {
    std::string strategy = "round_robin";  // a balancer's name
    std::string key = "client_ip";         // what is hashed: client_ip, header:NAME, cookie:NAME, path
    std::map<std::string, std::string> options;  // the strategy's own
};
BOOST_DESCRIBE_STRUCT(BalanceSpec, (), (strategy, key, options))

// Why another instance is tried. connect: nothing was sent to the first one. error: the connection ended before
// a byte of the response. timeout: the response did not begin in time. The rest: the response's status. All but
// connect are for requests with idempotent methods only.
enum class RetryOn { connect, error, timeout, status_502, status_503, status_504 };
BOOST_DESCRIBE_ENUM(RetryOn, connect, error, timeout, status_502, status_503, status_504)

struct RetrySpec {
    std::uint32_t attempts = 2;  // instances a request is sent to, the first included; who cannot be reached does not count
    std::vector<RetryOn> on{RetryOn::connect};
};
BOOST_DESCRIBE_STRUCT(RetrySpec, (), (attempts, on))

// What traffic itself tells of an instance. After max_fails failures within fail_timeout it is passed over for
// fail_timeout; 0: never. One that has just become ready gets its share little by little during slow_start.
struct HealthSpec {
    std::uint32_t max_fails = 1;
    Millis fail_timeout = 10'000;
    Millis slow_start = 0;
    RetrySpec retry;
};
BOOST_DESCRIBE_STRUCT(HealthSpec, (), (max_fails, fail_timeout, slow_start, retry))

// Between a worker and an instance.
struct TimeoutSpec {
    Millis connect = 5'000;
    Millis response = 60'000;     // http: from a request's end to the head of its response
    Millis idle = 60'000;         // http: between two reads of a response; udp: a flow without a datagram
    Millis tunnel = 3'600'000;    // tcp, and http after an upgrade: without a byte in either direction; 0: no limit
    // http: a connection that waits for the next request. Below what common servers keep one for (node 5 s): who
    // leaves first meets no request on its way.
    Millis pool_idle = 4'000;
    std::uint32_t pool_size = 64; // http: so many of them for each worker and instance
};
BOOST_DESCRIBE_STRUCT(TimeoutSpec, (), (connect, response, idle, tunnel, pool_idle, pool_size))

// The PROXY header with which a connection to an instance begins.
enum class ProxyProtocol { none, v1, v2 };
BOOST_DESCRIBE_ENUM(ProxyProtocol, none, v1, v2)

// A server of an external service.
struct EndpointSpec {
    std::string name;  // for people; empty: it has none
    Address address;   // its identity within the service
    std::uint32_t weight = 1;
    std::uint32_t max_fails = 1;
    Millis fail_timeout = 10'000;
    bool backup = false;  // gets traffic when no other can
    bool down = false;    // gets none, and keeps its share of a hash
};
BOOST_DESCRIBE_STRUCT(EndpointSpec, (), (name, address, weight, max_fails, fail_timeout, backup, down))

// A count of instances, or a percentage of the replicas.
struct Share {
    std::uint32_t count = 0;
    bool percent = false;
};
BOOST_DESCRIBE_STRUCT(Share, (), (count, percent))

struct RolloutSpec {
    Share max_surge{25, true};
    Share max_unavailable{0, false};
    Millis min_ready = 0;
    Millis deadline = 600'000;
    bool auto_rollback = true;
};
BOOST_DESCRIBE_STRUCT(RolloutSpec, (), (max_surge, max_unavailable, min_ready, deadline, auto_rollback))

enum class RestartPolicy { always, on_failure, never };
BOOST_DESCRIBE_ENUM(RestartPolicy, always, on_failure, never)

struct RestartSpec {
    RestartPolicy policy = RestartPolicy::always;
    Millis backoff = 100;
    Millis backoff_max = 30'000;
    std::uint32_t limit = 0;  // restarts in a row before it is given up; 0: no limit
};
BOOST_DESCRIBE_STRUCT(RestartSpec, (), (policy, backoff, backoff_max, limit))

struct StopSpec {
    int signal = 15;
    std::vector<std::string> pre_stop;
    Millis drain_timeout = 30'000;
    Millis kill_timeout = 5'000;
};
BOOST_DESCRIBE_STRUCT(StopSpec, (), (signal, pre_stop, drain_timeout, kill_timeout))

struct ServiceSpec {
    std::string name;
    std::string version;
    Runtime runtime = Runtime::process;
    std::vector<std::string> command;
    std::vector<EndpointSpec> endpoints;  // external
    std::uint32_t replicas = 1;
    Delivery delivery = Delivery::inherit;
    Upstream upstream = Upstream::port;
    ProxyProtocol proxy_protocol = ProxyProtocol::none;
    std::map<std::string, std::string> environment;
    std::string directory;  // absolute
    std::string user;       // empty: as the supervisor itself
    std::uint32_t umask = 022;
    LimitSpec limits;
    std::vector<std::string> depends_on;
    bool enabled = true;
    BalanceSpec balance;
    HealthSpec health;
    TimeoutSpec timeouts;
    ProbeSpec startup;
    ProbeSpec readiness;
    ProbeSpec liveness;
    RolloutSpec rollout;
    RestartSpec restart;
    StopSpec stop;
};
BOOST_DESCRIBE_STRUCT(ServiceSpec, (),
                      (name, version, runtime, command, endpoints, replicas, delivery, upstream, proxy_protocol, environment,
                       directory, user, umask, limits, depends_on, enabled, balance, health, timeouts, startup, readiness,
                       liveness, rollout, restart, stop))
using boost::describe::operators::operator==;

// Whether a worker accepts for it.
bool by_workers(const ServiceSpec& spec);
// Whether an instance inherits unix sockets of its own, through which the workers reach it.
bool has_hidden_sockets(const ServiceSpec& spec);
// Whether its program binds a port that it is told.
bool binds_port(const ServiceSpec& spec);
// Whether its program gets listening sockets: those of the listeners, or hidden ones in their place.
bool inherits(const ServiceSpec& spec);

}  // namespace baton::model
