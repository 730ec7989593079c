#include "engine/service_manager.h"

#include <cerrno>
#include <cstdlib>
#include <ctime>

#include <fmt/core.h>

#include "base/limits.h"
#include "sys/datagram.h"

namespace baton::engine {

ServiceManager::ServiceManager(std::int32_t keeper_pid) : keeper_pid_(keeper_pid) {
    if (const char* socket = std::getenv("NOTIFY_SOCKET")) socket_ = socket;
    const char* store = std::getenv("FDSTORE");
    keeps_ = !socket_.empty() && store != nullptr && std::atoi(store) > 0;
}

void ServiceManager::ready(const std::string& status) {
    status_ = status;
    say(fmt::format("READY=1\nMAINPID={}\nSTATUS={}", keeper_pid_, status));
}

void ServiceManager::reloading() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    say(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000));
}

void ServiceManager::stopping(const std::string& status) {
    status_ = status;
    say("STOPPING=1\nSTATUS=" + status);
}

void ServiceManager::status(const std::string& text) {
    if (text != status_ && say("STATUS=" + text, nullptr, 0)) status_ = text;
}

bool ServiceManager::keep(const std::string& name, const sys::UniqueFd& descriptor) const {
    // FDPOLL=0: a socket whose queue is being passed on hangs up for a moment, and must not be dropped for that.
    return say("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, &descriptor);
}

void ServiceManager::forget(const std::string& name) const { say("FDSTOREREMOVE=1\nFDNAME=" + name); }

bool ServiceManager::say(const std::string& text, const sys::UniqueFd* descriptor, Millis patience) const {
    if (socket_.empty()) return true;
    // In the main process's name: no other process of the unit needs to be believed, and the services are in it.
    const auto sent = sys::send_datagram(socket_, text, descriptor, static_cast<int>(patience), keeper_pid_);
    if (sent || sent.error().code() != EPERM) return sent.has_value();
    return sys::send_datagram(socket_, text, descriptor, static_cast<int>(patience)).has_value();
}

std::string status_text(std::uint32_t generation, const std::map<std::uint32_t, std::int32_t>& others, const model::State& state,
                        const model::Upgrade& upgrade) {
    const auto many = [](std::size_t count, const char* what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); };
    std::size_t instances = 0;
    std::size_t ready = 0;
    for (const auto& [name, service] : state.services) {
        for (const model::Instance& instance : service.instances) {
            ++instances;
            if (instance.state == model::InstanceState::ready) ++ready;
        }
    }
    if (state.counters.stopping) return fmt::format("generation {}: stopping, {} left", generation, many(instances, "instance"));
    std::string text = fmt::format("generation {}: {}, {} of {} ready", generation, many(state.services.size(), "service"), ready, many(instances, "instance"));
    if (upgrade.phase == model::UpgradePhase::trial) text += fmt::format("; upgrade: generation {} is on trial", upgrade.generation);
    if (upgrade.phase == model::UpgradePhase::proved) text += fmt::format("; upgrade: generation {} is proved", upgrade.generation);
    if (!others.empty() && others.begin()->first < generation) text += fmt::format("; upgrade: generation {} stands by", others.begin()->first);
    return text;
}

}  // namespace baton::engine
