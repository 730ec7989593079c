#include "sys/spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
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

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
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

// As vfork, but the child has its parent's table of descriptors, which it copies itself as far as it needs
// it: a keeper holds thousands, and to copy and close them took longer than all else. And it is born in the
// control group of this directory, if there is one: moving there later waits for a grace period of the kernel's
// (5 to 20 ms). It runs `child`, which does not return, on a stack of its own, as glibc has no call that
// would keep the two apart on one. -1 where that cannot be done.
long vfork_sharing(int cgroup, void (*child)(void*), void* context) {
    alignas(16) static std::array<char, 64UL * 1024> stack;
    clone_args arguments{};
    arguments.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES;
    arguments.exit_signal = SIGCHLD;
    arguments.stack = reinterpret_cast<std::uint64_t>(stack.data());
    arguments.stack_size = stack.size();
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = static_cast<std::uint64_t>(cgroup);
    }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    static_cast<void>(child);  // they know of no second stack
    static_cast<void>(context);
    return -1;
#elif defined(__x86_64__)
    long result = SYS_clone3;
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "mov %[context], %%rdi\n\t"
        "call *%[child]\n\t"
        "hlt\n"
        "1:"
        : "+a"(result)
        : "D"(&arguments), "S"(sizeof(arguments)), [child] "r"(child), [context] "r"(context)
        : "rcx", "r11", "memory");
    return result < 0 ? -1 : result;
#elif defined(__aarch64__)
    register long number asm("x8") = SYS_clone3;
    register long result asm("x0") = reinterpret_cast<long>(&arguments);
    register long size asm("x1") = sizeof(arguments);
    asm volatile(
        "svc #0\n\t"
        "cbnz x0, 1f\n\t"
        "mov x0, %[context]\n\t"
        "blr %[child]\n\t"
        "brk #0\n"
        "1:"
        : "+r"(result)
        : "r"(number), "r"(size), [child] "r"(child), [context] "r"(context)
        : "memory");
    return result < 0 ? -1 : result;
#else
    static_cast<void>(child);
    static_cast<void>(context);
    return -1;
#endif
}

// What the child has at its birth.
struct Birth {
    bool entered = false;  // its cgroup
    bool shares = false;   // its parent's table of descriptors, in which it must not change anything
};

// Boost's launcher protocol over vfork. Boost's own vfork_launcher ends a failed child with exit(),
// which runs the parent's atexit handlers in the shared memory, and loses the error of execve.
struct VforkLauncher : posix::default_launcher {
    // Where the child is to be born, if that can be done; EnterCgroup then has nothing left to do.
    int cgroup = -1;
    Birth* birth = nullptr;
    // The paths that the program may be at, tried in this order.
    const std::vector<const char*>* candidates = nullptr;

    // As execvp: one that this user may not execute does not keep it from those after it. The error to tell.
    int execute(Arguments arguments) const {
        int told = ENOENT;
        for (const char* candidate : *candidates) {
            if (candidate == nullptr) break;
            ::execve(candidate, const_cast<char* const*>(arguments), const_cast<char* const*>(env));
            const bool absent = errno == ENOENT || errno == ENOTDIR || errno == ESTALE || errno == ENODEV || errno == ETIMEDOUT;
            if (!absent && errno != EACCES) return errno;
            if (!absent) told = EACCES;
        }
        return told;
    }

    template <class... Inits>
    int launch(const std::filesystem::path& program, Arguments arguments, Failure& failure, Inits&&... inits) {
        if (posix::detail::on_setup(*this, program, arguments, inits...)) return -1;
        auto child = [&] {
            if (!posix::detail::on_exec_setup(*this, program, arguments, inits...)) {
                failure = {"execute", execute(arguments)};
            }
            ::_exit(127);
        };
        *birth = {cgroup >= 0, true};
        pid = static_cast<int>(vfork_sharing(cgroup, [](void* context) { (*static_cast<decltype(child)*>(context))(); }, &child));
        if (pid < 0) {
            *birth = {};
            pid = ::vfork();
            if (pid == 0) child();
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
    int cgroup;
    const Birth& birth;
    bool prepare() const {
        if (cgroup < 0 || birth.entered) return true;
        const int processes = ::openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return processes >= 0 && ::write(processes, "0", 1) == 1;
    }
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
    const Birth& birth;
    bool prepare() const {
        // A table of its own, up to the last one it needs.
        int highest = std::max(spec.image, STDERR_FILENO);
        for (const int descriptor : spec.descriptors) highest = std::max(highest, descriptor);
        if (birth.shares && ::syscall(SYS_close_range, static_cast<unsigned>(highest) + 1, ~0U, CLOSE_RANGE_UNSHARE) != 0) return false;
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
        return ::syscall(SYS_close_range, static_cast<unsigned>(last), ~0U, CLOSE_RANGE_CLOEXEC) == 0;
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

// Where the program may be: at its path, or in the folders of the child's own PATH, which the child tries itself,
// as it may be another user by then.
std::vector<std::string> places_of(const SpawnSpec& spec) {
    if (spec.image >= 0) return {fmt::format("/proc/self/fd/{}", spec.descriptors.size())};
    if (spec.path.find('/') != std::string::npos) return {spec.path};
    std::string_view path = "/usr/local/bin:/usr/bin:/bin";
    for (const std::string& variable : spec.environment) {
        if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5);
    }
    std::vector<std::string> places;
    while (!path.empty()) {
        const auto colon = std::min(path.find(':'), path.size());
        if (colon > 0) places.push_back(std::string(path.substr(0, colon)) + "/" + spec.path);
        path.remove_prefix(std::min(colon + 1, path.size()));
    }
    return places;
}

}  // namespace

Result<Spawned> spawn(const SpawnSpec& spec) {
    const auto arguments = pointers(spec.arguments);
    auto variables = pointers(spec.environment);
    std::string listen_pid = "LISTEN_PID=";
    char* digits = nullptr;
    for (std::size_t i = 0; i < spec.environment.size(); ++i) {
        if (!spec.environment[i].starts_with(listen_pid)) continue;
        listen_pid += "0000000000";
        digits = listen_pid.data() + std::strlen("LISTEN_PID=");
        variables[i] = listen_pid.c_str();
        break;
    }
    const std::vector<std::string> places = places_of(spec);
    const auto candidates = pointers(places);
    std::vector<int> above(spec.descriptors.size());
    Failure failure;

    Birth birth;
    VforkLauncher launcher;
    launcher.env = variables.data();
    launcher.cgroup = spec.cgroup;
    launcher.birth = &birth;
    launcher.candidates = &candidates;
    // The limits after the descriptors: a program's own may be lower than the numbers they have here.
    const int pid = launcher.launch(spec.path, arguments.data(), failure, EnterCgroup{{failure}, spec.cgroup, birth},
                                    OwnGroup{{failure}}, BindDescriptors{{failure}, above, spec, birth}, SetLimits{{failure}, spec},
                                    DropCredentials{{failure}, spec}, ChangeDirectory{{failure}, spec},
                                    WriteListenPid{{failure}, digits}, Signals{{failure}, spec.parent_death_signal, ::getpid()});
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
