#include "engine/succession.h"

#include <algorithm>
#include <cstdio>

#include <boost/asio/co_spawn.hpp>
#include <fmt/core.h>

#include "base/limits.h"
#include "model/codec.h"
#include "run/probe.h"
#include "sys/listen.h"

namespace baton::engine {

using model::UpgradePhase;

namespace {

constexpr Millis probe_timeout = 2'000;
constexpr Millis soak_interval = 250;

}  // namespace

Succession::Succession(boost::asio::io_context& context, KeeperLink& link, Log& log, EventLog& events, Bell& changed, PidFile& pid_file,
                       std::uint32_t own, std::string trial_socket, Hooks hooks)
    : context_(context),
      link_(link),
      log_(log),
      events_(events),
      changed_(changed),
      pid_file_(pid_file),
      own_(own),
      trial_socket_(std::move(trial_socket)),
      hooks_(std::move(hooks)),
      deadline_(context),
      soak_(context) {}

Succession::~Succession() {
    *alive_ = false;
}

void Succession::handle(const plan::UpgradeEvent& event) {
    const auto actions = plan::step(upgrade_, own_, event, monotonic_now());
    // First noted, then done: a replacement of this master knows what was meant.
    link_.note(model::encode(upgrade_));
    for (const plan::UpgradeAction& action : actions) act(action);
    arm();
    changed_.ring();
}

void Succession::resume(const std::string& note, const plan::UpgradeResumed& situation) {
    if (!note.empty()) {
        auto upgrade = model::decode<model::Upgrade>(note);
        if (upgrade) {
            upgrade_ = std::move(*upgrade);
        } else {
            log_.error("the note of the master before this one cannot be read: {}", upgrade.error().message());
        }
    }
    handle(situation);
}

void Succession::act(const plan::UpgradeAction& action) {
    const auto tell = [&](const Result<void>& done) {
        if (!done) log_.error("{}", done.error().message());
    };
    if (std::holds_alternative<plan::SetAsidePidFile>(action)) {
        tell(pid_file_.set_aside());
    } else if (std::holds_alternative<plan::RestorePidFile>(action)) {
        std::remove(trial_socket_.c_str());
        tell(pid_file_.restore());
    } else if (const auto* start = std::get_if<plan::StartCandidate>(&action)) {
        start_candidate(start->binary);
    } else if (const auto* ask = std::get_if<plan::ProbeCandidate>(&action)) {
        probe(ask->generation);
    } else if (const auto* end = std::get_if<plan::EndCandidate>(&action)) {
        link_.signal_master(end->generation, end->signal);
    } else if (const auto* give = std::get_if<plan::GiveInstances>(&action)) {
        hooks_.before_give();
        link_.transfer(give->generation);
    } else if (std::holds_alternative<plan::TakeInstances>(action)) {
        link_.transfer(own_);
    } else if (std::holds_alternative<plan::LeaveForGood>(action)) {
        pid_file_.remove_aside();
        hooks_.leave();
    } else if (const auto* report = std::get_if<plan::Report>(&action)) {
        events_.announce(report->kind, fmt::format("generation {}", upgrade_.generation == 0 ? own_ : upgrade_.generation), report->text, report->warning);
    }
}

void Succession::start_candidate(const std::string& binary) {
    // The socket through which the new master must answer before it is trusted.
    last_words_.clear();
    std::remove(trial_socket_.c_str());  // an earlier trial's
    model::ListenerSpec trial;
    trial.name = "trial";
    trial.address = {model::Family::unix_path, trial_socket_, 0};
    trial.backlog = 64;
    auto socket = sys::open_listener(trial, sys::Sharing::single, false, 0600);
    if (!socket) return handle(plan::CandidateStarted{0, socket.error().message()});
    link_.hold(trial_socket_name, *socket);
    link_.start_master(binary);
}

void Succession::probe(std::uint32_t generation) {
    // An answer counts in the phase it was asked for: one on trial has not yet shown that it can own.
    const Asked asked{generation, upgrade_.since};
    if (std::exchange(probing_, asked) == asked) return;
    run::ProbeTarget target;
    target.address = {model::Family::unix_path, trial_socket_, 0};
    target.type = model::ProbeType::http;
    target.path = upgrade_.phase == UpgradePhase::handed ? "/healthz?owner=true" : "/healthz";
    // The trial has one deadline for everything; the soak has none for a single probe.
    const Millis left = upgrade_.phase == UpgradePhase::trial ? upgrade_.deadline - monotonic_now() : probe_timeout;
    target.timeout = std::clamp<Millis>(left, 1, probe_timeout);
    model::Address source;
    auto socket = sys::probe_socket(target.address, source);
    if (!socket) {
        probing_.reset();
        return handle(plan::CandidateProbed{socket.error().message(), generation});
    }
    auto done = [this, alive = alive_, asked](std::exception_ptr, Result<void> result) {
        if (!*alive || probing_ != asked) return;
        probing_.reset();
        if (upgrade_.generation != asked.generation || upgrade_.since != asked.since) return;
        std::string failure = result ? std::string() : result.error().message();
        if (!failure.empty() && !last_words_.empty()) failure += " (" + last_words_ + ")";
        handle(plan::CandidateProbed{failure, asked.generation});
    };
    boost::asio::co_spawn(context_, run::probe(std::move(*socket), target), std::move(done));
}

void Succession::arm() {
    deadline_.cancel();
    const Millis next = plan::next_deadline(upgrade_);
    if (next != never) {
        deadline_.expires_after(std::chrono::milliseconds(std::max<Millis>(0, next - monotonic_now())));
        deadline_.async_wait([this](boost::system::error_code ec) {
            if (!ec) handle(plan::UpgradeTick{});
        });
    }
    soak();
}

void Succession::soak() {
    soak_.cancel();
    if (upgrade_.phase != UpgradePhase::handed) return;
    soak_.expires_after(std::chrono::milliseconds(soak_interval));
    soak_.async_wait([this](boost::system::error_code ec) {
        if (ec || upgrade_.phase != UpgradePhase::handed) return;
        probe(upgrade_.generation);
        soak();
    });
}

}  // namespace baton::engine
