// Signals, children and titles of this process and of those it started.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

// Every signal blocked, every disposition the default: how the keeper lives, so that no signal is lost
// and nothing leaks into a child.
void block_all_signals();
// A descriptor that reads the given signals.
Result<UniqueFd> signal_descriptor(const std::vector<int>& signals);
struct TakenSignal {
    int signal = 0;
    bool from_kernel = false;  // by a terminal, not by kill()
    pid_t from = 0;            // of SIGCHLD: whose end it tells, but it may stand for others too
};
std::optional<TakenSignal> take_signal(const UniqueFd& signals);

struct Ended {
    pid_t pid = 0;
    int status = 0;  // as waitpid gives it
};
// A child that ended and is not reaped yet, so that its pid and its group cannot be anybody else's.
std::optional<Ended> peek_ended_child();
// The same of this one; to ask for any costs a look at each.
std::optional<Ended> peek_ended_child(pid_t pid);
// Reaps it.
Ended reap(pid_t pid);

// By pidfd: a reused pid cannot be hit.
Result<void> send_signal(const UniqueFd& pidfd, int signal);
// A process that is no child of this one. What is learned of its pid from then on, and is true of Baton, is true of it:
// where it has ended and its pid is another's, no signal by this descriptor reaches that one.
Result<UniqueFd> open_process(pid_t pid);
// The process group of a process; 0 where there is no such process any more.
pid_t group_of(pid_t pid);
// What a process calls itself: its argument 0; empty where there is no such process.
std::string title_of(pid_t pid);
// The kernel's name of it, see set_name; empty where there is no such process.
std::string name_of(pid_t pid);
// To the process group of a child that is not reaped yet.
void signal_group(pid_t leader, int signal);
// Orphans of our children become our children.
void adopt_orphans();
// KILL to every child of this process, of whatever origin. True when there was one.
bool kill_all_children();
// Forks. The child (0) leads a session of its own and reads from /dev/null; the parent gets its pid.
Result<pid_t> fork_daemon();
// Output and errors go nowhere from here on.
void let_go_of_terminal();
// This process and what it starts gain no rights by executing a program (set-user-id and the like).
Result<void> refuse_new_privileges();
// Woken, this thread waits for its turn and does not interrupt who runs (SCHED_BATCH): more is there to be done at once.
Result<void> prefer_throughput();
// Code that ran so far is no memory of this process any more: what is used again comes back by itself, from the
// page cache. For one that starts with more than it needs from then on.
void forget_code();
// The kernel's name of this thread, at most 15 bytes.
void set_name(const char* name);

// Ready to read, or to write, as asked for, within `timeout_ms` (-1: no end).
struct Poll {
    int descriptor = -1;
    bool want_write = false;
    bool want_read = true;
    bool readable = false;
    bool writable = false;
};
void poll_descriptors(std::vector<Poll>& set, int timeout_ms);
// To standard error, unless nobody reads it now: nothing may hold up who says it.
void write_error(const std::string& text);

// Replaces this process by the image. Returns only on failure.
Error execute(const UniqueFd& image, const std::vector<std::string>& arguments,
              const std::vector<std::string>& environment);
// Whether the descriptor survives an exec.
Result<void> keep_across_exec(int descriptor, bool keep);
Result<UniqueFd> open_image(const std::string& path);
Result<UniqueFd> open_null();
std::vector<std::string> own_environment();
// "exited 1", "killed by signal 9".
std::string describe_status(int status);

}  // namespace baton::sys
