// The keeper of the simulated world, by the rules of keeper/keeper.h: who may ask what, who is started
// again, whose exits are kept. It has no processes; the world gives and takes them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/events.h"
#include "model/state.h"
#include "model/upgrade.h"

namespace baton::sim {

// --- what it says to masters ---
struct OwnerIs {
    std::uint32_t generation = 0;
    std::uint32_t fence = 0;
};
struct SpawnDone {
    std::uint64_t id = 0;
    std::int64_t pid = 0;
    std::string error;
};
struct Exited {
    std::uint64_t id = 0;
    int status = 0;
};
struct MasterStarted {
    std::uint32_t generation = 0;
    std::string error;
};
struct MasterReady {
    std::uint32_t generation = 0;
};
struct MasterGone {
    std::uint32_t generation = 0;
    bool left = false;
};
// Something was lost: this is how things stand.
struct Resync {
    std::uint32_t owner = 0;
    std::uint32_t fence = 0;
    std::vector<std::uint32_t> others;
    std::vector<std::uint32_t> ready;
};
using Message = std::variant<OwnerIs, SpawnDone, Exited, MasterStarted, MasterReady, MasterGone, Resync>;

// The snapshots, each replaced on its own.
struct Held {
    std::optional<model::Counters> counters;
    std::optional<model::Gateway> gateway;
    std::optional<model::Configuration> configuration;
    std::optional<model::Configuration> old_configuration;
    std::map<std::string, model::Service> services;
};

struct MasterRecord {
    std::uint32_t generation = 0;
    std::uint32_t incarnation = 0;
    bool runs = false;
    bool ready = false;
    bool leaving = false;
    bool lagging = false;
    std::optional<model::Upgrade> note;
    std::deque<Message> inbox;
    Millis restart_at = never;
    Millis started = 0;
    std::uint32_t failures = 0;
};

struct Child {
    std::int64_t pid = 0;
    bool exited = false;
    int status = 0;
};

// What the keeper does to the world.
class KeeperHands {
  public:
    virtual ~KeeperHands() = default;
    virtual void run_master(std::uint32_t generation) = 0;
    virtual void kill_master(std::uint32_t generation) = 0;
    virtual bool run_process(std::uint64_t id) = 0;  // false: it cannot be started
    virtual void signal_process(std::uint64_t id, int signal) = 0;
    virtual bool executable(const std::string& binary) = 0;
};

class Keeper {
  public:
    explicit Keeper(KeeperHands& hands) : hands_(hands) {}

    void start_first(Millis now);
    void master_ended(std::uint32_t generation, Millis now);
    void child_ended(std::uint64_t id, int status);
    void pass_time(Millis now);
    Millis next_deadline() const;
    // The next message for a master; a lagging one that has read everything gets its Resync.
    std::optional<Message> read(std::uint32_t generation);
    // Everything that waits for this master is lost.
    void overflow(std::uint32_t generation);

    // --- requests; false: refused ---
    bool hold_counters(std::uint32_t from, std::uint32_t fence, const model::Counters& value);
    bool hold_gateway(std::uint32_t from, std::uint32_t fence, const model::Gateway& value);
    bool hold_configuration(std::uint32_t from, std::uint32_t fence, const model::Configuration& value);
    bool hold_old_configuration(std::uint32_t from, std::uint32_t fence, const model::Configuration& value);
    bool hold_service(std::uint32_t from, std::uint32_t fence, const model::Service& value);
    bool release_service(std::uint32_t from, std::uint32_t fence, const std::string& name);
    bool spawn(std::uint32_t from, std::uint32_t fence, std::uint64_t id);
    bool signal(std::uint32_t from, std::uint32_t fence, std::uint64_t id, int signal);
    bool forget(std::uint32_t from, std::uint32_t fence, std::uint64_t id);
    bool start_master(std::uint32_t from, std::uint32_t fence, const std::string& binary, Millis now);
    bool end_master(std::uint32_t from, std::uint32_t generation);
    bool transfer(std::uint32_t from, std::uint32_t to);
    void note(std::uint32_t from, const model::Upgrade& upgrade);
    void ready(std::uint32_t from);
    void leave(std::uint32_t from, std::uint32_t successor);
    std::vector<model::KnownChild> list_children() const;

    const Held& held() const { return held_; }
    const std::map<std::uint32_t, MasterRecord>& masters() const { return masters_; }
    const std::map<std::uint64_t, Child>& children() const { return children_; }
    std::uint32_t owner() const { return owner_; }
    std::uint32_t fence() const { return fence_; }
    std::uint32_t incumbent() const { return masters_.begin()->first; }
    bool finished() const { return masters_.empty(); }
    std::uint64_t refused() const { return refused_; }

  private:
    bool is_owner(std::uint32_t from, std::uint32_t fence);
    void run(MasterRecord& master, Millis now);
    void forget_master(std::uint32_t generation);
    void give(std::uint32_t generation);
    void push(std::uint32_t to, Message message);
    void push_all(const Message& message);
    Resync situation(std::uint32_t seen_by) const;

    KeeperHands& hands_;
    Held held_;
    std::map<std::uint32_t, MasterRecord> masters_;
    std::map<std::uint64_t, Child> children_;
    std::uint32_t owner_ = 0;
    std::uint32_t fence_ = 1;
    std::uint32_t next_generation_ = 1;
    std::int64_t next_pid_ = 1000;
    bool ever_ready_ = false;
    std::uint64_t refused_ = 0;
};

}  // namespace baton::sim
