// The turn: events in, plan/ decides, the state is stored, and then what was decided is done. Runs only
// in the master that owns the instances.
//
// The order within a turn is the promise: the keeper has the new state before anything is asked of it,
// and the steering tables are right before anything is told to go. Where the state cannot be stored (no
// descriptor or memory is left), nothing of the turn is done until it is, and later events wait.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "engine/event_log.h"
#include "engine/keeper_link.h"
#include "engine/plugins.h"
#include "engine/probes.h"
#include "engine/processes.h"
#include "engine/sockets.h"
#include "engine/workers.h"
#include "model/actions.h"
#include "model/state.h"

namespace baton::engine {

// The name under which the keeper holds the configuration in force.
inline constexpr const char* configuration_snapshot_name = "state/configuration";

class Runner {
  public:
    Runner(boost::asio::io_context& context, KeeperLink& link, Plugins& plugins, Log& log, EventLog& events);

    // A master on trial: takes copies of what is held, and opens what `own` needs beside it. The reasons
    // why it could not serve; empty: it could.
    std::vector<std::string> rehearse(std::map<std::string, sys::UniqueFd>& held, const model::Configuration& own);
    // Drops those copies again, so that no socket is kept open by one that does not use it.
    void end_rehearsal();
    // The trial led to nothing: closes what was opened for it.
    void abandon_rehearsal();

    // `generation` is this master's. It owns the instances from now on. `own`: the configuration to bring into force, or null
    // to go on with the one that is. Takes what it needs out of `held`.
    Result<void> take_over(std::map<std::string, sys::UniqueFd>& held, const model::Configuration* own, std::uint32_t generation);
    // It does not any more: everything is let go of, nothing is told to anybody.
    void suspend();
    bool active() const { return active_; }

    void post(model::Event event);
    // What the keeper says of a child, posted.
    void child_started(std::uint64_t id, std::int64_t pid);
    void child_exited(std::uint64_t id, int status);
    // The same, and its turn is over when this returns (unless the state could not be stored). Not from
    // within a turn.
    void apply(model::Event event);
    // A configuration that was prepared comes into force, with the plugins that it needs.
    void bring(const model::Configuration& configuration);
    // Those plugins come into force that are in the directories now. False: they are in force already.
    bool bring_plugins();
    // The keeper could not tell us everything: compare with what it has.
    Result<void> resync();
    // It did not take what it was to hold: that is given to it again with the next change.
    void not_held(const std::string& name);

    const model::State& state() const { return state_; }
    Sockets& sockets() { return sockets_; }
    const Sockets& sockets() const { return sockets_; }
    const Workers& workers() const { return workers_; }
    std::string cgroups() const { return processes_.cgroups(); }
    // USR1: access logs are opened anew.
    std::vector<std::string> reopen_logs() { return workers_.reopen_logs(); }
    // Looks whether a worker hangs. From time to time.
    void look();
    // Rung after every turn.
    Bell& changed() { return changed_; }
    // Opens the listeners of a configuration that is about to be posted, and looks up its users. The
    // reasons against it.
    std::vector<std::string> prepare(const model::Configuration& configuration);
    // Nothing runs any more and this is the end: closes and removes what programs were reached by.
    void dissolve();
    // When all has ended after StopAsked.
    void on_stopped(std::function<void()> callback) { on_stopped_ = std::move(callback); }

  private:
    void schedule();
    void turn();
    void finish();
    void act(const model::Action& action);
    void start_process(std::uint64_t id);
    struct Decided;
    Result<void> store(const Decided& decided);
    Result<void> store_one(const std::string& name, const std::string& bytes);
    Result<void> load(std::map<std::string, sys::UniqueFd>& held);
    void adopt_processes(std::map<std::string, sys::UniqueFd>& held);
    void look_at_queues();
    void arm();
    model::Adopted adopted(std::vector<model::KnownChild> children) const;
    void know_workers_user(const model::Configuration& configuration);

    boost::asio::io_context& context_;
    KeeperLink& link_;
    Plugins& plugins_;
    Log& log_;
    EventLog& events_;
    model::State state_;
    Sockets sockets_;
    Processes processes_;
    Workers workers_;
    Probes probes_;
    Bell changed_;
    std::deque<model::Event> queue_;
    std::map<std::string, std::string> stored_;  // what the keeper has, by name
    // What a turn has decided and not done yet.
    struct Decided {
        std::vector<model::Action> actions;
        std::set<std::string> touched;
        bool configured = false;  // the configuration may have changed
    };
    Decided decided_;
    bool unstored_ = false;  // `decided_` waits for the state to be stored
    boost::asio::steady_timer retry_;
    boost::asio::steady_timer deadline_;
    boost::asio::steady_timer queues_;
    bool looking_ = false;
    bool scheduled_ = false;
    bool active_ = false;
    std::uint32_t generation_ = 0;
    std::function<void()> on_stopped_;
};

}  // namespace baton::engine
