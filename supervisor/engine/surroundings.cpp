// What a master needs around it: folders, a log, the lock on its state, the admin socket, a keeper that answers. Made
// when it begins; looked after as long as it owns the instances, as somebody may remove a file while Baton runs.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <fmt/core.h>

#include "engine/engine.h"
#include "model/folders.h"
#include "plan/instance.h"
#include "plan/step.h"
#include "sys/listen.h"
#include "sys/lock.h"

namespace baton::engine {
namespace {

namespace fs = std::filesystem;

constexpr const char* admin_socket_name = "admin";
constexpr const char* lock_name = "lock";
// As long as an answer of the keeper is waited for.
constexpr Millis keeper_patience = 5'000;

LogLevel level_of(model::LogLevelName name) {
    switch (name) {
        case model::LogLevelName::trace: return LogLevel::trace;
        case model::LogLevelName::debug: return LogLevel::debug;
        case model::LogLevelName::info: return LogLevel::info;
        case model::LogLevelName::warning: return LogLevel::warning;
        case model::LogLevelName::error: return LogLevel::error;
    }
    return LogLevel::info;
}

bool is_gone(const std::string& path) {
    std::error_code ec;
    return fs::symlink_status(path, ec).type() == fs::file_type::not_found;
}

// Services whose running programs were reached through files below runtime_dir.
std::string reached_by_files(const model::State& state) {
    std::string names;
    for (const auto& [name, service] : state.services) {
        const bool any = std::any_of(service.instances.begin(), service.instances.end(), [&](const model::Instance& instance) {
            return plan::has_process(instance) && has_hidden_sockets(find_revision(service, instance.revision)->spec);
        });
        if (any) names += (names.empty() ? "" : ", ") + name;
    }
    return names;
}

}  // namespace

// --- at the beginning ---

Result<void> Engine::make_folders() {
    const model::SupervisorSpec& own = configuration_->supervisor;
    for (const std::string& folder : model::folders_made(*configuration_)) {
        std::error_code ec;
        const bool fresh = !folder.empty() && fs::create_directories(folder, ec);
        // Whatever the umask: workers and programs of other users enter it.
        if (fresh && folder == own.runtime_dir) ::chmod(folder.c_str(), 0755);
        if (ec) return Error::system("create folder " + folder, ec.value());
    }
    // Programs of other users reach their notify sockets by name, and list nothing.
    for (const char* folder : {"/notify", "/upstream"}) ::chmod((own.runtime_dir + folder).c_str(), 0711);
    return {};
}

Result<void> Engine::open_log() {
    const model::LogSpec& log = configuration_->supervisor.log;
    const auto format = log.format == model::LogFormatName::json ? LogFormat::json : LogFormat::text;
    return log_.open(log.file, format, level_of(log.level));
}

// The lock is the keeper's, so it lasts through every change of master, and ends with the last process.
Result<void> Engine::lock_state(const std::map<std::string, sys::UniqueFd>& held) {
    if (held.contains(lock_name)) return {};
    const std::string& folder = configuration_->supervisor.state_dir;
    const auto lock = sys::lock_file(folder + "/lock", greeting_.keeper_pid);
    if (lock) {
        link_.hold(lock_name, *lock);
        return {};
    }
    const bool beginning = greeting_.incarnation == 0 && incumbent() && !ready_;
    if (lock.error().code() == EWOULDBLOCK && beginning) {
        return failed(fmt::format("state_dir {} is in use: {}; each supervisor needs a state_dir of its own", folder, lock.error().message()));
    }
    // What serves already goes on serving; and there are file systems without locks.
    log_.warning("{}; nothing keeps another supervisor from using state_dir too", lock.error().message());
    return {};
}

Result<void> Engine::open_admin() {
    model::ListenerSpec spec;
    spec.name = "admin";
    spec.address = {model::Family::unix_path, configuration_->supervisor.admin_socket, 0};
    spec.backlog = 128;
    auto opened = sys::open_listener(spec, sys::Sharing::single, true, 0666);  // who may ask is decided by peer credentials
    if (!opened) return opened.error();
    admin_ = std::move(*opened);
    link_.hold(admin_socket_name, admin_);
    return {};
}

void Engine::serve_sockets() {
    std::map<std::string, sys::UniqueFd*> sockets{{admin_socket_name, &admin_}};
    if (trial_.valid()) sockets[trial_socket_name] = &trial_;
    hooks_.serve(sockets);
}

Result<void> Engine::serve_admin(std::map<std::string, sys::UniqueFd> held) {
    const auto found = held.find(admin_socket_name);
    if (found != held.end()) {
        admin_ = std::move(found->second);
    } else if (auto opened = open_admin(); !opened) {
        return opened;
    }
    serve_sockets();
    return {};
}

// --- while it runs ---

void Engine::tend_files() {
    if (leaving_ || !ready_ || !runner_->active()) return;
    const auto done = make_again();
    const std::string trouble = done ? "" : done.error().message();
    // Said once, however often it is tried.
    if (!trouble.empty() && trouble != file_trouble_) log_.error("{}; it is tried again", trouble);
    file_trouble_ = trouble;
}

Result<void> Engine::make_again() {
    const model::SupervisorSpec& own = configuration_->supervisor;
    if (is_gone(own.runtime_dir + "/notify") || is_gone(own.runtime_dir + "/upstream")) {
        if (auto made = make_folders(); !made) return made;
        const std::string cut_off = reached_by_files(runner_->state());
        events_.announce("supervisor.files_made_again", "supervisor",
                         own.runtime_dir + " was removed, and is there again" +
                             (cut_off.empty() ? "" : "; nobody reaches what runs of these services until they are restarted: " + cut_off), true);
    }
    if (admin_.valid() && is_gone(own.admin_socket)) {
        // First, so that a replacement of this master never takes the one that nobody finds.
        link_.release(admin_socket_name);
        if (auto opened = open_admin(); !opened) return opened;
        // Those who are being answered have connections of their own.
        hooks_.serve({});
        serve_sockets();
        events_.announce("supervisor.files_made_again", "supervisor", own.admin_socket + " was removed, and is there again", true);
    }
    // During an upgrade the file is the upgrade's; where it cannot be written, it lags already.
    if (succession_->upgrade().phase == model::UpgradePhase::idle && !pid_file_lags_ && is_gone(own.pid_file)) pid_file_lags_ = true;
    return {};
}

// The socket of a unix listener cannot have its file again, and programs hold it: only who stops them can have another.
void Engine::tell_removed_files() {
    for (const model::ListenerSpec& listener : configuration_->listeners) {
        if (listener.address.family != model::Family::unix_path || !is_gone(listener.address.host)) continue;
        const auto services = services_of(listener);
        const auto serves = [&](const std::string& name) {
            const auto found = runner_->state().services.find(name);
            return found != runner_->state().services.end() && plan::wanted(runner_->state(), found->second);
        };
        if (std::none_of(services.begin(), services.end(), serves)) continue;
        events_.announce("listener.file_removed", "listener " + listener.name,
                         fmt::format("nobody finds it at {}, which was removed; `baton stop {}` and `baton start {}` make it again", listener.address.host,
                                     listener.service, listener.service), true);
    }
}

Millis Engine::keeper_silence() const {
    const Millis silence = link_.silence();
    return silence < keeper_patience ? 0 : silence;
}

void Engine::listen_to_keeper() {
    const bool silent = keeper_silence() > 0;
    if (silent == keeper_silent_ || !runner_->active()) return;
    keeper_silent_ = silent;
    if (silent) {
        events_.announce("keeper.silent", "keeper",
                         fmt::format("process {} has read nothing for {}: it is stopped or hangs; what runs goes on, but nothing can be started, and no end is noticed",
                                     greeting_.keeper_pid, format_duration(keeper_patience)), true);
    } else {
        events_.announce("keeper.answers", "keeper", "it reads again", false);
    }
}

}  // namespace baton::engine
