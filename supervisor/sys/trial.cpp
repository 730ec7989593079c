#include "sys/trial.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "sys/process.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace baton::sys {
namespace {

void limit(decltype(RLIMIT_CORE) what, rlim_t value) {
    rlimit now{};
    ::getrlimit(what, &now);
    const rlim_t hard = now.rlim_max == RLIM_INFINITY ? value : std::min(value, now.rlim_max);
    const rlimit wanted{hard, hard};
    ::setrlimit(what, &wanted);
}

// Private memory that can be written to, as RLIMIT_DATA counts it.
rlim_t data_bytes() {
    unsigned long pages = 0;
    std::FILE* file = std::fopen("/proc/self/statm", "re");
    if (file == nullptr) return 0;
    if (std::fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1) pages = 0;
    std::fclose(file);
    return static_cast<rlim_t>(pages) * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

void default_signals() {
    struct sigaction normal {};
    normal.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &normal, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Only these, and 0, 1, 2, which lead nowhere.
void close_others(std::vector<int> kept) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int standard = 0; standard <= 2; ++standard) ::dup2(null, standard);
    std::sort(kept.begin(), kept.end());
    int from = 3;
    for (const int fd : kept) {
        if (fd < from) continue;
        if (fd > from) ::close_range(static_cast<unsigned>(from), static_cast<unsigned>(fd - 1), 0);
        from = fd + 1;
    }
    ::close_range(static_cast<unsigned>(from), ~0U, 0);
}

void confine(const TrialLimits& limits, pid_t parent) {
    default_signals();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CPU, limits.cpu_seconds);
    limit(RLIMIT_DATA, data_bytes() + limits.memory_bytes);
    // A second later than the parent's deadline, so that it is the parent who says why.
    const Millis wall = limits.wall + 1'000;
    itimerval timer{};
    timer.it_value.tv_sec = wall / 1'000;
    timer.it_value.tv_usec = (wall % 1'000) * 1'000;
    ::setitimer(ITIMER_REAL, &timer, nullptr);
}

void say(int fd, std::string_view words) {
    while (!words.empty()) {
        const ssize_t written = ::write(fd, words.data(), words.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) ::_exit(1);
        words.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

Result<Trial> Trial::start(const TrialLimits& limits, const UniqueFd& needed, const std::function<void(const Say&)>& body) {
    auto pipe = make_pipe();
    if (!pipe) return pipe.error().context("try a piece of code");
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return Error::system("try a piece of code: fork", errno);
    if (pid == 0) {
        const int out = pipe->write_end.get();
        close_others({out, needed.get()});
        confine(limits, parent);
        body([out](std::string_view words) { say(out, words); });
        ::_exit(0);
    }
    return Trial(pid, std::move(pipe->read_end), monotonic_now() + limits.wall, limits.output_bytes);
}

Trial::Trial(pid_t pid, UniqueFd output, Millis deadline, std::size_t limit)
    : pid_(pid), output_(std::move(output)), deadline_(deadline), limit_(limit) {}

Trial::Trial(Trial&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)), deadline_(other.deadline_), limit_(other.limit_),
      said_(std::move(other.said_)), status_(other.status_), done_(other.done_) {}

Trial::~Trial() {
    end(true);
}

bool Trial::advance() {
    std::array<char, 4096> buffer;
    while (!done_) {
        const auto got = read_some(output_, buffer);
        if (!got && got.error().code() == EAGAIN) return true;
        // What it says beyond the limit is not worth reading; it is killed by the caller, who sees no end.
        if (!got || *got == 0 || said_.size() >= limit_) done_ = true;
        if (got) said_.append(buffer.data(), std::min(*got, limit_ - std::min(limit_, said_.size())));
    }
    return false;
}

// Without `kill`, until its deadline: one may have closed its end of the pipe and go on.
void Trial::end(bool kill) {
    if (pid_ < 0) return;
    if (!kill) {
        const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
        std::vector<Poll> set{{process.get()}};
        if (process.valid()) poll_descriptors(set, static_cast<int>(std::max<Millis>(deadline_ - monotonic_now(), 0)));
        kill = !set.front().readable;
    }
    if (kill) ::kill(pid_, SIGKILL);
    status_ = reap(pid_).status;
    pid_ = -1;
}

Trial::End Trial::finish() {
    const bool over = !advance();
    const bool late = !over && monotonic_now() >= deadline_;
    end(!over || said_.size() >= limit_);
    return {std::move(said_), status_, late};
}

Trial::End Trial::wait() {
    for (Millis now = monotonic_now(); now < deadline_ && advance(); now = monotonic_now()) {
        std::vector<Poll> set{{output_.get()}};
        poll_descriptors(set, static_cast<int>(deadline_ - now));
    }
    return finish();
}

}  // namespace baton::sys
