#include "sys/spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

// The first three are what Boost 1.81's launcher header uses and does not include.
#include <boost/asio/detail/throw_error.hpp>
#include <boost/optional.hpp>
#include <boost/type_traits/decay.hpp>
#include <boost/process/v2/posix/default_launcher.hpp>
#include <fmt/core.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace baton::sys {
namespace {

namespace posix = boost::process::v2::posix;
using boost::system::error_code;
using Arguments = const char* const*;

// What the child tells its parent through the memory they share.
struct Failure {
    const char* step = nullptr;
    int code = 0;
};

// Boost's launcher protocol over vfork. Boost's own vfork_launcher ends a failed child with exit(),
// which runs the parent's atexit handlers in the shared memory, and loses the error of execve.
struct VforkLauncher : posix::default_launcher {
    template <class... Inits>
    int launch(const std::filesystem::path& program, Arguments arguments, Failure& failure, Inits&&... inits) {
        if (posix::detail::on_setup(*this, program, arguments, inits...)) return -1;
        pid = ::vfork();
        if (pid == 0) {
            if (!posix::detail::on_exec_setup(*this, program, arguments, inits...)) {
                ::execve(program.c_str(), const_cast<char* const*>(arguments), const_cast<char* const*>(env));
                failure = {"execute", errno};
            }
            ::_exit(127);
        }
        if (pid > 0 && failure.code == 0) posix::detail::on_success(*this, program, arguments, inits...);
        return pid;
    }
};

// An initialiser is one step of the child's preparation.
template <class Derived>
struct Step {
    Failure& failure;
    template <class Launcher>
    error_code on_exec_setup(Launcher&, const std::filesystem::path&, Arguments&) {
        if (static_cast<Derived*>(this)->prepare()) return {};
        failure = {Derived::name, errno};
        return error_code(errno, boost::system::system_category());
    }
};

struct EnterCgroup : Step<EnterCgroup> {
    static constexpr const char* name = "enter its cgroup";
    int procs;
    bool prepare() const { return procs < 0 || ::write(procs, "0", 1) == 1; }
};

struct OwnGroup : Step<OwnGroup> {
    static constexpr const char* name = "make a process group";
    bool prepare() const { return ::setpgid(0, 0) == 0; }
};

struct SetLimits : Step<SetLimits> {
    static constexpr const char* name = "set its limits";
    const SpawnSpec& spec;
    bool prepare() const {
        ::umask(spec.umask);
        if (spec.nofile == 0) return true;
        rlimit limit{spec.nofile, spec.nofile};
        if (!spec.raise_nofile) {
            ::getrlimit(RLIMIT_NOFILE, &limit);
            limit.rlim_cur = std::min<rlim_t>(spec.nofile, limit.rlim_max);
        }
        return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
    }
};

struct BindDescriptors : Step<BindDescriptors> {
    static constexpr const char* name = "bind its descriptors";
    std::vector<int>& above;  // room for copies, made before the fork
    const SpawnSpec& spec;
    bool prepare() const {
        // First out of the way of every target, then into place.
        const int clear = static_cast<int>(spec.descriptors.size()) + 1;
        for (std::size_t i = 0; i < spec.descriptors.size(); ++i) {
            above[i] = ::fcntl(spec.descriptors[i], F_DUPFD_CLOEXEC, clear);
            if (above[i] < 0) return false;
        }
        const int image = spec.image < 0 ? -1 : ::fcntl(spec.image, F_DUPFD_CLOEXEC, clear);
        if (spec.image >= 0 && image < 0) return false;
        for (std::size_t i = 0; i < spec.descriptors.size(); ++i) {
            if (::dup2(above[i], static_cast<int>(i)) < 0) return false;
        }
        int last = static_cast<int>(spec.descriptors.size());
        if (image >= 0 && ::dup2(image, last++) < 0) return false;
        return ::syscall(SYS_close_range, static_cast<unsigned>(last), ~0U, 1U << 2 /* CLOEXEC */) == 0;
    }
};

struct DropCredentials : Step<DropCredentials> {
    static constexpr const char* name = "change its user";
    const SpawnSpec& spec;
    bool prepare() const {
        // Raw calls: glibc's wrappers would change the other threads of the memory it shares.
        if (spec.uid != unchanged_id && ::syscall(SYS_setgroups, spec.groups.size(), spec.groups.data()) != 0) return false;
        if (spec.gid != unchanged_id && ::syscall(SYS_setresgid, spec.gid, spec.gid, spec.gid) != 0) return false;
        return spec.uid == unchanged_id || ::syscall(SYS_setresuid, spec.uid, spec.uid, spec.uid) == 0;
    }
};

struct ChangeDirectory : Step<ChangeDirectory> {
    static constexpr const char* name = "change to its directory";
    const SpawnSpec& spec;
    bool prepare() const { return spec.directory.empty() || ::chdir(spec.directory.c_str()) == 0; }
};

struct Signals : Step<Signals> {
    static constexpr const char* name = "set its signals";
    int parent_death_signal;
    pid_t parent;
    bool prepare() const {
        // After the change of user, which clears it.
        if (parent_death_signal != 0 && ::prctl(PR_SET_PDEATHSIG, parent_death_signal) != 0) return false;
        // It may have died before that was asked for.
        if (parent_death_signal != 0 && ::getppid() != parent) return false;
        sigset_t none;
        ::sigemptyset(&none);
        return ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0;
    }
};

// systemd's protocol wants the child's own pid in its environment, which only the child knows.
struct WriteListenPid : Step<WriteListenPid> {
    static constexpr const char* name = "write LISTEN_PID";
    char* digits;
    bool prepare() const {
        if (digits != nullptr) *std::to_chars(digits, digits + 10, ::getpid()).ptr = '\0';
        return true;
    }
};

std::vector<const char*> pointers(const std::vector<std::string>& strings) {
    std::vector<const char*> list;
    list.reserve(strings.size() + 1);
    for (const std::string& string : strings) list.push_back(string.c_str());
    list.push_back(nullptr);
    return list;
}

// execvp's look-up, in the parent and over the child's own PATH.
std::string find_program(const SpawnSpec& spec) {
    if (spec.path.find('/') != std::string::npos) return spec.path;
    std::string_view path = "/usr/local/bin:/usr/bin:/bin";
    for (const std::string& variable : spec.environment) {
        if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5);
    }
    while (!path.empty()) {
        const auto colon = std::min(path.find(':'), path.size());
        std::string candidate = std::string(path.substr(0, colon)) + "/" + spec.path;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
        path.remove_prefix(std::min(colon + 1, path.size()));
    }
    return spec.path;
}

}  // namespace

