#include "sys/offspring.h"

namespace baton::sys {
namespace {

// Ended children that are learnt of at once.
constexpr std::size_t at_once = 64;

}  // namespace

Result<Offspring> Offspring::create() {
    auto epoll = Epoll::create(at_once);
    if (!epoll) return epoll.error();
    return Offspring(std::move(*epoll));
}

void Offspring::watch(pid_t pid, const UniqueFd& pidfd) {
    if (pidfd.valid()) static_cast<void>(epoll_.add(pidfd, Epoll::Watch::channel, static_cast<std::uint64_t>(pid)));
}

std::optional<Ended> Offspring::next() {
    // Who is not reaped is told of again and again: those that were told of already are passed over.
    if (ended_.empty()) {
        for (const Readiness& event : epoll_.wait(0)) ended_.push_back(static_cast<pid_t>(event.token));
    }
    while (!ended_.empty()) {
        const pid_t pid = ended_.back();
        ended_.pop_back();
        if (const auto ended = peek_ended_child(pid)) return ended;
    }
    return std::nullopt;
}

}  // namespace baton::sys
