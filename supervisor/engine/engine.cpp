#include "engine/engine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <boost/asio/co_spawn.hpp>
#include <fmt/core.h>

#include "base/limits.h"
#include "base/listing.h"
#include "config/difference.h"
#include "config/load.h"
#include "engine/host_answers.h"
#include "engine/trial.h"
#include "gateway/tls.h"
#include "model/codec.h"
#include "sys/file.h"
#include "sys/listen.h"
#include "sys/process.h"

namespace baton::engine {

using model::UpgradePhase;

namespace {

constexpr std::size_t configuration_bytes = 16 * 1024 * 1024;

}  // namespace

// Addresses and users are tried when a configuration is prepared; of a file and of a plugin, that is too late.
config::HostChecks Engine::host_checks() {
    config::HostChecks host;
    host.readable = sys::test_readable;
    host.credentials = gateway::credentials_check;
    answer_for_host(host);
    plugins_->answer(host);
    return host;
}

Engine::Engine(boost::asio::io_context& context, Log& log, sys::UniqueFd channel, Hooks hooks)
    : context_(context),
      log_(log),
      hooks_(std::move(hooks)),
      link_(context, std::move(channel)),
      events_(context, log),
      signals_(context, SIGTERM, SIGINT, SIGQUIT),
      heartbeat_(context),
      started_(monotonic_now()) {
    for (const int number : {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH}) signals_.add(number);
}

Engine::~Engine() = default;

Role Engine::role() const {
    if (greeting_.owner == greeting_.generation) return Role::owner;
    return incumbent() ? Role::standby : Role::trial;
}

bool Engine::incumbent() const {
    return greeting_.others.empty() || greeting_.others.begin()->first > greeting_.generation;
}

// --- to begin ---

bool Engine::start(const std::function<Start(const std::vector<std::string>&)>& read_arguments) {
    auto greeting = link_.greet(static_cast<std::uint32_t>(limits::heartbeat_timeout));
    if (!greeting) {
        log_.error("{}", greeting.error().message());
        return false;
    }
    greeting_ = std::move(*greeting);
    plugins_ = std::make_unique<Plugins>(greeting_.binary);
    start_ = read_arguments(greeting_.arguments);
    const bool replacement = greeting_.incarnation > 0;
    if (!(replacement ? recall_configuration() : load_configuration())) return false;
    // A replacement finds what it needs, or does without: a full disk must not keep it from going on.
    if (auto made = make_folders(); !made) {
        log_.error("{}", made.error().message());
        if (!replacement) return false;
    }
    if (auto opened = open_log(); !opened) {
        // A daemon has lost its terminal when it is ready, and would have no log at all.
        const bool daemon = std::getenv("BATON_DAEMON") != nullptr;
        log_.error("{}{}", opened.error().message(), daemon ? "; a daemon needs one" : "; the log stays where it was");
        if (daemon) return false;
    }

    auto held = role() == Role::trial ? link_.fetch_held() : Result<std::map<std::string, sys::UniqueFd>>(std::map<std::string, sys::UniqueFd>());
    if (held) keep_paths(*held);
    const model::SupervisorSpec& own = configuration_->supervisor;
    manager_ = std::make_unique<ServiceManager>(greeting_.keeper_pid);
    pid_file_ = std::make_unique<PidFile>(own.pid_file);
    runner_ = std::make_unique<Runner>(context_, link_, *plugins_, log_, events_);
    runner_->on_stopped([this] { leave(0); });
    runner_->sockets().use(*manager_);
    succession_ = std::make_unique<Succession>(context_, link_, log_, events_, runner_->changed(), *pid_file_, greeting_.generation,
                                               own.admin_socket + ".trial", Succession::Hooks{[this] { give_up(true); }, [this] { leave(0); }});
    wait_for_signal();
    beat();
    link_.start(*this);
    if (role() == Role::trial) {
        begin_trial(std::move(held));
        return true;
    }
    if (replacement) {
        std::vector<std::uint32_t> others;
        for (const auto& [generation, pid] : greeting_.others) others.push_back(generation);
        succession_->resume(greeting_.note, {others, greeting_.ready_others, greeting_.owner});
        events_.announce("master.replaced", fmt::format("generation {}", greeting_.generation), fmt::format("pid {} takes its place", ::getpid()), true);
    }
    if (leaving_) return true;  // the one before it had only to leave
    const bool aside = succession_->upgrade().phase != UpgradePhase::idle;
    if (auto written = !replacement ? Result<void>() : aside ? pid_file_->write_aside() : pid_file_->write(); !written) {
        log_.error("{}; it is tried again", written.error().message());
        pid_file_lags_ = true;
    }
    const bool gives = succession_->upgrade().phase == UpgradePhase::handed || succession_->upgrade().phase == UpgradePhase::committed;
    if (role() == Role::owner && !gives) {
        goes_on_ = replacement && !had_handed_over();
        become_owner();
        return !leaving_;
    }
    // It stands by, also where what was to be given had not been given yet: it has asked for that again.
    ready_ = true;
    link_.ready();
    return true;
}

bool Engine::load_configuration() {
    config::Loaded loaded = config::load(start_.file, start_.prefix, host_checks());
    std::vector<std::string> problems;
    for (const config::Problem& problem : loaded.problems) {
        // As -t prints them, so that an editor finds the place.
        problems.push_back(config::to_string(problem));
        std::fprintf(stderr, "%s\n", problems.back().c_str());
    }
    if (!problems.empty()) {
        if (role() == Role::trial) link_.tell(greeting_.incumbent, "configuration: " + in_one_sentence(problems));
        return false;
    }
    for (const std::string& notice : loaded.notices) log_.info("{}", notice);
    configuration_ = std::move(loaded.configuration);
    return true;
}

// A replacement goes on with what was in force; the file may have changed, and nobody asked to reload it.
bool Engine::recall_configuration() {
    auto held = link_.fetch_held();
    if (!held) {
        log_.error("{}", held.error().message());
        return false;
    }
    // Once it has handed over, what is in force is the other's; its own was set aside.
    auto found = role() == Role::owner && !had_handed_over() ? held->end() : held->find(old_configuration_name);
    if (found == held->end()) found = held->find(configuration_snapshot_name);
    const std::string name = found == held->end() ? "" : found->first;
    if (found == held->end()) return load_configuration();
    const auto bytes = sys::read_all(found->second, configuration_bytes);
    auto configuration = bytes ? model::decode<model::Configuration>(*bytes) : Result<model::Configuration>(bytes.error());
    if (!configuration) {
        log_.error("{}: {}", name, configuration.error().message());
        return load_configuration();
    }
    configuration_ = std::move(*configuration);
    return true;
}

// The master before this one had given the instances away, or was about to.
bool Engine::had_handed_over() const {
    const auto note = greeting_.note.empty() ? Result<model::Upgrade>(failed("none")) : model::decode<model::Upgrade>(greeting_.note);
    return note && (note->phase == UpgradePhase::handed || note->phase == UpgradePhase::committed);
}

void Engine::beat() {
    link_.beat();
    events_.flush();
    listen_to_keeper();
    tend_files();
    // A disk that was full then, or somebody removed it; during an upgrade the file is the upgrade's.
    if (pid_file_lags_ && succession_->upgrade().phase == UpgradePhase::idle && pid_file_->write()) {
        pid_file_lags_ = false;
        log_.info("the pid file names this master now");
    }
    if (runner_->active()) {
        runner_->look();
        runner_->sockets().tend_anchors();
        manager_->status(manager_status());
    }
    heartbeat_.expires_after(std::chrono::milliseconds(limits::heartbeat_interval));
    heartbeat_.async_wait([this](boost::system::error_code ec) {
        if (!ec) beat();
    });
}

// --- on trial ---

// Where things are changes with a restart only, also where the file of the new generation says otherwise.
void Engine::keep_paths(const std::map<std::string, sys::UniqueFd>& held) {
    const auto found = held.find(configuration_snapshot_name);
    if (found == held.end()) return;
    const auto bytes = sys::read_all(found->second, configuration_bytes);
    const auto present = bytes ? model::decode<model::Configuration>(*bytes) : Result<model::Configuration>(bytes.error());
    if (present) keep_paths(present->supervisor);
}

void Engine::keep_paths(const model::SupervisorSpec& present) {
    model::SupervisorSpec& own = configuration_->supervisor;
    own.pid_file = present.pid_file;
    own.runtime_dir = present.runtime_dir;
    own.state_dir = present.state_dir;
    own.admin_socket = present.admin_socket;
}

void Engine::begin_trial(Result<std::map<std::string, sys::UniqueFd>> held) {
    if (!held) trial_problems_ = {held.error().message()};
    if (held) trial_problems_ = runner_->rehearse(*held, *configuration_);
    if (auto written = pid_file_->write(); !written) trial_problems_.push_back(written.error().message());
    if (held && held->contains(trial_socket_name)) {
        trial_ = std::move(held->at(trial_socket_name));
    } else {
        trial_problems_.push_back("there is no socket to answer the trial's probe on");
    }
    if (trial_.valid()) hooks_.serve({{trial_socket_name, &trial_}});
    boost::asio::co_spawn(context_, prove(), [](std::exception_ptr) {});
}

boost::asio::awaitable<void> Engine::prove() {
    if (trial_problems_.empty()) {
        std::vector<std::string> failures = co_await probe_everything(context_, runner_->sockets(), runner_->state());
        trial_problems_ = std::move(failures);
    }
    if (!trial_problems_.empty()) {
        const std::string all = in_one_sentence(trial_problems_);
        log_.error("this generation cannot serve: {}", all);
        link_.tell(greeting_.incumbent, all);
        leave(1);
        co_return;
    }
    runner_->end_rehearsal();
    ready_ = true;
    link_.ready();
}

// --- ownership ---

void Engine::become_owner() {
    auto held = link_.fetch_held();
    // A replacement of the owner goes on; every other way to ownership brings one's own configuration.
    const bool go_on = std::exchange(goes_on_, false);
    const auto locked = held ? lock_state(*held) : Result<void>();
    auto taken = !locked ? locked : held ? runner_->take_over(*held, go_on ? nullptr : &*configuration_, greeting_.generation) : Result<void>(held.error());
    if (!taken) {
        tell_starter(taken.error().message());
        if (role() == Role::owner && !incumbent()) link_.tell(greeting_.others.begin()->first, taken.error().message());
        hooks_.end(1);
        leaving_ = true;
        return;
    }
    configuration_ = runner_->state().configuration;
    clear_away(*held);
    open_journal();
    auto served = serve_admin(std::move(*held));
    // Not before all that can fail because another supervisor runs here: its pid file stays its own.
    if (served && !ready_ && greeting_.incarnation == 0) served = pid_file_->write();
    if (!served && !ready_) {
        tell_starter(served.error().message());
        hooks_.end(1);
        leaving_ = true;
        return;
    }
    if (!served) log_.error("{}; `baton` cannot reach this supervisor", served.error().message());
    events_.announce("master.owner", fmt::format("generation {}", greeting_.generation),
                     fmt::format("pid {} owns the instances; steering: {}; cgroups: {}", ::getpid(), runner_->sockets().steering(), runner_->cgroups()), false);
    if (!std::exchange(ready_, true)) link_.ready();
    if (std::getenv("BATON_DAEMON") != nullptr) {
        ::unsetenv("BATON_DAEMON");
        sys::let_go_of_terminal();
    }
    manager_->ready(manager_status());
}

std::string Engine::manager_status() const {
    return status_text(greeting_.generation, greeting_.others, runner_->state(), succession_->upgrade());
}

// What an upgrade that was cut short has left with the keeper.
void Engine::clear_away(const std::map<std::string, sys::UniqueFd>& held) {
    if (!greeting_.others.empty()) return;
    if (held.contains(trial_socket_name)) link_.release(trial_socket_name);
    if (!held.contains(old_configuration_name)) return;
    link_.replace_keeper();  // its program may still be the one before this generation's
    link_.release(old_configuration_name);
}

void Engine::open_journal() {
    auto journal = Journal::open(configuration_->supervisor.state_dir);
    if (journal) {
        events_.use_journal(std::move(*journal));
    } else {
        log_.warning("events are kept in memory only: {}", journal.error().message());
    }
}

// Why a start failed, for whoever started it: the log may be a file.
void Engine::tell_starter(std::string why) {
    const auto other = greeting_.incarnation == 0 && incumbent() ? pid_file_->other() : std::nullopt;
    if (other) why += fmt::format("; batond runs with this configuration already, it seems: {} names process {}, which lives", configuration_->supervisor.pid_file, *other);
    log_.error("{}", why);
    if (!configuration_->supervisor.log.file.empty()) std::fprintf(stderr, "batond: %s\n", why.c_str());
}

void Engine::give_up(bool still_owner) {
    if (!runner_->active()) return;
    auto memory = sys::sealed_memory("baton-old", model::encode(runner_->state().configuration));
    if (memory && still_owner) link_.hold(old_configuration_name, *memory);
    runner_->suspend();
    hooks_.serve({});
    admin_.reset();
}

void Engine::on_owner(std::uint32_t generation, std::uint32_t fence) {
    greeting_.owner = generation;
    link_.set_fence(fence);
    const auto retold = std::exchange(retold_, std::nullopt);
    if (leaving_) return;
    if (retold) {
        // An older master that is no more has left: had it died, it would have been started again.
        for (const auto& [other, pid] : std::map(greeting_.others)) {
            if (!retold->contains(other)) master_gone(other, "its end was not seen", other < greeting_.generation);
        }
    }
    if (generation == greeting_.generation && !runner_->active()) become_owner();
    if (generation != greeting_.generation && runner_->active()) give_up(false);
}

void Engine::leave(int status) {
    if (std::exchange(leaving_, true)) return;
    if (runner_->active() && greeting_.others.empty()) {
        runner_->dissolve();
        std::remove(configuration_->supervisor.admin_socket.c_str());
        pid_file_->remove();
    }
    if (!runner_->active()) runner_->abandon_rehearsal();
    // One that stands by may leave without a commit, when everything is stopped.
    if (role() == Role::standby) pid_file_->remove_aside();
    events_.flush();
    events_.close();
    const model::Upgrade& upgrade = succession_->upgrade();
    link_.leave(upgrade.phase == UpgradePhase::committed ? upgrade.generation : 0);
    hooks_.end(status);
}

// --- news of the keeper ---

void Engine::on_child_started(std::uint64_t id, std::int64_t pid) { runner_->child_started(id, pid); }
void Engine::on_child_not_started(std::uint64_t id, const std::string& why) { runner_->post(model::ChildNotStarted{id, why}); }
void Engine::on_child_exited(std::uint64_t id, int status) { runner_->child_exited(id, status); }

void Engine::on_master_started(std::uint32_t generation, std::int32_t pid, const std::string& error) {
    if (error.empty()) greeting_.others[generation] = pid;
    if (retold_) retold_->insert(generation);
    succession_->handle(plan::CandidateStarted{generation, error});
}

void Engine::on_master_ready(std::uint32_t generation) { succession_->handle(plan::CandidateReady{generation}); }

void Engine::on_master_gone(std::uint32_t generation, int status, bool left) {
    std::string how = sys::describe_status(status);
    // A batond takes its leave before it ends well.
    if (status == 0 && !left && generation > greeting_.generation) how += " and has said nothing to the keeper: is it a batond?";
    master_gone(generation, std::move(how), left);
}

void Engine::master_gone(std::uint32_t generation, std::string how, bool left) {
    const bool older = generation < greeting_.generation;
    greeting_.others.erase(generation);
    if (older && left) return commit_to_keeper();
    if (const std::string words = succession_->take_last_words(); !words.empty()) how += " (" + words + ")";
    if (runner_->active()) {
        link_.release(trial_socket_name);
        link_.release(old_configuration_name);
    }
    succession_->handle(plan::CandidateGone{generation, how});
}

// The master before this one has left: what was on trial is now all there is.
void Engine::commit_to_keeper() {
    events_.announce("upgrade.committed", fmt::format("generation {}", greeting_.generation), "the generation before it has left", false);
    events_.flush();
    // What is held is the sign to a replacement of this master that the keeper has to be asked: it goes after that.
    link_.replace_keeper();
    link_.release(trial_socket_name);
    link_.release(old_configuration_name);
    std::remove((configuration_->supervisor.admin_socket + ".trial").c_str());
    trial_.reset();
    if (runner_->active()) serve_sockets();
}

void Engine::on_told(std::uint32_t generation, const std::string& text) {
    log_.warning("generation {} says: {}", generation, text);
    succession_->candidate_said(text);
}

void Engine::on_signalled(int signal) { this->signal(signal, true); }

void Engine::on_resync() {
    retold_.emplace();
    if (!runner_->active()) return;
    const auto done = runner_->resync();
    if (done) return;
    log_.error("what the keeper has could not be read: {}", done.error().message());
    on_keeper_lost();
}

void Engine::on_refused(std::uint32_t request, const std::string& why, const std::string& name) {
    log_.warning("the keeper refused request {}: {}{}", request, why, name.empty() ? "" : " (" + name + ")");
    if (request == keeper::Hold::type && runner_->active()) runner_->not_held(name);
    // The one to own the instances ended before they were given to it: they are still this master's.
    if (request == keeper::Transfer::type && role() == Role::owner && !runner_->active() && !leaving_) return become_owner();
    if (request == keeper::StartMaster::type) succession_->handle(plan::CandidateStarted{0, why});
}

void Engine::on_keeper_replaced(const std::string& error) {
    if (error.empty()) {
        events_.announce("keeper.replaced", "keeper", "it runs this generation's binary, in place", false);
    } else {
        events_.announce("keeper.kept", "keeper", error + "; the running one goes on", true);
    }
}

void Engine::on_keeper_lost() {
    log_.error("the keeper is gone; this master ends");
    ::_exit(1);
}

// --- signals and commands ---

void Engine::wait_for_signal() {
    signals_.async_wait([this](boost::system::error_code ec, int number) {
        if (ec) return;
        signal(number, false);
        wait_for_signal();
    });
}

void Engine::signal(int number, bool to_all) {
    const bool fast = number == SIGTERM || number == SIGINT;
    switch (number) {
        case SIGTERM:
        case SIGINT:
        case SIGQUIT: {
            if (to_all) return role() == Role::owner ? shut_down(fast) : leave(0);
            const UpgradePhase phase = succession_->upgrade().phase;
            if (!incumbent()) return leave(0);  // the older master takes everything back
            if (phase == UpgradePhase::proved || phase == UpgradePhase::handed || (phase == UpgradePhase::trial && !fast)) {
                return succession_->handle(plan::CommitAsked{});
            }
            if (number == SIGQUIT && plan::overtook_commit(succession_->upgrade(), monotonic_now())) {
                return events_.announce("upgrade.quit_dropped", fmt::format("generation {}", greeting_.generation),
                                        "the new generation has just ended; to stop everything, send QUIT again", true);
            }
            if (phase == UpgradePhase::trial) link_.signal_master(succession_->upgrade().generation, SIGKILL);
            return shut_down(fast);
        }
        case SIGHUP:
            if (role() == Role::standby) return succession_->handle(plan::ReturnAsked{});
            for (const std::string& problem : reload()) log_.error("reload: {}", problem);
            return;
        case SIGUSR1: static_cast<void>(reopen_logs()); return;
        case SIGUSR2:
            if (auto why = upgrade("", configuration_->supervisor.upgrade.mode == model::UpgradeMode::automatic, std::nullopt); !why.empty()) {
                log_.warning("USR2 refused: {}", why);
            }
            return;
        case SIGWINCH: return succession_->handle(plan::DrainAsked{});
        default: return;
    }
}

std::vector<std::string> Engine::reload() {
    if (!runner_->active()) return {"refused: this master does not own the instances"};
    if (incumbent() && succession_->upgrade().phase != UpgradePhase::idle) return {"refused: an upgrade is on; finish it or take it back first"};
    config::Loaded loaded = config::load(start_.file, start_.prefix, host_checks());
    std::vector<std::string> problems;
    for (const config::Problem& problem : loaded.problems) problems.push_back(config::to_string(problem));
    if (problems.empty()) problems = runner_->prepare(*loaded.configuration);
    if (!problems.empty()) {
        events_.announce("reload.refused", "configuration", fmt::format("{} problems; nothing has changed; the first: {}", problems.size(), problems.front()), true);
        return problems;
    }
    const config::Difference difference = config::difference(*configuration_, *loaded.configuration);
    const model::SupervisorSpec present = configuration_->supervisor;
    configuration_ = std::move(loaded.configuration);
    keep_paths(present);
    if (auto opened = open_log(); !opened) log_.error("{}; the log stays where it was", opened.error().message());
    for (const std::string& sentence : difference.describe()) log_.info("reload: {}", sentence);
    events_.announce("reload.done", "configuration", difference.empty() ? "nothing differs" : "in force", false);
    tell_removed_files();
    manager_->reloading();
    for (const std::string& refusal : plugins_->refusals()) log_.warning("{}", refusal);
    runner_->bring(*configuration_);
    manager_->ready(manager_status());
    return {};
}

std::string Engine::upgrade(const std::string& binary, bool automatic, std::optional<Millis> soak) {
    if (!runner_->active()) return "this master does not own the instances";
    if (!incumbent()) return "an upgrade is on: the generation before this one stands by still; wait for its soak, or end it (QUIT)";
    const model::UpgradeSpec& settings = configuration_->supervisor.upgrade;
    if (succession_->upgrade().phase != UpgradePhase::idle || succession_->upgrade().ending) return "an upgrade is on already";
    succession_->handle(plan::UpgradeAsked{binary.empty() ? greeting_.binary : binary, automatic, soak.value_or(settings.soak), settings.ready_timeout});
    return {};
}

std::vector<std::string> Engine::reopen_logs() {
    std::vector<std::string> problems;
    if (auto opened = log_.reopen(); !opened) {
        problems.push_back(opened.error().message() + "; the old file stays in use");
        log_.error("{}", problems.back());
    } else {
        log_.info("log reopened");
    }
    events_.reopen_journal();
    for (std::string& problem : runner_->reopen_logs()) problems.push_back(std::move(problem));
    return problems;
}

void Engine::shut_down(bool fast) {
    events_.announce("supervisor.stopping", "supervisor", fast ? "fast" : "gracefully", false);
    manager_->stopping(fast ? "stopping fast" : "stopping gracefully");
    runner_->post(model::StopAsked{fast});
}

}  // namespace baton::engine