Result<Spawned> spawn(const SpawnSpec& spec) {
    std::vector<std::string> environment = spec.environment;
    char* listen_pid = nullptr;
    for (std::string& variable : environment) {
        if (!variable.starts_with("LISTEN_PID=")) continue;
        variable = "LISTEN_PID=0000000000";
        listen_pid = variable.data() + std::strlen("LISTEN_PID=");
    }
    const auto arguments = pointers(spec.arguments);
    const auto variables = pointers(environment);
    const std::string program =
        spec.image < 0 ? find_program(spec) : fmt::format("/proc/self/fd/{}", spec.descriptors.size());
    std::vector<int> above(spec.descriptors.size());
    Failure failure;

    VforkLauncher launcher;
    launcher.env = variables.data();
    const int pid = launcher.launch(program, arguments.data(), failure, EnterCgroup{{failure}, spec.cgroup_procs},
                                    OwnGroup{{failure}}, SetLimits{{failure}, spec}, BindDescriptors{{failure}, above, spec},
                                    DropCredentials{{failure}, spec}, ChangeDirectory{{failure}, spec},
                                    WriteListenPid{{failure}, listen_pid}, Signals{{failure}, spec.parent_death_signal, ::getpid()});
    if (pid < 0) return Error::system("start " + spec.path + ": create a process", errno);
    if (failure.code != 0) {
        ::waitpid(pid, nullptr, 0);
        return Error::system(fmt::format("start {}: {}", spec.path, failure.step), failure.code);
    }
    Spawned child{pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)))};
    if (!child.pidfd.valid()) {
        const int code = errno;
        ::kill(-pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return Error::system("start " + spec.path + ": open its pidfd", code);
    }
    return child;
}

}  // namespace baton::sys
