// The workers of the simulated world and the connections they hold: who accepted each, who has it now, and
// to whom it is on its way. Workers read their orders late, confirm tables late, stand still and die.
//
// A connection that ends before its client wants it to is lost, and that is allowed only when a worker that
// held it was killed, or the instance it led to has ended.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "base/time.h"
#include "model/route_table.h"

namespace baton::sim {

class World;

struct SimWorker {
    std::uint64_t id = 0;
    std::uint32_t generation = 0;
    model::RouteTable table;             // it serves by this one
    std::vector<model::RouteTable> sent; // and has not read these yet
    Millis reads_at = never;
    Millis hung_since = never;
    bool leaving = false;
    std::uint64_t to = 0;                // gives its connections to this one; 0: keeps them
    std::set<std::uint64_t> from;        // these give to it
    bool slow = false;                   // never reads a table
};

struct Connection {
    std::uint64_t worker = 0;    // who has it, or has sent it
    std::uint64_t to = 0;        // on its way to this one
    std::uint64_t instance = 0;
    Millis arrives_at = never;
    Millis ends_at = never;      // its client is content
};

class SimGateway {
  public:
    explicit SimGateway(World& world) : world_(world) {}

    // --- of processes ---
    void started(std::uint64_t id, std::uint32_t generation, bool slow);
    // `killed`: by a signal or by itself; what it held is lost.
    void ended(std::uint64_t id, bool killed);
    void instance_ended(std::uint64_t id);
    void hang(std::uint64_t id);

    // --- of masters ---
    void send(std::uint64_t id, const model::RouteTable& table);
    void release(std::uint64_t id, std::uint64_t to);
    std::uint64_t confirmed(std::uint64_t id) const;
    bool hung(std::uint64_t id) const;
    // Whether a connection to the instance is open, also one that is on its way between two workers.
    bool connected(std::uint64_t instance) const;
    // Whether a worker sends new connections to the instance.
    bool named(std::uint64_t instance) const;

    // --- the course of things ---
    void pass(Millis now);
    Millis next_due(Millis now) const;
    void arrive();
    // No client stays for long from here on.
    void calm();

    const std::map<std::uint64_t, SimWorker>& workers() const { return workers_; }
    std::uint64_t accepted() const { return accepted_; }
    std::uint64_t passed() const { return passed_; }

  private:
    void give(SimWorker& worker, Millis now);
    void read(SimWorker& worker, Millis now);
    bool finished(const SimWorker& worker) const;

    World& world_;
    std::map<std::uint64_t, SimWorker> workers_;
    std::vector<Connection> connections_;
    std::uint64_t accepted_ = 0;
    std::uint64_t passed_ = 0;
};

}  // namespace baton::sim
