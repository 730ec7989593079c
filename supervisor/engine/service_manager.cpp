#include "engine/service_manager.h"

#include <cstdlib>
#include <ctime>

#include <fmt/core.h>

#include "sys/datagram.h"

namespace baton::engine {

ServiceManager::ServiceManager(std::int32_t keeper_pid) : keeper_pid_(keeper_pid) {
    if (const char* socket = std::getenv("NOTIFY_SOCKET")) socket_ = socket;
}

void ServiceManager::ready(const std::string& status) const {
    say(fmt::format("READY=1\nMAINPID={}\nSTATUS={}", keeper_pid_, status));
}

void ServiceManager::reloading() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    say(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000));
}

void ServiceManager::stopping(const std::string& status) const {
    say("STOPPING=1\nSTATUS=" + status);
}

void ServiceManager::say(const std::string& text) const {
    if (!socket_.empty()) static_cast<void>(sys::send_datagram(socket_, text));
}

}  // namespace baton::engine
