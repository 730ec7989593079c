// Nobody is lost when sockets go: what waits on them moves, handshakes under way move, flows stay.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "network.h"
#include "steering_fixture.h"
#include "sys/listen.h"
#include "sys/steering.h"

namespace baton::sys {
namespace {

using model::Family;
using model::Protocol;
using sys_test::connect_to;
using sys_test::free_listener;
using sys_test::SteeringKernel;
using sys_test::tcp4;
using sys_test::udp_to;

// A byte there and back over a connection that is already open.
bool echoes(const UniqueFd& client, const UniqueFd& server) {
    char byte = 'x';
    return ::send(client.get(), &byte, 1, MSG_NOSIGNAL) == 1 && ::recv(server.get(), &byte, 1, 0) == 1 &&
           ::send(server.get(), &byte, 1, MSG_NOSIGNAL) == 1 && ::recv(client.get(), &byte, 1, 0) == 1;
}

TEST_F(SteeringKernel, what_waits_on_a_closing_socket_moves_to_the_table) {
    for (const auto& listener : {tcp4(), free_listener(Family::inet6, "::", Protocol::tcp)}) {
        for (const bool group_closed : {false, true}) {
            SCOPED_TRACE(model::identity(listener) + (group_closed ? ", its group closed" : ""));
            clear();
            for (int i = 0; i < 4; ++i) add(listener);
            publish(listener, Mode::round_robin, {{0, 1}});
            std::vector<UniqueFd> clients;
            for (int i = 0; i < 60; ++i) {
                clients.push_back(connect_to(reachable(listener.address)));
                ASSERT_TRUE(clients.back().valid());
            }
            ASSERT_EQ(*queued(sockets_[0]), 60U);
            publish(listener, Mode::round_robin, {{1, 2}, {2, 1}});
            if (group_closed) {
                ASSERT_TRUE(steering_->close_group(listener));
            }
            // The instance still holds it; the socket ends all the same.
            const auto holder = duplicate(sockets_[0]);
            ASSERT_TRUE(close_listener(std::move(sockets_[0])));
            sockets_.erase(0);
            EXPECT_FALSE(is_listening(*holder));
            EXPECT_EQ(*queued(sockets_[1]), 40U);
            EXPECT_EQ(*queued(sockets_[2]), 20U);
            EXPECT_EQ(*queued(sockets_[3]), 0U) << "not in the table";
            std::map<std::string, const UniqueFd*> by_name;
            int whole = 0;
            for (const auto place : {1U, 2U}) {
                while (*queued(sockets_[place]) != 0) {
                    sockaddr_storage peer{};
                    socklen_t length = sizeof peer;
                    const UniqueFd server(::accept4(sockets_[place].get(), reinterpret_cast<sockaddr*>(&peer),
                                                    &length, SOCK_CLOEXEC));
                    for (const auto& client : clients) {
                        sockaddr_storage own{};
                        socklen_t own_length = sizeof own;
                        ::getsockname(client.get(), reinterpret_cast<sockaddr*>(&own), &own_length);
                        if (own_length == length && std::memcmp(&own, &peer, length) == 0)
                            whole += echoes(client, server) ? 1 : 0;
                    }
                }
            }
            EXPECT_EQ(whole, 60);
        }
    }
}

TEST_F(SteeringKernel, handshakes_under_way_on_a_closing_socket_move_too) {
    for (const auto& listener : {tcp4(), free_listener(Family::inet4, "0.0.0.0", Protocol::tcp),
                                 free_listener(Family::inet6, "::1", Protocol::tcp)}) {
        SCOPED_TRACE(model::identity(listener));
        clear();
        for (int i = 0; i < 3; ++i) add(listener);
        publish(listener, Mode::round_robin, {{0, 1}});
        // The handshake ends with the first byte: until then the kernel holds half of it.
        const int seconds = 5;
        ASSERT_EQ(::setsockopt(sockets_[0].get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds),
                  0);
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 50; ++i) {
            clients.push_back(connect_to(reachable(listener.address)));
            ASSERT_TRUE(clients.back().valid());
        }
        ASSERT_EQ(*queued(sockets_[0]), 0U);
        publish(listener, Mode::round_robin, {{1, 1}});
        ASSERT_TRUE(close_listener(std::move(sockets_[0])));
        sockets_.erase(0);
        int replies = 0;
        for (const auto& client : clients) {
            char byte = 'x';
            ASSERT_EQ(::send(client.get(), &byte, 1, MSG_NOSIGNAL), 1);
            pollfd entry{sockets_[1].get(), POLLIN, 0};
            ASSERT_EQ(::poll(&entry, 1, 3000), 1) << "the handshake did not move";
            const UniqueFd server(::accept4(sockets_[1].get(), nullptr, nullptr, SOCK_CLOEXEC));
            ASSERT_EQ(::recv(server.get(), &byte, 1, 0), 1);
            ASSERT_EQ(::send(server.get(), &byte, 1, MSG_NOSIGNAL), 1);
            replies += ::recv(client.get(), &byte, 1, 0) == 1 ? 1 : 0;
        }
        EXPECT_EQ(replies, 50);
        EXPECT_EQ(*queued(sockets_[2]), 0U);
    }
}

// An instance: a thread that answers each connection's byte until it is told to go. It keeps its copy of
// the listening socket until it is destroyed.
class Instance {
  public:
    explicit Instance(const UniqueFd& listening)
        : socket_(std::move(*duplicate(listening))),
          stop_(::eventfd(0, EFD_CLOEXEC)),
          thread_([this] { serve(); }) {
        ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
    }
    ~Instance() { stop_accepting(); }

