#include "engine/processes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include <fmt/core.h>

#include "base/limits.h"
#include "sys/listen.h"
#include "sys/process.h"
#include "sys/spawn.h"

namespace baton::engine {

using model::Instance;
using model::ListenerSpec;
using model::ServiceSpec;

namespace {

std::string output_name(std::uint64_t id) { return fmt::format("output/{}", id); }
std::string notify_name(std::uint64_t id) { return fmt::format("notify/{}", id); }

std::string notify_path(const std::string& runtime_dir, std::uint64_t id) { return fmt::format("{}/notify/{}", runtime_dir, id); }
std::string cgroup_name(const Instance& instance) { return fmt::format("{}.{}-{}", instance.service, instance.ordinal, instance.id); }

// What belongs to this supervisor and must not reach a program.
bool is_own_variable(std::string_view variable) {
    constexpr std::array own{"BATON_", "LISTEN_FDS=", "LISTEN_PID=", "LISTEN_FDNAMES=", "NOTIFY_SOCKET=", "WATCHDOG_USEC=",
                             "WATCHDOG_PID=", "FDSTORE=", "INVOCATION_ID=", "JOURNAL_STREAM=", "SYSTEMD_EXEC_PID=", "MAINPID="};
    return std::any_of(own.begin(), own.end(), [&](const char* prefix) { return variable.starts_with(prefix); });
}

}  // namespace

struct Processes::Plan {
    std::vector<std::string> environment;
    std::vector<std::string> groups;
    std::string notify_path;

