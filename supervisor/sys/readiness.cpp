#include "sys/readiness.h"

#include <sys/epoll.h>

#include <cerrno>

namespace baton::sys {
namespace {

std::uint32_t flags_of(Epoll::Watch watch) {
    switch (watch) {
        case Epoll::Watch::stream: return EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;
        case Epoll::Watch::stream_writing: return EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET | EPOLLOUT;
        case Epoll::Watch::listener: return EPOLLIN | EPOLLEXCLUSIVE;
        case Epoll::Watch::channel: return EPOLLIN;
        case Epoll::Watch::channel_writing: return EPOLLIN | EPOLLOUT;
    }
    return 0;
}

}  // namespace

Epoll::Epoll(UniqueFd fd, std::size_t events) : fd_(std::move(fd)), raw_(events * sizeof(epoll_event)) {
    ready_.reserve(events);
}

Result<Epoll> Epoll::create(std::size_t events) {
    UniqueFd fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!fd.valid()) return Error::system("create an epoll queue", errno);
    return Epoll(std::move(fd), events);
}

Result<void> Epoll::add(const UniqueFd& fd, Watch watch, std::uint64_t token) {
    epoll_event event{flags_of(watch), {.u64 = token}};
    if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) return Error::system("watch a descriptor", errno);
    return {};
}

bool Epoll::change(const UniqueFd& fd, Watch watch, std::uint64_t token) {
    epoll_event event{flags_of(watch), {.u64 = token}};
    return ::epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd.get(), &event) == 0;
}

void Epoll::remove(const UniqueFd& fd) {
    ::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
}

std::span<const Readiness> Epoll::wait(int timeout_ms) {
    auto* events = reinterpret_cast<epoll_event*>(raw_.data());
    const int count = ::epoll_wait(fd_.get(), events, static_cast<int>(raw_.size() / sizeof(epoll_event)), timeout_ms);
    ready_.clear();
    for (int i = 0; i < count; ++i) {
        const std::uint32_t flags = events[i].events;
        const bool broken = (flags & (EPOLLHUP | EPOLLERR)) != 0;
        ready_.push_back({events[i].data.u64, broken || (flags & (EPOLLIN | EPOLLRDHUP)) != 0, broken || (flags & EPOLLOUT) != 0,
                          broken || (flags & EPOLLRDHUP) != 0, broken, (flags & EPOLLPRI) != 0});
    }
    return ready_;
}

}  // namespace baton::sys
