// The processes of the instances: how one is started, and what this master has open for it: the pipe its
// output comes through and the socket it says READY=1 on. Both are held by the keeper under
// output/ID and notify/ID, so that a program never writes to nobody.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/log.h"
#include "base/result.h"
#include "engine/keeper_link.h"
#include "engine/sockets.h"
#include "model/events.h"
#include "model/state.h"
#include "run/capture.h"
#include "run/notify.h"
#include "sys/cgroup.h"
#include "sys/datagram.h"
#include "sys/user.h"

namespace baton::engine {

class Processes {
  public:
    struct Hooks {
        std::function<void(model::Event)> event;
        std::function<void(const std::string& instance, std::string_view line)> line;
    };
    Processes(boost::asio::io_context& context, KeeperLink& link, Sockets& sockets, Log& log, Hooks hooks);

    std::string cgroups() const { return cgroups_.status(); }

    // Looks up the users that services run as, which may block, so that no start has to. The reasons
    // against this configuration: those that do not exist.
    std::vector<std::string> know_users(const model::Configuration& configuration);

    const Result<sys::User>& user(const std::string& name);

    // Asks the keeper to start the instance's process. An Error: nothing was asked; code() EADDRINUSE: the port
    // it was to bind is somebody else's.
    Result<void> start(const model::State& state, const model::Service& service, const model::Instance& instance);
    // Listens to what a process of an earlier master says, by the held descriptors of its id.
    void adopt(const model::State& state, const model::Service& service, const model::Instance& instance, std::map<std::string, sys::UniqueFd>& held);
    // The keeper has started it.
    void started(std::uint64_t id, std::int64_t pid);
    // The process ended: tells what it said last, while its record still expects that.
    void hear_out(std::uint64_t id);
    // Its end was noted: lets go of everything.
    void ended(std::uint64_t id);
    // KILL to everything in its cgroup; the keeper has done so to its process group.
    void kill_all_of(std::uint64_t id);
    // Another master listens from now on.
    void let_go();
    // Nothing will be started any more: the supervisor's own cgroup goes.
    void dissolve() { cgroups_.dissolve(); }

  private:
    struct Open {
        std::string instance;
        std::string user;       // empty: the supervisor's own
        std::int64_t pid = 0;   // 0: not known yet
        std::string notify_path;
        std::string cgroup;
        std::unique_ptr<run::Capture> output;
        std::unique_ptr<run::NotifySocket> notify;
    };
    struct Plan;

    bool may_speak(std::uint64_t id, const sys::Sender& sender);
    void listen(std::uint64_t id, Open& open, sys::UniqueFd output, sys::UniqueFd notify);
    Result<void> identify(const std::string& user, keeper::Spawn& body, Plan& plan);
    void environment(const model::State& state, const model::Revision& revision, const model::Instance& instance, Plan& plan) const;

    boost::asio::io_context& context_;
    KeeperLink& link_;
    Sockets& sockets_;
    Log& log_;
    Hooks hooks_;
    sys::Cgroups cgroups_;
    std::vector<std::string> environment_;  // this process's, as far as it is for programs
    std::map<std::uint64_t, Open> open_;
    std::map<std::string, Result<sys::User>> users_;  // looked up once for each configuration
};

}  // namespace baton::engine
