// What a worker knows: how clients are spoken to at each listening socket, which service each of their requests
// is for, and where its instances are. It is never changed, only replaced by the next one as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "base/time.h"
#include "model/address.h"
#include "model/listener.h"
#include "model/plugin.h"
#include "model/service.h"

namespace baton::model {

// An instance, or a server of an external service. One that is `down` or `draining` gets nobody new from a
// balancer; it is listed so that the others' shares of a hash stay what they are, and for clients that are bound
// to it. One that is down is not connected to at all.
struct Endpoint {
    // The keeper's child, another one after each restart; of an external server, a number made of its service and
    // address, which has its highest bit set.
    std::uint64_t id = 0;
    std::string name;  // "web/1"
    Address address;
    std::uint32_t weight = 1;  // 0: as `draining`
    bool backup = false;       // picked when none of the others can be
    bool down = false;
    bool draining = false;
    bool handoff = false;  // it is given the accepted socket, by the unix socket at `address`
    std::uint32_t max_fails = 1;  // as in HealthSpec
    Millis fail_timeout = 10'000;
    Millis since = 0;  // when it began to take traffic, by the monotonic clock: where slow_start begins
};
BOOST_DESCRIBE_STRUCT(Endpoint, (), (id, name, address, weight, backup, down, draining, handoff, max_fails, fail_timeout, since))

// The endpoints of one service through one listener. The first route of a listener whose `match` fits takes a
// request or connection; its last one fits all. Where no endpoint of any route of a listener takes anybody,
// nobody is accepted there: clients wait in the kernel's queue, which no worker's end can lose.
struct Route {
    std::string listener;  // the name of the listening socket's descriptor
    std::string service;
    Match match;
    std::vector<Endpoint> endpoints;
    BalanceSpec balance;
    HealthSpec health;
    TimeoutSpec timeouts;
    ProxyProtocol proxy_protocol = ProxyProtocol::none;
    bool closing = false;  // the service is not to run any more: its endpoints are the last ones
};
BOOST_DESCRIBE_STRUCT(Route, (), (listener, service, match, endpoints, balance, health, timeouts, proxy_protocol, closing))

// A listening socket, and how clients are spoken to there.
struct Entrance {
    std::string listener;  // the name of its descriptor
    std::string name;      // as in the configuration, for logs
    Protocol protocol = Protocol::tcp;
    bool proxy_protocol = false;
    std::string access_log;
    HttpSpec http;
    std::optional<TlsSpec> tls;
    // udp: the id of the one worker that reads there, as a client's datagrams shall not land anywhere; 0: each
    // that has the table. `reader_before`: one that is about to hand it what it knows of its clients; 0: nobody.
    std::uint64_t reader = 0;
    std::uint64_t reader_before = 0;
    // All its routes are closing: who waits at the listening socket is accepted, and then a worker lets go of that (one
    // of udp stays, as answers leave by it). Clients of http are told with their next answer that it was
    // the last, and answered until they have gone.
    bool closing = false;
};
BOOST_DESCRIBE_STRUCT(Entrance, (), (listener, name, protocol, proxy_protocol, access_log, http, tls, reader, reader_before, closing))

// The names under which a worker gets what the files of its TlsSpec hold: it may not read them itself. Empty where
// there is no TLS.
std::string certificate_of(const Entrance& entrance);
std::string key_of(const Entrance& entrance);

struct RouteTable {
    std::uint64_t revision = 0;
    std::vector<Entrance> entrances;  // one for each listener
    std::vector<Route> routes;        // those of one listener side by side
    std::vector<PluginRef> plugins;   // the routes' strategies are theirs, or built in
    std::uint64_t worker = 0;         // the id of the one that this copy is for
    std::uint64_t tickets = 0;        // which keys seal the tickets of TLS; 0: there is no TLS
};
BOOST_DESCRIBE_STRUCT(RouteTable, (), (revision, entrances, routes, plugins, worker, tickets))

// The name under which a worker gets those keys.
std::string tickets_of(const RouteTable& table);

// --- between a master and its workers: one message each, beside it the descriptors ---

// listeners  descriptors that are new to this worker, by their names: sockets, access logs,
//            certificates and keys, keys of tickets, plugins; for the table that comes next
// table      a route table, in a sealed memory file
// give       every connection goes to the worker at the other end of the descriptor; then it ends
// take       connections come from the worker at the other end of the descriptor
// leave      nobody new is accepted; it ends with its last connection
enum class OrderKind { listeners, table, give, take, leave };
BOOST_DESCRIBE_ENUM(OrderKind, listeners, table, give, take, leave)
struct Order {
    OrderKind kind = OrderKind::table;
    std::vector<std::string> listeners;
    std::uint64_t heir = 0;  // give: the id of the worker at the other end
};
BOOST_DESCRIBE_STRUCT(Order, (), (kind, listeners, heir))

// The worker serves by the table of this revision, and by no earlier one. It is told again when the rest has changed. `leaving`: it accepts nobody any more.
struct Confirmation {
    std::uint64_t revision = 0;
    bool leaving = false;
    std::vector<std::string> problems;  // plugins of the table that it could not load; those before them go on
    // The worker that was to get its connections, and that has ended or takes no more; it has some still. 0: none.
    std::uint64_t lost_heir = 0;
    std::vector<std::string> closing;  // listeners that close, and have clients of http still
};
BOOST_DESCRIBE_STRUCT(Confirmation, (), (revision, leaving, problems, lost_heir, closing))
using boost::describe::operators::operator==;

}  // namespace baton::model
