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

namespace baton::model {

// inherit: an instance accepts on the listeners' sockets. proxy: a worker does, and passes on to the instance.
enum class Delivery { inherit, proxy };
BOOST_DESCRIBE_ENUM(Delivery, inherit, proxy)

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

enum class Strategy { round_robin, ip_hash, hash };
BOOST_DESCRIBE_ENUM(Strategy, round_robin, ip_hash, hash)

struct BalanceSpec {
    Strategy strategy = Strategy::round_robin;
};
BOOST_DESCRIBE_STRUCT(BalanceSpec, (), (strategy))

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
    std::vector<std::string> command;
    std::uint32_t replicas = 1;
    Delivery delivery = Delivery::inherit;
    Upstream upstream = Upstream::port;
    std::map<std::string, std::string> environment;
    std::string directory;  // absolute
    std::string user;       // empty: as the supervisor itself
    std::uint32_t umask = 022;
    LimitSpec limits;
    std::vector<std::string> depends_on;
    bool enabled = true;
    BalanceSpec balance;
    ProbeSpec startup;
    ProbeSpec readiness;
    ProbeSpec liveness;
    RolloutSpec rollout;
    RestartSpec restart;
    StopSpec stop;
};
BOOST_DESCRIBE_STRUCT(ServiceSpec, (),
                      (name, version, command, replicas, delivery, upstream, environment, directory, user, umask, limits,
                       depends_on, enabled, balance, startup, readiness, liveness, rollout, restart, stop))
using boost::describe::operators::operator==;

}  // namespace baton::model
