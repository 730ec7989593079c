// The workers of the gateway as this master sees them: how one is started, what it is told, and what it has
// confirmed and counted. Which there are is the state's; this makes it so.
//
// For each worker the keeper holds this end of its channel and its counters, under worker/ID and
// worker-counters/ID, so that a master that dies is replaced without the worker noticing.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "base/result.h"
#include "engine/access_logs.h"
#include "engine/certificates.h"
#include "engine/keeper_link.h"
#include "engine/plugins.h"
#include "engine/processes.h"
#include "engine/sockets.h"
#include "engine/tickets.h"
#include "gateway/counters.h"
#include "model/events.h"
#include "model/route_table.h"
#include "model/state.h"
#include "run/capture.h"

namespace baton::engine {

class Workers {
  public:
    Workers(boost::asio::io_context& context, KeeperLink& link, Sockets& sockets, Processes& processes, const Plugins& plugins, Log& log,
            std::function<void(model::Event)> event, std::function<void()> changed);

    // Asks the keeper for the worker's process, of this master's own program. An Error: nothing was asked.
    Result<void> start(const model::State& state, std::uint64_t id);
    void release(std::uint64_t id, std::uint64_t to);
    // Takes over those that another master has started.
    void adopt(const model::State& state, std::map<std::string, sys::UniqueFd>& held);
    // Its end was noted.
    void ended(const model::State& state, std::uint64_t id);
    // Another master has them from now on.
    void let_go();
    // The keeper did not take it.
    void not_held(const std::string& name) { tickets_.not_held(name); }

    // Sends the table to those who have another one. After each turn.
    void settle(const model::State& state);
    // USR1: access logs are other files from here on. Why not, of those that could not be opened.
    std::vector<std::string> reopen_logs();
    // Whether every worker that accepts serves by the table last sent.
    bool confirmed() const;
    // Whether every worker has confirmed the table last sent, and none has a connection to this instance, or a client
    // of a listener that closes and leads to its service.
    bool drained(std::uint64_t instance, const std::string& service) const;
    // Whether a worker has this listening socket, or may have: it has not confirmed a table without it.
    bool have(const std::string& listener) const;
    // The plugin's call in which it stands, or ended; 0: none.
    std::uint64_t crumb(std::uint64_t id) const;
    // What stands against it that each serves by the table last sent, with the plugins of it. None, and not
    // `all`: they have not said so yet.
    struct Followed {
        bool all = false;
        std::vector<std::string> problems;
    };
    Followed followed() const;
    // Posts an event for each whose loop stands still.
    void look(const model::State& state);
    // The totals of one worker; all zero where it is not known.
    gateway::Totals totals(std::uint64_t id) const;

  private:
    struct Waiting {
        model::Order order;
        sys::UniqueFd descriptor;
    };
    struct Open {
        boost::asio::posix::stream_descriptor channel;
        sys::UniqueFd channel_fd;  // the same; the stream only waits
        std::unique_ptr<gateway::Counters> counters;
        std::unique_ptr<run::Capture> output;
        // Listening sockets, access logs, certificates and plugins that it has got; of sockets, which.
        std::map<std::string, std::uint64_t> has;
        std::map<std::string, std::uint64_t> drops;  // by the table of this revision
        std::uint64_t sent = 0;                      // revision
        std::uint64_t confirmed = 0;
        bool leaving = false;
        std::deque<Waiting> waiting;       // for room in its channel
        std::uint64_t id = 0;
        std::vector<std::string> problems;  // that it confirmed with
        std::vector<std::string> closing;   // listeners that close and have clients there
        // The call that it was found in at the looks before this one.
        struct Stay {
            std::uint64_t crumb = 0;
            std::uint64_t calls = 0;
            Millis since = 0;
            bool told = false;
        } stay;
    };
    void listen(std::uint64_t id, sys::UniqueFd channel, const sys::UniqueFd& counters, sys::UniqueFd output);
    void wait(std::uint64_t id);
    void read(std::uint64_t id);
    void send_table(Open& open);
    void watch_calls();
    void look_at_calls();
    std::map<std::string, const sys::UniqueFd*> descriptors_for(const Open& open) const;
    std::map<std::string, const sys::UniqueFd*> missing(const Open& open) const;
    void tell(std::uint64_t id, Open& open, model::OrderKind kind, sys::UniqueFd descriptor = {}, std::uint64_t heir = 0);
    bool send_waiting(Open& open);
    bool send(Open& open, const model::Order& order, const std::vector<int>& descriptors = {});

    boost::asio::io_context& context_;
    KeeperLink& link_;
    Sockets& sockets_;
    Processes& processes_;
    const Plugins& plugins_;
    Log& log_;
    std::function<void(model::Event)> event_;
    std::function<void()> changed_;  // a worker has confirmed a table
    std::map<std::uint64_t, std::unique_ptr<Open>> open_;
    model::RouteTable table_;
    AccessLogs access_logs_;
    Certificates certificates_;
    Tickets tickets_;
    std::size_t unknown_ = 0;          // workers that run and cannot be asked
    Millis looked_ = 0;
    bool root_said_ = false;
    std::set<std::uint64_t> silent_;   // at the last look
    boost::asio::steady_timer calls_;  // while there are plugins, or calls of them
    bool watching_ = false;
    Millis calls_looked_ = 0;
};

}  // namespace baton::engine
