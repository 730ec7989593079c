#include "sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string_view>

#include <fmt/core.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace baton::sys {

void block_all_signals() {
    struct sigaction normal {};
    normal.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &normal, nullptr);
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

Result<UniqueFd> signal_descriptor(const std::vector<int>& signals) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : signals) ::sigaddset(&set, signal);
    UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd.valid()) return Error::system("create a signal descriptor", errno);
    return fd;
}

std::optional<TakenSignal> take_signal(const UniqueFd& signals) {
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof(info)) != sizeof(info)) return std::nullopt;
    return TakenSignal{static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL, static_cast<pid_t>(info.ssi_pid)};
}

namespace {

std::optional<Ended> peek(idtype_t whom, id_t id) {
    siginfo_t info{};
    if (::waitid(whom, id, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return std::nullopt;
    switch (info.si_code) {
        case CLD_EXITED: return Ended{info.si_pid, W_EXITCODE(info.si_status & 0xFF, 0)};
        case CLD_DUMPED: return Ended{info.si_pid, info.si_status | WCOREFLAG};
        default: return Ended{info.si_pid, info.si_status};
    }
}

}  // namespace

std::optional<Ended> peek_ended_child() { return peek(P_ALL, 0); }
std::optional<Ended> peek_ended_child(pid_t pid) { return pid > 0 ? peek(P_PID, static_cast<id_t>(pid)) : std::nullopt; }

Ended reap(pid_t pid) {
    Ended ended{pid, 0};
    while (::waitpid(pid, &ended.status, 0) < 0 && errno == EINTR) {
    }
    return ended;
}

Result<void> send_signal(const UniqueFd& pidfd, int signal) {
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) != 0) {
        return Error::system(fmt::format("send signal {}", signal), errno);
    }
    return {};
}

Result<UniqueFd> open_process(pid_t pid) {
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process.valid()) return Error::system(fmt::format("find process {}", pid), errno);
    return process;
}

pid_t group_of(pid_t pid) {
    return std::max(::getpgid(pid), 0);
}

std::string title_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
    std::string title;
    std::getline(file, title, '\0');
    return title;
}

std::string name_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    std::getline(file, name);
    return name;
}

void signal_group(pid_t leader, int signal) {
    ::kill(-leader, signal);
}

void adopt_orphans() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

bool kill_all_children() {
    const std::string path = fmt::format("/proc/self/task/{}/children", ::getpid());
    std::FILE* file = std::fopen(path.c_str(), "re");
    if (file == nullptr) return false;
    bool any = false;
    for (int pid = 0; std::fscanf(file, "%d", &pid) == 1; any = true) ::kill(pid, SIGKILL);
    std::fclose(file);
    return any;
}

Result<pid_t> fork_daemon() {
    const auto null = open_null();
    if (!null) return null.error();
    const pid_t child = ::fork();
    if (child < 0) return Error::system("daemonize", errno);
    if (child == 0) {
        ::setsid();
        ::dup2(null->get(), STDIN_FILENO);
    }
    return child;
}

void let_go_of_terminal() {
    const auto null = open_null();
    if (!null) return;
    ::dup2(null->get(), STDOUT_FILENO);
    ::dup2(null->get(), STDERR_FILENO);
}

Result<void> refuse_new_privileges() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Error::system("refuse new privileges", errno);
    return {};
}

Result<void> prefer_throughput() {
    const sched_param none{};
    if (::sched_setscheduler(0, SCHED_BATCH, &none) != 0) return Error::system("change the scheduling", errno);
    return {};
}

void forget_code() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        std::uintptr_t from = 0;
        std::uintptr_t to = 0;
        std::array<char, 5> rights{};
        // Of a file, and never written to: those are the same when they come back.
        if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, rights.data()) != 3 || std::string_view(rights.data()) != "r-xp") continue;
        if (line.find('/') != std::string::npos) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);  // NOLINT: an address as the kernel writes it
    }
}

void set_name(const char* name) {
    ::prctl(PR_SET_NAME, name);
}

void poll_descriptors(std::vector<Poll>& set, int timeout_ms) {
    std::vector<pollfd> raw;
    raw.reserve(set.size());
    for (const Poll& entry : set) {
        raw.push_back({entry.descriptor, static_cast<short>((entry.want_read ? POLLIN : 0) | (entry.want_write ? POLLOUT : 0)), 0});
    }
    if (::poll(raw.data(), raw.size(), timeout_ms) <= 0) return;
    for (std::size_t i = 0; i < set.size(); ++i) {
        set[i].readable = (raw[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
        set[i].writable = (raw[i].revents & POLLOUT) != 0;
    }
}

Error execute(const UniqueFd& image, const std::vector<std::string>& arguments,
              const std::vector<std::string>& environment) {
    std::vector<char*> argv;
    std::vector<char*> envp;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    for (const std::string& variable : environment) envp.push_back(const_cast<char*>(variable.c_str()));
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    ::execveat(image.get(), "", argv.data(), envp.data(), AT_EMPTY_PATH);
    return Error::system("execute the image", errno);
}

Result<void> keep_across_exec(int descriptor, bool keep) {
    if (::fcntl(descriptor, F_SETFD, keep ? 0 : FD_CLOEXEC) != 0) return Error::system("mark a descriptor", errno);
    return {};
}

Result<UniqueFd> open_image(const std::string& path) {
    // A pipe that nobody writes to must not hold up the keeper.
    UniqueFd image(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!image.valid()) return Error::system("open " + path, errno);
    struct stat about {};
    if (::fstat(image.get(), &about) != 0) return Error::system("look at " + path, errno);
    if (!S_ISREG(about.st_mode)) return Error::system("open " + path + ": not a file", EINVAL);
    return image;
}

Result<UniqueFd> open_null() {
    UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null.valid()) return Error::system("open /dev/null", errno);
    return null;
}

std::vector<std::string> own_environment() {
    std::vector<std::string> list;
    for (char** variable = ::environ; variable != nullptr && *variable != nullptr; ++variable) list.emplace_back(*variable);
    return list;
}

std::string describe_status(int status) {
    if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
    return fmt::format("exited {}", WEXITSTATUS(status));
}

void write_error(const std::string& text) {
    std::vector<Poll> room{{STDERR_FILENO, true, false}};
    poll_descriptors(room, 0);
    if (!room.front().writable) return;
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace baton::sys
