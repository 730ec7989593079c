// What a worker counts, in memory that its master reads at any time: connections, bytes, and for each
// endpoint the connections that are open. The keeper holds the file, so neither's end loses it.
//
// One process writes, any number read; each number by itself is whole.
#pragma once

#include <cstdint>

#include <boost/describe/class.hpp>

#include "base/result.h"
#include "base/time.h"
#include "model/balancer.h"
#include "sys/descriptor.h"
#include "sys/mapping.h"

namespace baton::gateway {

// The totals of one worker. `beat`: when its loop last turned (monotonic).
struct Totals {
    std::uint64_t beat = 0;
    std::uint64_t open = 0;       // connections now
    std::uint64_t accepted = 0;
    std::uint64_t closed = 0;
    std::uint64_t failed = 0;     // no instance could be reached for them
    std::uint64_t to_instances = 0;  // bytes
    std::uint64_t to_clients = 0;
    std::uint64_t given = 0;      // connections passed to another worker
    std::uint64_t taken = 0;
    std::uint64_t dropped = 0;    // datagrams that this worker could not pass on
    std::uint64_t faults = 0;     // picks of strategies that may not be
    std::uint64_t refused = 0;    // of those accepted: whose PROXY header or TLS handshake came to nothing
    std::uint64_t aborted = 0;    // requests whose clients had gone before their responses were whole
};
BOOST_DESCRIBE_STRUCT(Totals, (), (beat, open, accepted, closed, failed, to_instances, to_clients, given, taken, dropped, faults, refused, aborted))

class Counters {
  public:
    // A new memory file, for a worker that is to be started.
    static Result<sys::UniqueFd> create();
    // An error where the file is of another version.
    static Result<Counters> open(const sys::UniqueFd& file);

    // --- for the worker ---
    Totals& totals() { return *totals_; }
    // Names the plugin whose code runs, so that who reads this after a crash knows it.
    model::Breadcrumb& crumb() { return *crumb_; }
    // Finds or takes the endpoint's number of open connections. Null when all places are taken.
    std::uint64_t* slot(std::uint64_t endpoint);
    // The endpoint has left the table; its place is free once it has no connection.
    void forget(std::uint64_t endpoint);

    // --- for the master ---
    // Open connections to an endpoint.
    std::uint64_t open_connections(std::uint64_t endpoint) const;

  private:
    struct Slot;
    explicit Counters(sys::Mapping mapping);
    Slot* find(std::uint64_t endpoint) const;

    sys::Mapping mapping_;
    Totals* totals_ = nullptr;
    model::Breadcrumb* crumb_ = nullptr;
    Slot* slots_ = nullptr;
};

}  // namespace baton::gateway