    // What comes from here on waits in the queue.
    void stop_accepting() {
        if (!thread_.joinable()) return;
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
        thread_.join();
    }

  private:
    void serve() {
        for (;;) {
            std::array<pollfd, 2> entries{{{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
            ::poll(entries.data(), entries.size(), -1);
            if (entries[1].revents != 0) return;
            const UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (client.valid()) answer(client);
        }
    }
    static void answer(const UniqueFd& client) {
        const timeval patience{10, 0};
        ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        char byte = 0;
        if (::recv(client.get(), &byte, 1, 0) == 1) ::send(client.get(), &byte, 1, MSG_NOSIGNAL);
        // The client ends it, and with it the port.
        ::recv(client.get(), &byte, 1, 0);
    }

    UniqueFd socket_;
    UniqueFd stop_;
    std::thread thread_;
};

// Every way a connection can fail, by what it was doing and the errno.
struct Tally {
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> cut{0};  // an end where an answer should be
    std::array<std::atomic<std::uint64_t>, 256> connect{};
    std::array<std::atomic<std::uint64_t>, 256> exchange{};

    std::uint64_t failed() const {
        std::uint64_t sum = cut;
        for (const auto& count : connect) sum += count;
        for (const auto& count : exchange) sum += count;
        return sum;
    }
    std::string text() const {
        std::string text = std::to_string(done) + " done, " + std::to_string(cut) + " cut";
        for (std::size_t code = 0; code < connect.size(); ++code) {
            const std::string why = std::strerror(static_cast<int>(code));
            if (connect[code] != 0) text += ", connect: " + why + " " + std::to_string(connect[code]);
            if (exchange[code] != 0) text += ", exchange: " + why + " " + std::to_string(exchange[code]);
        }
        return text;
    }
};

// Connects, sends a byte, wants it back, and over again.
class Client {
  public:
    Client(model::Address address, Tally& tally, const std::atomic<bool>& stop)
        : address_(std::move(address)), tally_(tally), stop_(stop), thread_([this] { run(); }) {}
    ~Client() { thread_.join(); }

    // Returns when a handshake that was under way has ended, for the server too.
    void wait_for_handshake() const {
        const std::uint64_t before = handshakes_;
        while (shaking_ && handshakes_ == before) std::this_thread::yield();
    }

  private:
    void run() {
        while (!stop_) {
            shaking_ = true;
            const auto socket = connect_to(address_);
            if (!socket.valid()) ++tally_.connect[static_cast<std::size_t>(errno) % 256];
            if (socket.valid()) exchange(socket);
            shaking_ = false;
        }
    }
    void exchange(const UniqueFd& socket) {
        const timeval patience{10, 0};
        const linger reset{1, 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        // So that a port is free again at once.
        ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        char byte = 'x';
        if (::send(socket.get(), &byte, 1, MSG_NOSIGNAL) != 1) {
            ++tally_.exchange[static_cast<std::size_t>(errno) % 256];
            return;
        }
        // A byte that is acknowledged was received by a connection that is whole.
        int unsent = 1;
        pollfd entry{socket.get(), POLLIN, 0};
        while (::ioctl(socket.get(), SIOCOUTQ, &unsent) == 0 && unsent > 0 && entry.revents == 0)
            ::poll(&entry, 1, 0);
        ++handshakes_;
        shaking_ = false;
        const ssize_t got = ::recv(socket.get(), &byte, 1, 0);
        if (got == 1) ++tally_.done;
        if (got == 0) ++tally_.cut;
        if (got < 0) ++tally_.exchange[static_cast<std::size_t>(errno) % 256];
    }

    model::Address address_;
    Tally& tally_;
    const std::atomic<bool>& stop_;
    std::atomic<bool> shaking_{false};
    std::atomic<std::uint64_t> handshakes_{0};
    std::thread thread_;
};

class Shrinking : public SteeringKernel {
  protected:
    void grow(const model::ListenerSpec& listener) {
        while (sockets_.size() < 8) {
            const auto place = add(listener);
            instances_[place] = std::make_unique<Instance>(sockets_[place]);
        }
        std::vector<Weighted> members;
        for (const auto& [place, socket] : sockets_) members.push_back({place, 1});
        publish(listener, Mode::round_robin, members);
    }

    std::uint32_t waiting(const std::vector<std::uint32_t>& places) const {
        std::uint32_t sum = 0;
        for (const auto place : places) sum += *queued(sockets_.at(place));
        return sum;
    }

    // Six of the eight instances hang with connections in their queues, leave the table, and their sockets
    // are closed while they still hold them. Returns how many connections that moved.
    std::uint32_t shrink(const model::ListenerSpec& listener,
                         const std::vector<std::unique_ptr<Client>>& clients, const Tally& tally) {
        std::vector<std::uint32_t> going;
        for (const auto& [place, socket] : sockets_) going.push_back(place);
        const std::vector<std::uint32_t> staying(going.end() - 2, going.end());
        going.resize(6);
        for (const auto place : going) instances_[place]->stop_accepting();
        while (waiting(going) < 4 && tally.failed() == 0) std::this_thread::yield();

        publish(listener, Mode::round_robin, {{staying[0], 1}, {staying[1], 1}});
        // The last packet of a handshake that arrives while its socket is being closed, on another core and
        // within the same microsecond, is lost in the kernel. Sockets are closed later than that.
        for (const auto& client : clients) client->wait_for_handshake();
        const std::uint32_t moving = waiting(going);
        for (const auto place : going) {
            EXPECT_TRUE(close_listener(std::move(sockets_[place])));
            sockets_.erase(place);
        }
        for (const auto place : going) instances_.erase(place);
        return moving;
    }

    std::map<std::uint32_t, std::unique_ptr<Instance>> instances_;
};

TEST_F(Shrinking, eight_sockets_to_two_and_back_under_load_lose_nobody) {
    for (const auto& listener : {tcp4(), free_listener(Family::inet6, "::", Protocol::tcp)}) {
        SCOPED_TRACE(model::identity(listener));
        clear();
        instances_.clear();
        grow(listener);
        Tally tally;
        std::atomic<bool> stop{false};
        std::vector<std::unique_ptr<Client>> clients;
        for (int i = 0; i < 16; ++i)
            clients.push_back(std::make_unique<Client>(reachable(listener.address), tally, stop));
        std::uint64_t moved = 0;
        for (int round = 0; round < 40 && tally.failed() == 0; ++round) {
            const std::uint64_t enough = tally.done + 300;
            moved += shrink(listener, clients, tally);
            grow(listener);
            while (tally.done < enough && tally.failed() == 0) std::this_thread::yield();
        }
        stop = true;
        clients.clear();
        EXPECT_EQ(tally.failed(), 0U) << tally.text();
        EXPECT_GE(tally.done, 40U * 300U);
        EXPECT_GE(moved, 40U * 4U);
        RecordProperty("moved_while_waiting", static_cast<int>(moved));
    }
}

// The place with a datagram in its queue, which is taken out.
std::uint32_t receiver(const std::map<std::uint32_t, UniqueFd>& sockets) {
    char byte = 0;
    for (const auto& [place, socket] : sockets) {
        if (::recv(socket.get(), &byte, 1, MSG_DONTWAIT) == 1) return place;
    }
    return UINT32_MAX;
}

TEST_F(SteeringKernel, udp_flows_stay_while_eight_sockets_shrink_to_two_and_back) {
    for (const auto& listener : {free_listener(Family::inet4, "127.0.0.1", Protocol::udp),
                                 free_listener(Family::inet4, "0.0.0.0", Protocol::udp),
                                 free_listener(Family::inet6, "::1", Protocol::udp)}) {
        SCOPED_TRACE(model::identity(listener));
        clear();
        std::vector<Weighted> all;
        for (std::uint32_t i = 0; i < 8; ++i) all.push_back({add(listener), 1, i + 1});
        std::vector<UniqueFd> flows;
        for (int i = 0; i < 400; ++i) flows.push_back(udp_to(reachable(listener.address)));
        const auto homes = [&] {
            std::vector<std::uint32_t> result;
            for (const auto& flow : flows) {
                EXPECT_EQ(::send(flow.get(), "x", 1, 0), 1);
                result.push_back(receiver(sockets_));
            }
            return result;
        };

        publish(listener, Mode::flow_hash, all);
        const auto before = homes();
        EXPECT_EQ(homes(), before);
        for (const auto& member : all) EXPECT_GT(std::count(before.begin(), before.end(), member.place), 0);

        for (std::uint32_t left = 7; left >= 2; --left) {
            const auto old = homes();
            publish(listener, Mode::flow_hash, {all.begin(), all.begin() + left});
            const auto now = homes();
            int needless = 0;
            for (std::size_t i = 0; i < now.size(); ++i) {
                EXPECT_LT(now[i], left);
                needless += old[i] < left && old[i] != now[i] ? 1 : 0;
            }
            EXPECT_LE(needless, 20) << "of 400 flows";
            // Its queue is empty: it is closed without a loss.
            EXPECT_EQ(*queued(sockets_[left]), 0U);
            ASSERT_TRUE(close_listener(std::move(sockets_[left])));
            sockets_.erase(left);
            EXPECT_EQ(homes(), now);
        }
        for (std::uint32_t i = 2; i < 8; ++i) all[i].place = add(listener);
        publish(listener, Mode::flow_hash, all);
        auto after = homes();
        for (auto& home : after) home = home < 8 ? home : home - 6;
        EXPECT_EQ(after, before) << "each flow is back at the successor of its first home";
    }
}

}  // namespace
}  // namespace baton::sys