    void set(const std::string& name, const std::string& value) {
        std::erase_if(environment, [&](const std::string& variable) { return variable.starts_with(name + "="); });
        environment.push_back(name + "=" + value);
    }
};

Processes::Processes(boost::asio::io_context& context, KeeperLink& link, Sockets& sockets, Log& log, Hooks hooks)
    : context_(context), link_(link), sockets_(sockets), log_(log), hooks_(std::move(hooks)), cgroups_(sys::Cgroups::probe()), environment_(sys::own_environment()) {
    std::erase_if(environment_, [](const std::string& variable) { return is_own_variable(variable); });
}

std::vector<std::string> Processes::know_users(const model::Configuration& configuration) {
    std::vector<std::string> problems;
    std::map<std::string, Result<sys::User>> users;
    const std::string& inherited = configuration.supervisor.user;
    if (!inherited.empty()) {
        const auto& found = users.emplace(inherited, sys::find_user(inherited)).first->second;
        if (!found) problems.push_back(found.error().message());
    }
    for (const ServiceSpec& spec : configuration.services) {
        if (spec.user.empty() || users.contains(spec.user)) continue;
        const auto& found = users.emplace(spec.user, sys::find_user(spec.user)).first->second;
        if (!found) problems.push_back(fmt::format("service {}: {}", spec.name, found.error().message()));
    }
    if (problems.empty()) users_ = std::move(users);
    return problems;
}

const Result<sys::User>& Processes::user(const std::string& name) {
    const auto known = users_.find(name);
    return known != users_.end() ? known->second : users_.emplace(name, sys::find_user(name)).first->second;
}

// Whoever it was started as; and whatever it became since, as long as it is of its process group: a
// program that is started as root may change its user before it says READY=1.
bool Processes::may_speak(std::uint64_t id, const sys::Sender& sender) {
    const auto found = open_.find(id);
    if (found == open_.end()) return false;
    const Open& open = found->second;
    if (!open.user.empty()) {
        const auto& as = user(open.user);
        if (as && as->uid == sender.uid) return true;
    }
    return open.pid != 0 && sys::group_of(sender.pid) == open.pid;
}

Result<void> Processes::identify(const std::string& name, keeper::Spawn& body, Plan& plan) {
    if (name.empty()) return {};
    const auto& user = this->user(name);
    if (!user) return user.error();
    if (::geteuid() != 0) {
        if (user->uid == ::geteuid()) return {};
        return failed(fmt::format("only root can run it as user {}", name));
    }
    body.uid = user->uid;
    body.gid = user->gid;
    for (const std::uint32_t group : user->groups) plan.groups.push_back(std::to_string(group));
    plan.set("HOME", user->home);
    plan.set("USER", user->name);
    plan.set("LOGNAME", user->name);
    plan.set("SHELL", user->shell);
    return {};
}

void Processes::environment(const model::State& state, const model::Revision& revision, const Instance& instance, Plan& plan) const {
    const ServiceSpec& spec = revision.spec;
    for (const auto& [name, value] : spec.environment) plan.set(name, value);
    if (instance.port != 0) {
        // Both spellings: some programs ask for the name with the sign. Both are one variable to a shell, which keeps
        // the last; getenv() and most languages take the first.
        const std::string port = std::to_string(instance.port);
        plan.set("PORT", port);
        plan.set("VSOA_AUTO_PORT", port);
        for (const char* spelling : {"VSOA_AUTO_PORT==", "VSOA_AUTO_PORT="}) plan.environment.push_back(spelling + port);
    }
    if (!revision.listeners.empty() && inherits(spec)) {
        std::string names;
        for (const ListenerSpec& listener : revision.listeners) names += (names.empty() ? "" : ":") + listener.name;
        plan.set("LISTEN_FDS", std::to_string(revision.listeners.size()));
        plan.set("LISTEN_PID", "");  // the child writes its own
        plan.set("LISTEN_FDNAMES", names);
    }
    plan.set("NOTIFY_SOCKET", plan.notify_path);
    if (spec.liveness.type == model::ProbeType::notify) {
        plan.set("WATCHDOG_USEC", std::to_string(spec.liveness.interval * spec.liveness.failure * 1000));
    }
    plan.set("BATON_SERVICE", spec.name);
    plan.set("BATON_INSTANCE", name_of(instance));
    plan.set("BATON_VERSION", spec.version);
    plan.set("BATON_CONTROL", state.configuration.supervisor.admin_socket);
}

Result<void> Processes::start(const model::State& state, const model::Service& service, const Instance& instance) {
    const model::Revision* revision = find_revision(service, instance.revision);
    const ServiceSpec& spec = revision->spec;
    keeper::Spawn body;
    body.id = instance.id;
    Plan plan;
    plan.environment = environment_;
    body.umask = spec.umask;
    body.nofile = spec.limits.nofile;
    if (const char* original = std::getenv("BATON_NOFILE"); body.nofile == 0 && original != nullptr) {
        // The supervisor raised its own; a program gets what the supervisor was given.
        body.nofile = std::strtoull(original, nullptr, 10);
        body.keep_hard_nofile = 1;
    }
    if (auto identified = identify(spec.user, body, plan); !identified) return identified.error();

    if (instance.port != 0 && !sys::port_is_free(instance.port)) {
        return Error::system(fmt::format("port {}, which it was to bind", instance.port), EADDRINUSE);
    }
    plan.notify_path = notify_path(state.configuration.supervisor.runtime_dir, instance.id);
    environment(state, *revision, instance, plan);

    auto listening = sockets_.inherited(*revision, instance);
    if (!listening) return listening.error();
    auto pipe = sys::make_pipe();
    if (!pipe) return pipe.error();
    // Nobody else may fill its queue. A program that is started as root may have become anybody when it speaks.
    std::optional<std::uint32_t> speaker;
    if (::geteuid() != 0) speaker = ::geteuid();
    if (body.uid != sys::unchanged_id && body.uid != 0) speaker = body.uid;
    auto notify = run::NotifySocket::create(plan.notify_path, speaker);
    if (!notify) return notify.error();

    Open& open = open_[instance.id];
    open.instance = name_of(instance);
    open.user = spec.user;
    open.notify_path = plan.notify_path;
    std::vector<int> descriptors{pipe->write_end.get()};
    descriptors.insert(descriptors.end(), listening->begin(), listening->end());
    auto place = cgroups_.make(cgroup_name(instance), spec.limits.memory, spec.limits.cpu);
    if (!place && (spec.limits.memory > 0 || spec.limits.cpu > 0)) {
        log_.warning("{}: its limits of memory and cpu are not in force: {}", open.instance, place.error().message());
        place = cgroups_.make(cgroup_name(instance), 0, 0);
    }
    if (place) {
        open.cgroup = place->path;
        descriptors.push_back(place->directory.get());
        body.has_cgroup = 1;
    }

    keeper::Tail tail;
    tail.add(spec.command.front()).add(spec.directory);
    for (const std::string& argument : spec.command) tail.add(argument);
    for (const std::string& variable : plan.environment) tail.add(variable);
    for (const std::string& group : plan.groups) tail.add(group);
    body.argument_count = static_cast<std::uint32_t>(spec.command.size());
    body.environment_count = static_cast<std::uint32_t>(plan.environment.size());
    body.group_count = static_cast<std::uint32_t>(plan.groups.size());
    if (tail.bytes().size() + sizeof(body) + sizeof(keeper::Header) > limits::message_bytes) {
        return failed(fmt::format("its arguments and environment are longer than {} bytes", limits::message_bytes));
    }

    link_.hold(output_name(instance.id), pipe->read_end);
    link_.hold(notify_name(instance.id), *notify);
    link_.spawn(body, tail, descriptors);
    listen(instance.id, open, std::move(pipe->read_end), std::move(*notify));
    return {};
}

void Processes::listen(std::uint64_t id, Open& open, sys::UniqueFd output, sys::UniqueFd notify) {
    if (output.valid()) {
        const std::string instance = open.instance;
        open.output = std::make_unique<run::Capture>(
            context_, std::move(output), [this, instance](std::string_view line) { hooks_.line(instance, line); }, [] {});
    }
    if (notify.valid()) {
        open.notify = std::make_unique<run::NotifySocket>(context_, std::move(notify), [this, id](model::Notified said) {
            said.id = id;
            hooks_.event(std::move(said));
        }, [this, id](const sys::Sender& sender) { return may_speak(id, sender); });
    }
}

void Processes::adopt(const model::State& state, const model::Service& service, const Instance& instance, std::map<std::string, sys::UniqueFd>& held) {
    const std::uint64_t id = instance.id;
    Open& open = open_[id];
    open.instance = name_of(instance);
    open.user = find_revision(service, instance.revision)->spec.user;
    open.pid = instance.pid;
    open.notify_path = notify_path(state.configuration.supervisor.runtime_dir, id);
    open.cgroup = cgroups_.path_of(cgroup_name(instance));
    const auto take = [&](const std::string& name) {
        const auto found = held.find(name);
        return found == held.end() ? sys::UniqueFd() : std::move(found->second);
    };
    listen(id, open, take(output_name(id)), take(notify_name(id)));
}

void Processes::started(std::uint64_t id, std::int64_t pid) {
    const auto found = open_.find(id);
    if (found != open_.end()) found->second.pid = pid;
}

void Processes::hear_out(std::uint64_t id) {
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    if (found->second.notify) found->second.notify->drain_now();
    if (found->second.output) found->second.output->drain_now();
}

void Processes::ended(std::uint64_t id) {
    hear_out(id);
    const auto found = open_.find(id);
    if (found != open_.end()) {
        if (!found->second.notify_path.empty()) ::unlink(found->second.notify_path.c_str());
        if (!found->second.cgroup.empty()) {
            static_cast<void>(cgroups_.kill(found->second.cgroup));
            static_cast<void>(cgroups_.remove(found->second.cgroup));
        }
        open_.erase(found);
    }
    link_.release(output_name(id));
    link_.release(notify_name(id));
}

void Processes::kill_all_of(std::uint64_t id) {
    const auto found = open_.find(id);
    if (found != open_.end() && !found->second.cgroup.empty()) static_cast<void>(cgroups_.kill(found->second.cgroup));
}

void Processes::let_go() {
    for (auto& [id, open] : open_) {
        if (open.output) open.output->flush();
    }
    open_.clear();
}

}  // namespace baton::engine
