// Steering across processes: handed on, adopted, and cleanly absent where the right is missing.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "network.h"
#include "steering_fixture.h"
#include "sys/listen.h"
#include "sys/steering.h"

namespace baton::sys {
namespace {

using sys_test::SteeringKernel;
using sys_test::tcp4;

std::map<std::string, UniqueFd> held_by(const Steering& steering) {
    std::map<std::string, UniqueFd> held;
    for (const auto& [name, descriptor] : steering.descriptors())
        held.emplace(name, std::move(*duplicate(descriptor)));
    return held;
}

// Runs `body` in a child; its exit status. The child reports failures by a number, as gtest cannot.
int in_child(const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

struct Control {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 8)> bytes{};
};

void send_descriptors(int channel, const std::vector<int>& descriptors) {
    Control control;
    char byte = 0;
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(int) * descriptors.size());
    ASSERT_EQ(::sendmsg(channel, &message, 0), 1);
}

std::vector<UniqueFd> receive_descriptors(int channel) {
    Control control;
    char byte = 0;
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    std::vector<UniqueFd> received;
    if (::recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1) return received;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr) return received;
    std::vector<int> raw((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(raw.data(), CMSG_DATA(header), raw.size() * sizeof(int));
    for (const int fd : raw) received.emplace_back(fd);
    return received;
}

TEST_F(SteeringKernel, another_process_adopts_and_goes_on) {
    const auto listener = tcp4();
    std::array<int, 2> channel{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel.data()), 0);
    // Forked before there is anything to inherit: what the successor has, it was sent.
    steering_.reset();
    const pid_t successor = ::fork();
    if (successor == 0) {
        auto received = receive_descriptors(channel[1]);
        if (received.size() != 5) ::_exit(2);
        std::map<std::string, UniqueFd> held;
        const std::array<const char*, 4> names{"steer.v1/program", "steer.v1/sockets", "steer.v1/groups",
                                               "steer.v1/probes"};
        for (std::size_t i = 0; i < names.size(); ++i) held[names[i]] = std::move(received[i]);
        held["something/else"] = std::move(received[4]);
        auto adopted = Steering::adopt(std::move(held));
        if (!adopted) ::_exit(3);
        // A new instance and a new table, in which the old ones have no part.
        const auto socket = open_listener(listener, Sharing::group, false);
        if (!socket || !adopted->set_socket(7, *socket)) ::_exit(4);
        if (!adopted->publish(listener, Mode::round_robin, std::vector<Weighted>{{7, 1}, {1, 1}})) ::_exit(5);
        for (int i = 0; i < 20; ++i) {
            if (!sys_test::connect_to(listener.address).valid()) ::_exit(6);
        }
        if (*queued(*socket) != 10) ::_exit(7);
        // What waits here goes to the other when this process ends.
        ::_exit(0);
    }
    auto loaded = Steering::load();
    ASSERT_TRUE(loaded) << loaded.error().message();
    steering_ = std::make_unique<Steering>(std::move(*loaded));
    add(listener);
    add(listener);
    publish(listener, Mode::round_robin, {{0, 1}});
    EXPECT_EQ(arrivals(listener, 3), "aaa");
    std::vector<int> descriptors;
    for (const auto& [name, descriptor] : steering_->descriptors()) descriptors.push_back(descriptor.get());
    descriptors.push_back(channel[0]);
    send_descriptors(channel[0], descriptors);
    int status = 0;
    ASSERT_EQ(::waitpid(successor, &status, 0), successor);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(*queued(sockets_[0]), 0U);
    EXPECT_EQ(*queued(sockets_[1]), 20U);
    for (const int end : channel) ::close(end);
}

TEST_F(SteeringKernel, the_program_works_while_nobody_runs_it) {
    const auto listener = tcp4();
    for (int i = 0; i < 3; ++i) add(listener);
    publish(listener, Mode::round_robin, {{0, 1}, {2, 1}});
    auto held = held_by(*steering_);
    steering_.reset();
    EXPECT_EQ(arrivals(listener, 6), "acacac");
    auto adopted = Steering::adopt(std::move(held));
    ASSERT_TRUE(adopted) << adopted.error().message();
    steering_ = std::make_unique<Steering>(std::move(*adopted));
    EXPECT_TRUE(steering_->set_socket(2, sockets_[2])) << "it knows what is there";
    publish(listener, Mode::round_robin, {{1, 1}, {2, 1}});
    EXPECT_EQ(arrivals(listener, 6), "bcbcbc");

    // And with nobody holding anything, the attached group keeps program and tables alive.
    steering_.reset();
    EXPECT_EQ(arrivals(listener, 6), "bcbcbc");
}

TEST_F(SteeringKernel, what_is_of_another_layout_is_not_adopted) {
    auto held = held_by(*steering_);
    std::swap(held["steer.v1/groups"], held["steer.v1/probes"]);
    const auto swapped = Steering::adopt(std::move(held));
    ASSERT_FALSE(swapped);
    EXPECT_EQ(swapped.error().message(), "adopt the steering program: what is held is of another layout");

    held = held_by(*steering_);
    held.erase("steer.v1/sockets");
    const auto missing = Steering::adopt(std::move(held));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message(), "adopt the steering program: steer.v1/sockets is missing");

    held = held_by(*steering_);
    held["steer.v1/program"] = std::move(make_pipe()->read_end);
    EXPECT_FALSE(Steering::adopt(std::move(held)));
}

// Gives up all rights but `kept`.
bool keep_only(std::uint64_t kept) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) return false;
    for (std::size_t word = 0; word < data.size(); ++word) {
        const auto mask = static_cast<std::uint32_t>(kept >> (32 * word));
        data[word].effective &= mask;
        data[word].permitted &= mask;
        data[word].inheritable = 0;
    }
    return ::syscall(SYS_capset, &header, data.data()) == 0;
}

TEST(steering_rights, without_them_the_error_names_what_is_missing) {
    const int status = in_child([] {
        if (!keep_only(0)) return 2;
        const auto loaded = Steering::load();
        if (loaded) return 3;
        if (loaded.error().code() != EPERM) return 4;
        if (loaded.error().message() != "load the steering program: the capability CAP_BPF is missing")
            return 5;
        // What is left then: one socket that all instances share.
        return open_listener(tcp4(), Sharing::single, true) ? 0 : 6;
    });
    EXPECT_EQ(status, 0);
}

TEST_F(SteeringKernel, no_more_than_cap_bpf_is_needed) {
    const auto listener = tcp4();
    const int status = in_child([&] {
        if (!keep_only(std::uint64_t{1} << CAP_BPF)) return 2;
        auto loaded = Steering::load();
        if (!loaded) return 3;
        const auto socket = open_listener(listener, Sharing::group, true);
        if (!socket || !loaded->attach(*socket) || !loaded->set_socket(0, *socket)) return 4;
        if (!loaded->publish(listener, Mode::round_robin, std::vector<Weighted>{{0, 1}})) return 5;
        if (!sys_test::connect_to(listener.address).valid()) return 6;
        model::Address source;
        const auto probe = probe_socket(listener.address, source);
        return probe && loaded->add_probe(source, 0) && loaded->remove_probe(source) ? 0 : 7;
    });
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace baton::sys
