// One master's life: it greets the keeper, loads the configuration or the last snapshot, is on trial,
// owns the instances, stands by, and leaves. Everything else in this room is a part of it.
//
// One thread, the io_context's. `Hooks::end` is called once, when the process should exit.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/describe/enum.hpp>

#include "base/log.h"
#include "config/load.h"
#include "engine/event_log.h"
#include "engine/keeper_link.h"
#include "engine/pid_file.h"
#include "engine/plugins.h"
#include "engine/runner.h"
#include "engine/service_manager.h"
#include "engine/succession.h"
#include "model/configuration.h"

namespace baton::engine {

enum class Role { trial, owner, standby };
BOOST_DESCRIBE_ENUM(Role, trial, owner, standby)

class Engine final : public KeeperNews {
  public:
    struct Hooks {
        // The admin sockets this role answers on, by name; those of another role are let go of.
        std::function<void(const std::map<std::string, sys::UniqueFd*>&)> serve;
        // Ends the process: what is under way at the admin sockets gets a moment to finish.
        std::function<void(int status)> end;
    };
    struct Start {
        std::string file;    // the configuration's
        std::string prefix;  // empty: the file's folder
    };

    Engine(boost::asio::io_context& context, Log& log, sys::UniqueFd channel, Hooks hooks);
    ~Engine() override;

    // Greets, loads, and takes its role. On failure the reasons were logged; the process should exit 1.
    bool start(const std::function<Start(const std::vector<std::string>& arguments)>& read_arguments);

    // --- for the console ---
    const Greeting& greeting() const { return greeting_; }
    Role role() const;
    Runner& runner() { return *runner_; }
    Plugins& plugins() { return *plugins_; }
    Succession& succession() { return *succession_; }
    EventLog& events() { return events_; }
    const std::map<std::uint32_t, std::int32_t>& others() const { return greeting_.others; }
    const model::Configuration& configuration() const { return *configuration_; }
    const std::vector<std::string>& trial_problems() const { return trial_problems_; }
    Millis started() const { return started_; }
    // How long the keeper has been silent for; 0: it answers.
    Millis keeper_silence() const;
    Log& log() { return log_; }
    boost::asio::io_context& context() { return context_; }
    // Empty: the file's configuration is in force. Otherwise every reason why nothing has changed.
    std::vector<std::string> reload();
    // Empty: under way. Otherwise why not.
    std::string upgrade(const std::string& binary, bool automatic, std::optional<Millis> soak);
    // Why not, of those that could not be opened.
    std::vector<std::string> reopen_logs();
    void shut_down(bool fast);

  private:
    // KeeperNews
    void on_child_started(std::uint64_t id, std::int64_t pid) override;
    void on_child_not_started(std::uint64_t id, const std::string& why) override;
    void on_child_exited(std::uint64_t id, int status) override;
    void on_owner(std::uint32_t generation, std::uint32_t fence) override;
    void on_master_started(std::uint32_t generation, std::int32_t pid, const std::string& error) override;
    void on_master_ready(std::uint32_t generation) override;
    void on_master_gone(std::uint32_t generation, int status, bool left) override;
    void on_told(std::uint32_t generation, const std::string& text) override;
    void on_signalled(int signal) override;
    void on_resync() override;
    void on_refused(std::uint32_t request, const std::string& why, const std::string& name) override;
    void on_keeper_replaced(const std::string& error) override;
    void on_keeper_lost() override;

    bool load_configuration();
    config::HostChecks host_checks();
    bool recall_configuration();
    Result<void> make_folders();
    Result<void> open_log();
    void begin_trial(Result<std::map<std::string, sys::UniqueFd>> held);
    bool had_handed_over() const;
    void clear_away(const std::map<std::string, sys::UniqueFd>& held);
    void keep_paths(const std::map<std::string, sys::UniqueFd>& held);
    void keep_paths(const model::SupervisorSpec& present);
    boost::asio::awaitable<void> prove();
    void become_owner();
    void give_up(bool still_owner);
    void leave(int status);
    Result<void> serve_admin(std::map<std::string, sys::UniqueFd> held);
    void tell_starter(std::string why);
    void open_journal();
    std::string manager_status() const;
    void commit_to_keeper();
    void master_gone(std::uint32_t generation, std::string how, bool left);
    void wait_for_signal();
    void signal(int number, bool to_all);
    void beat();
    bool incumbent() const;
    // What has to be there as long as this runs.
    Result<void> lock_state(const std::map<std::string, sys::UniqueFd>& held);
    Result<void> open_admin();
    void serve_sockets();
    void tend_files();
    Result<void> make_again();
    void tell_removed_files();
    void listen_to_keeper();

    boost::asio::io_context& context_;
    Log& log_;
    Hooks hooks_;
    KeeperLink link_;
    EventLog events_;
    Greeting greeting_;
    Start start_;
    std::optional<model::Configuration> configuration_;
    std::unique_ptr<ServiceManager> manager_;
    std::unique_ptr<PidFile> pid_file_;
    std::unique_ptr<Plugins> plugins_;
    std::unique_ptr<Runner> runner_;
    std::unique_ptr<Succession> succession_;
    std::optional<std::set<std::uint32_t>> retold_;  // while the keeper tells anew who lives: those it has named
    std::vector<std::string> trial_problems_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer heartbeat_;
    sys::UniqueFd admin_;
    sys::UniqueFd trial_;
    Millis started_ = 0;
    bool ready_ = false;
    bool leaving_ = false;
    bool goes_on_ = false;  // with the state as it is, not with its own configuration
    bool pid_file_lags_ = false;  // it could not be written, or was removed
    bool keeper_silent_ = false;  // it was told of
    std::string file_trouble_;    // the last that was told of
};

}  // namespace baton::engine
