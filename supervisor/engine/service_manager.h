// What the supervisor tells the service manager that started it (systemd with Type=notify), by sd_notify's
// protocol. Every master tells it of itself: with NotifyAccess=all the manager hears them all, and MAINPID
// stays the keeper's. Without a service manager nothing is said.
#pragma once

#include <cstdint>
#include <string>

namespace baton::engine {

class ServiceManager {
  public:
    // The socket that NOTIFY_SOCKET names in this process's environment.
    explicit ServiceManager(std::int32_t keeper_pid);

    void ready(const std::string& status) const;
    void reloading() const;
    void stopping(const std::string& status) const;

  private:
    // A manager that does not listen is no reason to stop: the message is lost.
    void say(const std::string& text) const;

    std::string socket_;
    std::int32_t keeper_pid_;
};

}  // namespace baton::engine
