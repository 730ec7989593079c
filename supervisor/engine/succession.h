// The upgrade as it is carried out: what plan/upgrade decides, done. Lives in every master; the one
// that was asked to upgrade is the judge of the new one.
//
// Its state is the note the keeper keeps for this master's replacement, stored before anything is done.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "engine/event_log.h"
#include "engine/keeper_link.h"
#include "engine/pid_file.h"
#include "model/upgrade.h"
#include "plan/upgrade.h"

namespace baton::engine {

class Succession {
  public:
    struct Hooks {
        std::function<void()> before_give;  // stop acting: another master is about to own the instances
        std::function<void()> leave;        // this master's work is done
    };
    Succession(boost::asio::io_context& context, KeeperLink& link, Log& log, EventLog& events, Bell& changed, PidFile& pid_file,
               std::uint32_t own, std::string trial_socket, Hooks hooks);
    ~Succession();

    const model::Upgrade& upgrade() const { return upgrade_; }
    void handle(const plan::UpgradeEvent& event);
    // What a master that died left behind.
    void resume(const std::string& note, const plan::UpgradeResumed& situation);
    // Why the candidate ends, in its own words; used for the verdict when it has.
    void candidate_said(const std::string& why) { last_words_ = why; }
    std::string take_last_words() { return std::exchange(last_words_, {}); }

  private:
    struct Asked {
        std::uint32_t generation;
        Millis since;  // of the phase
        bool operator==(const Asked&) const = default;
    };

    void act(const plan::UpgradeAction& action);
    void start_candidate(const std::string& binary);
    void probe(std::uint32_t generation);
    void arm();
    void soak();

    boost::asio::io_context& context_;
    KeeperLink& link_;
    Log& log_;
    EventLog& events_;
    Bell& changed_;
    PidFile& pid_file_;
    std::uint32_t own_;
    std::string trial_socket_;
    Hooks hooks_;
    model::Upgrade upgrade_;
    std::string last_words_;
    boost::asio::steady_timer deadline_;
    boost::asio::steady_timer soak_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // false when probes outlive this object
    std::optional<Asked> probing_;  // whose answer is awaited
};

// Names under which the keeper holds what an upgrade needs.
inline constexpr const char* trial_socket_name = "trial";
inline constexpr const char* old_configuration_name = "old/configuration";

}  // namespace baton::engine
