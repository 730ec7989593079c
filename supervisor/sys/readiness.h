// The kernel's readiness queue, for the data plane, where one turn must cost one system call.
//
// Each descriptor is registered with a token that its events carry. Edge-triggered ones (streams) are told
// of what is new; level-triggered ones (listeners, channels) as long as it is so. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

struct Readiness {
    std::uint64_t token = 0;
    bool readable = false;
    bool writable = false;
    bool ended = false;  // the other side will send no more, or the stream is broken
    bool broken = false; // both directions are over: it was reset, or it failed
    bool urgent = false; // there is urgent data: one read does not take all that is there
};

class Epoll {
  public:
    static Result<Epoll> create(std::size_t events);

    enum class Watch {
        stream,          // edge-triggered, for reading
        stream_writing,  // the same, and for writing
        listener,        // level-triggered; of several processes that wait, one is woken
        channel,         // level-triggered, for reading
        channel_writing,
    };
    Result<void> add(const UniqueFd& fd, Watch watch, std::uint64_t token);
    bool change(const UniqueFd& fd, Watch watch, std::uint64_t token);
    void remove(const UniqueFd& fd);

    // What has happened, at the latest after `timeout_ms` (-1: no end). Valid until the next call.
    std::span<const Readiness> wait(int timeout_ms);

  private:
    Epoll(UniqueFd fd, std::size_t events);

    UniqueFd fd_;
    std::vector<char> raw_;
    std::vector<Readiness> ready_;
};

}  // namespace baton::sys
