// What the supervisor tells the service manager that started it (systemd with Type=notify), by sd_notify's
// protocol. Every master tells it of itself: with NotifyAccess=all the manager hears them all, and MAINPID
// stays the keeper's. Without a service manager nothing is said.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/limits.h"
#include "model/state.h"
#include "model/upgrade.h"
#include "sys/descriptor.h"

namespace baton::engine {

class ServiceManager {
  public:
    // The socket that NOTIFY_SOCKET names in this process's environment.
    explicit ServiceManager(std::int32_t keeper_pid);

    void ready(const std::string& status);
    void reloading() const;
    void stopping(const std::string& status);
    // What it shows of us; said when it differs from what was said last.
    void status(const std::string& text);

    // Whether it keeps descriptors for us past the keeper's end (FDSTORE= in the environment: set by systemd
    // from version 254 on, and by conf/baton.service for older ones).
    bool keeps() const { return keeps_; }
    // False: it did not take it.
    bool keep(const std::string& name, const sys::UniqueFd& descriptor) const;
    void forget(const std::string& name) const;

  private:
    // A manager that does not listen is no reason to stop: the message is lost.
    bool say(const std::string& text, const sys::UniqueFd* descriptor = nullptr, Millis patience = limits::service_manager_patience) const;

    std::string socket_;
    bool keeps_ = false;
    std::int32_t keeper_pid_;
    std::string status_;
};

// The supervisor in a line: its generation, its services and instances, an upgrade or a stop that is under way.
// `others`: the masters beside it, by generation.
std::string status_text(std::uint32_t generation, const std::map<std::uint32_t, std::int32_t>& others, const model::State& state,
                        const model::Upgrade& upgrade);

}  // namespace baton::engine
