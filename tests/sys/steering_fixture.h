// A fresh steering program and a group of sockets under it, each test's own.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "network.h"
#include "sys/listen.h"
#include "sys/steering.h"

namespace sys_test {

using baton::sys::Mode;
using baton::sys::Steering;
using baton::sys::Weighted;

class SteeringKernel : public ::testing::Test {
  protected:
    void SetUp() override {
        auto loaded = Steering::load();
        if (!loaded && loaded.error().code() == EPERM) {
            GTEST_SKIP() << "NOT TESTED, no right to use eBPF here: " << loaded.error().message();
        }
        ASSERT_TRUE(loaded) << loaded.error().message();
        steering_ = std::make_unique<Steering>(std::move(*loaded));
    }

    // One more socket of the listener's group, at the next place; returns the place.
    std::uint32_t add(const ListenerSpec& listener) {
        const bool first = sockets_.empty();
        auto socket = baton::sys::open_listener(listener, baton::sys::Sharing::group, first);
        EXPECT_TRUE(socket) << socket.error().message();
        if (first) {
            const auto attached = steering_->attach(*socket);
            EXPECT_TRUE(attached) << attached.error().message();
        }
        const std::uint32_t place = next_place_++;
        const auto set = steering_->set_socket(place, *socket);
        EXPECT_TRUE(set) << set.error().message();
        sockets_[place] = std::move(*socket);
        return place;
    }

    void publish(const ListenerSpec& listener, Mode mode, const std::vector<Weighted>& members) {
        const auto published = steering_->publish(listener, mode, members);
        ASSERT_TRUE(published) << published.error().message();
    }

    // Connects once and tells the place it arrived at; 9999 where it was refused.
    std::uint32_t arrival(const ListenerSpec& listener, const std::string& source = {}) {
        const auto client = connect_to(baton::sys::reachable(listener.address), source);
        return client.valid() ? taker() : nowhere;
    }

    // The place with a connection in its queue, which is taken out.
    std::uint32_t taker() {
        for (auto& [place, socket] : sockets_) {
            if (*baton::sys::queued(socket) == 0) continue;
            const UniqueFd accepted(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
            return place;
        }
        return nowhere;
    }

    std::string arrivals(const ListenerSpec& listener, int count) {
        std::string text;
        for (int i = 0; i < count; ++i) text += static_cast<char>('a' + arrival(listener));
        return text;
    }

    // Starts over with no socket, under the same program.
    void clear() {
        sockets_.clear();
        next_place_ = 0;
    }

    static constexpr std::uint32_t nowhere = 9999;
    std::unique_ptr<Steering> steering_;
    std::map<std::uint32_t, UniqueFd> sockets_;
    std::uint32_t next_place_ = 0;
};

inline ListenerSpec tcp4() {
    return free_listener(Family::inet4, "127.0.0.1", Protocol::tcp);
}

}  // namespace sys_test
