#include "master/launch.h"

#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/core.h>

#include "config/load.h"
#include "config/pid_file.h"
#include "engine/anchors.h"
#include "engine/host_answers.h"
#include "engine/plugins.h"
#include "gateway/tls.h"
#include "keeper/keeper.h"
#include "sys/file.h"
#include "sys/inherited.h"
#include "sys/listen.h"
#include "sys/process.h"

namespace baton::master {
namespace {

namespace fs = std::filesystem;

int fail(const std::string& why) {
    std::fprintf(stderr, "batond: %s\n", why.c_str());
    return 1;
}

// The path this program was started by, not what it resolves to: where that path is a link to the
// newest version, an upgrade follows the link.
std::string path_of(const std::string& program) {
    std::error_code ec;
    const fs::path self = fs::read_symlink("/proc/self/exe", ec);
    std::vector<fs::path> candidates;
    if (program.find('/') != std::string::npos) {
        candidates.push_back(fs::absolute(program, ec));
    } else if (const char* path = std::getenv("PATH")) {
        std::string_view left = path;
        while (!left.empty()) {
            const auto colon = std::min(left.find(':'), left.size());
            candidates.push_back(fs::path(left.substr(0, colon)) / program);
            left.remove_prefix(std::min(colon + 1, left.size()));
        }
    }
    for (const fs::path& candidate : candidates) {
        if (fs::equivalent(candidate, "/proc/self/exe", ec)) return candidate.lexically_normal().string();
    }
    return self.string();
}

// Masters and the keeper may need many descriptors; programs get the limit this process was given.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    ::setenv("BATON_NOFILE", std::to_string(limit.rlim_cur).c_str(), 1);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

// The parent of a daemon: the exit status when that one is ready, or has failed and said why. Its start
// has a deadline of its own.
int wait_for_daemon(const sys::UniqueFd& ready) {
    std::vector<sys::Poll> set{{ready.get()}};
    while (!set.front().readable) sys::poll_descriptors(set, -1);
    std::array<char, 1> byte{};
    const auto got = sys::read_some(ready, byte);
    return got && *got == 1 ? 0 : 1;
}

// Masters have this title from the keeper; one that a script stands for has the name it gives itself.
bool is_master(pid_t pid) {
    const std::string title = sys::title_of(pid);
    return title.starts_with("batond: ") ? title.starts_with("batond: master") : sys::name_of(pid) == "batond";
}

// The master that the file names. A file may outlive its supervisor, and its pid be anybody's by now.
Result<sys::UniqueFd> find_master(const std::string& pid_file, const std::string& configuration) {
    std::ifstream file(pid_file);
    pid_t pid = 0;
    if (std::error_code ec; !file && !fs::exists(pid_file, ec) && !ec) {
        return failed(fmt::format("{} does not exist: batond does not seem to run with the configuration {}", pid_file, configuration));
    }
    if (!(file >> pid) || pid <= 1) return failed(fmt::format("no supervisor is running: {} holds no pid", pid_file));
    auto process = sys::open_process(pid);
    if (!process && process.error().code() == ESRCH) {
        return failed(fmt::format("no supervisor is running: process {}, named in {}, has ended without removing the file", pid, pid_file));
    }
    if (process && !is_master(pid)) {
        return failed(fmt::format("no supervisor is running: process {} ({}), named in {}, is no master of Baton, and gets no signal; its supervisor "
                                  "has ended without removing the file", pid, sys::name_of(pid), pid_file));
    }
    return process;
}

}  // namespace

int launch(const Options& options, const std::string& program) {
    keeper::State state;
    std::vector<std::string> remarks;
    state.held = engine::name_inherited(sys::take_inherited(), remarks);
    for (const std::string& remark : remarks) std::fprintf(stderr, "batond: %s\n", remark.c_str());
    state.arguments = absolute_arguments(options);
    keeper::Master& first = state.masters[state.next_generation];
    first.generation = state.next_generation++;
    first.path = path_of(program);
    auto image = sys::open_image("/proc/self/exe");
    if (!image) return fail(image.error().message());
    first.image = std::move(*image);

    if (options.daemonize) {
        auto pipe = sys::make_pipe();
        if (!pipe) return fail(pipe.error().message());
        const auto child = sys::fork_daemon();
        if (!child) return fail(child.error().message());
        if (*child > 0) {
            pipe->write_end.reset();
            return wait_for_daemon(pipe->read_end);
        }
        // Errors of the start are still for the terminal; a log file, or silence, comes with the first master.
        state.ready_pipe = std::move(pipe->write_end);
    }
    raise_descriptor_limit();
    sys::block_all_signals();
    // The keeper's program is executed even the first time: a clean memory and a title of its own.
    keeper::Keeper keeper(std::move(state));
    return fail(keeper.start().message());
}

int run_keeper() {
    sys::set_name("batond");
    sys::block_all_signals();
    const char* number = std::getenv("BATON_STATE");
    if (number == nullptr) return fail("the keeper was started without its state");
    auto keeper = keeper::Keeper::resume(sys::UniqueFd(std::atoi(number)));
    if (!keeper) return fail(keeper.error().message());
    ::unsetenv("BATON_STATE");
    ::unsetenv("BATON_ROLE");
    // The libraries of masters and workers have begun here too; the keeper uses none of them.
    sys::forget_code();
    return keeper->run();
}

int run_check() {
    return keeper::check_state(sys::UniqueFd(3));
}

int test_configuration(const Options& options) {
    config::HostChecks host;
    host.address = sys::test_address;
    host.readable = sys::test_readable;
    host.credentials = gateway::credentials_check;
    engine::answer_for_host(host);
    engine::Plugins plugins(path_of(""));
    plugins.answer(host);
    const config::Loaded loaded = config::load(options.configuration, options.prefix, host);
    for (const config::Problem& problem : loaded.problems) std::fprintf(stderr, "%s\n", config::to_string(problem).c_str());
    for (const std::string& notice : loaded.notices) std::fprintf(stderr, "note: %s\n", notice.c_str());
    if (loaded.configuration && options.print) std::fputs(config::print(*loaded.configuration).c_str(), stdout);
    if (!loaded.problems.empty()) return 1;
    std::fprintf(stderr, "batond: configuration %s is valid\n", options.configuration.c_str());
    return 0;
}

int send_signal(const Options& options) {
    const std::array<std::pair<std::string_view, int>, 5> numbers{
        {{"stop", SIGTERM}, {"quit", SIGQUIT}, {"reload", SIGHUP}, {"reopen", SIGUSR1}, {"upgrade", SIGUSR2}}};
    const std::string pid_file = config::pid_file_of(options.configuration, options.prefix);
    const auto master = find_master(pid_file, options.configuration);
    if (!master) return fail(master.error().message());
    for (const auto& [name, number] : numbers) {
        if (name != options.signal) continue;
        if (const auto sent = sys::send_signal(*master, number); !sent) return fail(fmt::format("{} to the master named in {}", sent.error().message(), pid_file));
    }
    return 0;
}

}  // namespace baton::master
