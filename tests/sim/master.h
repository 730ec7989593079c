// A master of the simulated world: the real planner with the habits of engine/: what is decided is stored,
// piece by piece, and then asked of the keeper, piece by piece. It can die between any two.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "keeper.h"
#include "model/route_table.h"
#include "plan/step.h"
#include "plan/upgrade.h"

namespace baton::sim {

class World;

// Thrown where a master dies.
struct Death {};

// What a new binary is like.
enum class Quality { good, exits, hangs, dies_when_ready, fails_probe, dies_later };

class Master {
  public:
    Master(World& world, std::uint32_t generation, Quality quality) : world_(world), generation_(generation), quality_(quality) {}

    // Its life begins. This and what follows may throw Death.
    void boot();
    // Does one thing that is due. `eager`: leaves nothing to chance.
    bool work(bool eager);
    // When something will be due without any message.
    Millis next_due() const;

    void post(model::Event event);
    void handle(const plan::UpgradeEvent& event);
    // Refused, as the engine does, while an upgrade is on.
    bool reload();
    bool ask_upgrade(const plan::UpgradeAsked& asked);

    std::uint32_t generation() const { return generation_; }
    Quality quality() const { return quality_; }
    bool active() const { return active_; }
    bool incumbent() const { return others_.empty() || *others_.begin() > generation_; }
    bool idle() const { return queue_.empty() && !probe_ && !leaving_; }
    const model::State& state() const { return state_; }
    const model::Upgrade& upgrade() const { return upgrade_; }
    // It has a channel to this worker.
    bool speaks_to(std::uint64_t worker) const { return workers_.contains(worker); }
    std::size_t channels() const { return workers_.size(); }

    int dies_after = -1;       // so many points of death; -1: not
    Millis hung_since = never; // it does not do anything any more

  private:
    void point();
    void begin_trial();
    void become_owner();
    void give_up();
    void load();
    void turn();
    void store(const std::set<std::string>& touched);
    void act(const model::Action& action);
    void act(const plan::UpgradeAction& action);
    void leave();
    bool read_one();
    bool observe(bool eager);
    bool observe_workers(bool eager);
    // As engine/workers: the table, to whom it was sent, and who has confirmed it.
    void adopt_workers();
    void settle_workers();
    bool drained(std::uint64_t instance) const;
    bool on_trial();
    void soak(bool eager);
    void ask_candidate(std::uint32_t generation);

    void hear(const OwnerIs& message);
    void hear(const SpawnDone& message);
    void hear(const Exited& message);
    void hear(const MasterStarted& message);
    void hear(const MasterReady& message);
    void hear(const MasterGone& message);
    void hear(const Resync& message);

    struct Probe {
        std::uint32_t generation = 0;
        Millis due = 0;
        Millis due_as_owner = 0;  // then one that does not own the instances yet has failed
    };

    World& world_;
    std::uint32_t generation_;
    Quality quality_;
    std::uint32_t fence_ = 0;
    std::set<std::uint32_t> others_;
    bool active_ = false;
    bool goes_on_ = false;  // a replacement of the owner: the configuration in force is the snapshot's
    bool leaving_ = false;
    bool ready_ = false;
    Millis ready_at_ = never;
    Millis end_at_ = never;
    Millis next_soak_ = 0;
    std::optional<Probe> probe_;
    std::deque<model::Event> queue_;
    model::Configuration configuration_;
    std::optional<model::Configuration> stored_configuration_;
    model::State state_;
    model::Upgrade upgrade_;
    model::RouteTable table_;
    struct Told {
        std::uint64_t sent = 0;
        std::uint64_t confirmed = 0;
    };
    std::map<std::uint64_t, Told> workers_;
};

}  // namespace baton::sim
