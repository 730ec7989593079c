#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include <gtest/gtest.h>

namespace baton::test {
namespace {

constexpr int patience_ms = 10'000;

struct Terminal {
    sys::UniqueFd ours;
    sys::UniqueFd theirs;
};

Terminal make_terminal() {
    Terminal terminal;
    terminal.ours = sys::UniqueFd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ::grantpt(terminal.ours.get());
    ::unlockpt(terminal.ours.get());
    terminal.theirs = sys::UniqueFd(::open(::ptsname(terminal.ours.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    winsize size{};
    size.ws_col = 100;
    size.ws_row = 40;
    ::ioctl(terminal.theirs.get(), TIOCSWINSZ, &size);
    return terminal;
}

}  // namespace

Process::Process(const std::vector<std::string>& command,
                 const std::map<std::string, std::string>& environment, bool terminal) {
    auto errors = sys::make_pipe();
    sys::UniqueFd child_out;
    if (terminal) {
        auto pair = make_terminal();
        out_ = std::move(pair.ours);
        child_out = std::move(pair.theirs);
    } else {
        auto output = sys::make_pipe();
        out_ = std::move(output->read_end);
        child_out = std::move(output->write_end);
    }
    std::vector<char*> arguments;
    for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::dup2(child_out.get(), STDOUT_FILENO);
        ::dup2(errors->write_end.get(), STDERR_FILENO);
        ::unsetenv("NO_COLOR");
        ::unsetenv("BATON_SOCKET");
        ::setenv("TERM", "xterm", 1);
        for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    err_ = std::move(errors->read_end);
}

Process::~Process() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

bool Process::read_into(sys::UniqueFd& fd, std::string& text) {
    std::array<char, 64 * 1024> bytes;
    const ssize_t got = ::read(fd.get(), bytes.data(), bytes.size());
    // A terminal whose other side is closed fails instead of ending.
    if (got <= 0) {
        fd.reset();
        return false;
    }
    text.append(bytes.data(), static_cast<std::size_t>(got));
    return true;
}

bool Process::pump() {
    std::array<pollfd, 2> waiting{{{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}}};
    if (!out_.valid() && !err_.valid()) return false;
    if (::poll(waiting.data(), waiting.size(), patience_ms) <= 0) {
        ADD_FAILURE() << "nothing came in time; so far: " << so_far_.out << so_far_.err;
        return false;
    }
    if (out_.valid() && waiting[0].revents != 0) read_into(out_, so_far_.out);
    if (err_.valid() && waiting[1].revents != 0) read_into(err_, so_far_.err);
    return true;
}

bool Process::says(const std::string& text) {
    while (so_far_.out.find(text) == std::string::npos) {
        if (!pump()) return false;
    }
    return true;
}

bool Process::complains(const std::string& text) {
    while (so_far_.err.find(text) == std::string::npos) {
        if (!pump()) return false;
    }
    return true;
}

void Process::signal(int number) const {
    ::kill(pid_, number);
}

Finished Process::finish() {
    while (pump()) {
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    so_far_.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return so_far_;
}

}  // namespace baton::test
