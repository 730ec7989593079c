// The keeper: the one process that never changes its pid. It holds descriptors, starts and reaps every
// other process, forwards signals, and replaces a dead or hung master. It decides nothing about
// services: it knows masters, children by number, and descriptors by name.
//
// Rules for masters, all of them:
//   - one generation owns the instances; requests of any other, or with an old fencing number, are refused
//   - the incumbent is the oldest master; a dead incumbent is started again from its own image
//   - any other master that ends is not started again; if it was the owner, the incumbent is
//   - a master that says Leave may end; the last one to leave ends the keeper. One that leaves everything
//     to a successor stays if that one ends first, whatever it has said
//   - a master that is silent for longer than its heartbeat timeout is killed
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "keeper/message.h"
#include "keeper/state.h"
#include "sys/inherited.h"
#include "sys/offspring.h"
#include "sys/process.h"

namespace baton::keeper {

class Keeper {
  public:
    explicit Keeper(State state);
    // The keeper whose program was just replaced (or started for the first time, by start()).
    static Result<Keeper> resume(sys::UniqueFd saved);
    // Executes the first master's image as the keeper's program. Returns only on failure.
    Error start() { return become(state_.incumbent().image); }
    // Serves until everything has ended; the exit status. The caller has blocked all signals.
    int run();

  private:
    void start_master(Master& master);
    void start_first_master();
    void master_ended(std::uint32_t generation, int status);
    void forget_master(std::uint32_t generation, int status);
    void give(std::uint32_t generation);
    void reap_all();
    void reap_one(const sys::Ended& ended);
    void signals();
    void forward(int signal);
    void deadlines(bool slept);
    Millis next_deadline() const;
    void deliver_signals(Master& owner);
    void finish();

    void receive(Master& master);
    void refuse_cut(Master& master, const Message& message);
    void handle(Master& master, const Message& message, std::vector<sys::UniqueFd>& descriptors);
    void handle_as_owner(Master& master, const Message& message, std::vector<sys::UniqueFd>& descriptors);
    void on_ready(Master& master);
    void on_spawn(Master& master, const Message& message, std::vector<sys::UniqueFd>& descriptors);
    void on_hold(Master& master, const Message& message, std::vector<sys::UniqueFd>& descriptors);
    void on_start_master(Master& master, const Message& message);
    void on_replace(Master& master);
    void list_held(Master& master, const std::string& after);
    void list_children(Master& master, std::uint64_t after);

    void tell_all(Master& master);
    // False: it does not read, and is owed a Resync.
    bool push(Master& master, const std::string& bytes, const std::vector<int>& descriptors = {});
    void push_all(const std::string& bytes);
    void refuse(Master& master, const Message& message, const std::string& why);
    void checker_ended(int status);
    Error become(const sys::UniqueFd& image);
    std::vector<int> descriptors() const;
    // This process's, with the role that a process is started in.
    static std::vector<std::string> role_environment(const char* role);

    // The new keeper image that is proving itself in a child.
    struct Checker {
        pid_t pid = 0;
        sys::UniqueFd pidfd;
        std::uint32_t generation = 0;
        Millis deadline = 0;
    };

    State state_;
    std::unordered_map<pid_t, std::uint64_t> living_;  // the children that have not ended, by pid
    sys::UniqueFd signals_;
    std::optional<sys::Offspring> watched_;  // masters, their children and the checker, once it runs
    Millis strangers_at_ = never;            // when it is looked for children that are not watched
    sys::UniqueFd null_;
    sys::Watchdog watchdog_;  // the service manager's: of the keeper alone, which looks after the masters itself
    std::optional<Checker> checker_;
    std::vector<int> pending_signals_;  // for the owner, while none can hear them; each at most once
    Millis stop_deadline_ = never;      // after TERM: when everything is killed
    bool finished_ = false;
    int exit_status_ = 0;
};

// What a keeper's program does to prove itself: reads the state of the running one. Exit status.
int check_state(const sys::UniqueFd& state);

}  // namespace baton::keeper
