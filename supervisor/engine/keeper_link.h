// The master's end of the channel to the keeper: requests out, news in.
//
// One thread. News arrive through KeeperNews from the io_context; a listing (what is held, who lives)
// is fetched at once, and news that come meanwhile are delivered afterwards in their order.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/result.h"
#include "base/time.h"
#include "keeper/message.h"
#include "model/events.h"
#include "sys/channel.h"
#include "sys/descriptor.h"

namespace baton::engine {

// What the keeper tells a master that has just started.
struct Greeting {
    std::uint32_t generation = 0;
    std::uint32_t incarnation = 0;
    std::uint32_t owner = 0;
    std::uint32_t incumbent = 0;
    std::uint32_t fence = 0;
    std::int32_t keeper_pid = 0;
    std::string note;
    std::string binary;                  // the path this master's image was opened at
    std::vector<std::string> arguments;  // batond's
    std::map<std::uint32_t, std::int32_t> others;  // generation to pid
    std::vector<std::uint32_t> ready_others;
};

class KeeperNews {
  public:
    virtual ~KeeperNews() = default;
    virtual void on_child_started(std::uint64_t id, std::int64_t pid) = 0;
    virtual void on_child_not_started(std::uint64_t id, const std::string& why) = 0;
    virtual void on_child_exited(std::uint64_t id, int status) = 0;
    virtual void on_owner(std::uint32_t generation, std::uint32_t fence) = 0;
    virtual void on_master_started(std::uint32_t generation, std::int32_t pid, const std::string& error) = 0;
    virtual void on_master_ready(std::uint32_t generation) = 0;
    virtual void on_master_gone(std::uint32_t generation, int status, bool left) = 0;
    virtual void on_told(std::uint32_t generation, const std::string& text) = 0;
    virtual void on_signalled(int signal) = 0;
    virtual void on_resync() = 0;
    virtual void on_refused(std::uint32_t request, const std::string& why, const std::string& name) = 0;
    virtual void on_keeper_replaced(const std::string& error) = 0;
    // The keeper is gone: nothing can be done any more.
    virtual void on_keeper_lost() = 0;
};

class KeeperLink {
  public:
    KeeperLink(boost::asio::io_context& context, sys::UniqueFd channel);

    // Waits for the keeper's first words. Once, before start().
    Result<Greeting> greet(std::uint32_t heartbeat_timeout_ms);
    // From here on news are delivered.
    void start(KeeperNews& news);

    Result<std::map<std::string, sys::UniqueFd>> fetch_held();
    Result<std::vector<model::KnownChild>> fetch_children();

    void set_fence(std::uint32_t fence) { fence_ = fence; }
    // From time to time. Not while the keeper has not read what was sent before: it hears that when it does.
    void beat();
    // How long the keeper has left something unread, as far as beats could tell: it is stopped, or hangs.
    Millis silence() const;
    void ready();
    void hold(const std::string& name, const sys::UniqueFd& fd);
    void release(const std::string& name);
    // `descriptors`: output, then the child's 3, 4, ..., then its control group's directory where the body says so.
    void spawn(const keeper::Spawn& body, const keeper::Tail& tail, const std::vector<int>& descriptors);
    void signal(std::uint64_t id, int signal, bool whole_group);
    void forget(std::uint64_t id);
    void note(const std::string& text);
    void start_master(const std::string& binary);
    void signal_master(std::uint32_t generation, int signal);
    void transfer(std::uint32_t generation);
    // `successor`: the generation it leaves everything to; 0: nobody.
    void leave(std::uint32_t successor);
    void tell(std::uint32_t generation, const std::string& text);
    void replace_keeper();

  private:
    void send(const std::string& bytes, const std::vector<int>& descriptors = {});
    // The next message of the given type, others put aside.
    Result<sys::Received> await(std::uint16_t type);
    Result<void> receive(int timeout_ms);
    void wait_readable();
    void deliver_all();
    void deliver(const sys::Received& received);

    boost::asio::io_context& context_;
    sys::UniqueFd channel_;
    boost::asio::posix::stream_descriptor readable_;
    KeeperNews* news_ = nullptr;
    std::deque<sys::Received> aside_;
    std::uint32_t fence_ = 0;
    bool lost_ = false;
    Millis unread_since_ = never;
};

}  // namespace baton::engine
