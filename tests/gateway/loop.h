// Gateways, clients and instances in one thread, over real sockets: everybody has a turn until what the
// test waits for has come.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/log.h"
#include "gateway/gateway.h"
#include "turns.h"
#include "model/route_table.h"
#include "sys/sockaddr.h"
#include "sys/stream.h"

namespace baton::gateway {

// What a gateway knows the one by that takes its connections.
inline constexpr std::uint64_t heir_id = 77;

// A stream of a client or of an instance.
struct Wire {
    sys::UniqueFd socket;
    std::string got;
    bool ended = false;  // the other side has sent its last
    int error = 0;       // it broke

    // Sends what the socket takes now; what is left.
    std::string_view send(std::string_view bytes);
    // Reads what is there, at most so much.
    void read(std::size_t at_most = SIZE_MAX);
    bool over() const { return ended || error != 0; }
};

// Something that listens at an address of its own.
struct Listening {
    sys::UniqueFd socket;
    model::Address address;
    // Accepts one, if somebody waits.
    std::unique_ptr<Wire> accept() const;
    sys::UniqueFd copy() const;
};
Listening listen_tcp(int backlog = 128);
Listening listen_unix(const std::string& name, int backlog = 128);
Wire connect_to(const model::Address& address);

// One worker's gateway and its counters, as its master sees them.
struct Running {
    std::unique_ptr<Gateway> gateway;
    std::unique_ptr<Counters> counters;
    const Totals& totals() const { return counters->totals(); }
    std::uint64_t open_to(std::uint64_t endpoint) const { return counters->open_connections(endpoint); }
    // Each listener of the routes is one for streams, or for HTTP.
    void follow(std::uint64_t revision, std::vector<model::Route> routes, std::map<std::string, sys::UniqueFd> listeners = {},
                model::Protocol protocol = model::Protocol::tcp) const;
};

class Loop : public testing::Test {
  protected:
    Loop();
    // One that is not `awake` waits in its turns as a worker does.
    Running& start(std::uint32_t worker = 0, bool awake = true);
    void end(const Running& running);
    // Everybody's turn, until it is so. False: it did not come to be.
    bool until(const std::function<bool()>& so, Millis at_most = 5'000);
    void turns(int count);
    // The other side of the wire has closed it.
    bool ends(Wire& wire);
    // A client whose connection has arrived at the instance.
    struct Pair {
        Wire client;
        std::unique_ptr<Wire> instance;
    };
    Pair connect(const Listening& front, const Listening& instance);
    // Sends all of it from one to the other.
    bool carries(Wire& from, Wire& to, const std::string& bytes);
    // Sends it; all that has arrived is `whole` then.
    bool completes(Wire& from, Wire& to, const std::string& bytes, const std::string& whole);

    Log log_{"test"};
    TurnsSource turns_source_;
    sys::UniqueFd always_;  // readable: a turn waits for nothing
    std::vector<std::unique_ptr<Running>> running_;
};

model::Route route(const std::string& listener, std::vector<std::pair<std::uint64_t, model::Address>> endpoints);
std::string pattern(std::size_t size, unsigned seed = 0);

}  // namespace baton::gateway
