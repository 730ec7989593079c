// What a worker knows: which listening socket leads to which service, and where its instances are. It is
// never changed, only replaced by the next one as a whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "model/address.h"

namespace baton::model {

// An instance that takes connections.
struct Endpoint {
    std::uint64_t id = 0;  // the keeper's child: another one after each restart
    std::string name;      // "web/1"
    Address address;
    std::uint32_t weight = 1;
};
BOOST_DESCRIBE_STRUCT(Endpoint, (), (id, name, address, weight))

// The endpoints of one service through one of its listeners. Without any, nobody is accepted: clients wait
// in the kernel's queue, which no worker's end can lose.
struct Route {
    std::string listener;  // the name of the listening socket's descriptor
    std::string service;
    std::vector<Endpoint> endpoints;
};
BOOST_DESCRIBE_STRUCT(Route, (), (listener, service, endpoints))

struct RouteTable {
    std::uint64_t revision = 0;
    std::vector<Route> routes;
};
BOOST_DESCRIBE_STRUCT(RouteTable, (), (revision, routes))

// --- between a master and its workers: one message each, beside it the descriptors ---

// listeners  sockets that are new to this worker, by their names; for the table that comes next
// table      a route table, in a sealed memory file
// give       every connection goes to the worker at the other end of the descriptor; then it ends
// take       connections come from the worker at the other end of the descriptor
// leave      nobody new is accepted; it ends with its last connection
enum class OrderKind { listeners, table, give, take, leave };
BOOST_DESCRIBE_ENUM(OrderKind, listeners, table, give, take, leave)
struct Order {
    OrderKind kind = OrderKind::table;
    std::vector<std::string> listeners;
};
BOOST_DESCRIBE_STRUCT(Order, (), (kind, listeners))

// The worker serves by the table of this revision, and by no earlier one. `leaving`: it accepts nobody any more.
struct Confirmation {
    std::uint64_t revision = 0;
    bool leaving = false;
};
BOOST_DESCRIBE_STRUCT(Confirmation, (), (revision, leaving))
using boost::describe::operators::operator==;

}  // namespace baton::model
