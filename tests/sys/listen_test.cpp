// Listening sockets against the real kernel.
#include "sys/listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "network.h"

namespace baton::sys {
namespace {

using model::Family;
using model::ListenerSpec;
using model::Protocol;
using sys_test::connect_to;
using sys_test::free_listener;

struct Folder {
    Folder() {
        std::string name = std::filesystem::temp_directory_path() / "baton-listen-XXXXXX";
        path = ::mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::size_t entries() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
    }
    std::string path;
};

ListenerSpec at_path(const std::string& path) {
    return {"web", {Family::unix_path, path, 0}, Protocol::tcp, "web", 16};
}

bool blocking(const UniqueFd& fd) {
    return (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) == 0;
}

bool close_on_exec(const UniqueFd& fd) {
    return (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

struct InetCase {
    const char* name;
    Family family;
    const char* host;
    Protocol protocol;
};

void PrintTo(const InetCase& test, std::ostream* out) { *out << test.name; }

class InetListener : public ::testing::TestWithParam<InetCase> {
  protected:
    ListenerSpec spec() const {
        return free_listener(GetParam().family, GetParam().host, GetParam().protocol);
    }
};

TEST_P(InetListener, opens_as_programs_expect_and_knows_itself) {
    const auto listener = spec();
    for (const auto sharing : {Sharing::single, Sharing::group}) {
        const auto socket = open_listener(listener, sharing, true);
        ASSERT_TRUE(socket) << socket.error().message();
        EXPECT_TRUE(blocking(*socket));
        EXPECT_TRUE(close_on_exec(*socket));
        EXPECT_TRUE(is_listening(*socket));
        EXPECT_EQ(identity_of(*socket), model::identity(listener));
        EXPECT_EQ(*queued(*socket), 0U);
    }
}

TEST_P(InetListener, a_group_takes_more_sockets_and_only_the_first_opens_it) {
    const auto listener = spec();
    const auto first = open_listener(listener, Sharing::group, true);
    ASSERT_TRUE(first) << first.error().message();
    const auto second = open_listener(listener, Sharing::group, false);
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_TRUE(is_listening(*second));

    // As a stranger of the same user would have it, whose group the kernel would let us join.
    const auto stranger = open_listener(listener, Sharing::group, true);
    ASSERT_FALSE(stranger);
    EXPECT_EQ(stranger.error().code(), EADDRINUSE);
    EXPECT_EQ(stranger.error().message(), "bind " + model::to_string(listener.address) + " for listener " +
                                              listener.name + ": address already in use");
    const auto single = open_listener(listener, Sharing::single, true);
    ASSERT_FALSE(single);
    EXPECT_EQ(single.error().code(), EADDRINUSE);
}

TEST_P(InetListener, the_test_of_an_address_takes_and_leaves_nothing) {
    const auto listener = spec();
    EXPECT_TRUE(test_address(listener));
    const auto open = open_listener(listener, Sharing::single, true);
    ASSERT_TRUE(open) << open.error().message();
    EXPECT_TRUE(test_address(listener)) << "an address in use is no error";
}

INSTANTIATE_TEST_SUITE_P(all, InetListener,
                         ::testing::Values(InetCase{"tcp4", Family::inet4, "127.0.0.1", Protocol::tcp},
                                           InetCase{"tcp6", Family::inet6, "::1", Protocol::http},
                                           InetCase{"udp4", Family::inet4, "127.0.0.1", Protocol::udp},
                                           InetCase{"udp6", Family::inet6, "::1", Protocol::udp},
                                           InetCase{"any4", Family::inet4, "0.0.0.0", Protocol::tcp},
                                           InetCase{"any6", Family::inet6, "::", Protocol::tcp}),
                         [](const auto& test) { return test.param.name; });

TEST(listen, both_wildcards_share_a_port) {
    const auto any4 = free_listener(Family::inet4, "0.0.0.0", Protocol::tcp);
    auto any6 = any4;
    any6.address.family = Family::inet6;
    any6.address.host = "::";
    const auto socket4 = open_listener(any4, Sharing::single, true);
    const auto socket6 = open_listener(any6, Sharing::single, true);
    ASSERT_TRUE(socket4) << socket4.error().message();
    EXPECT_TRUE(socket6) << socket6.error().message();
}

TEST(listen, an_address_that_is_not_ours_is_an_error_everywhere) {
    const ListenerSpec listener{"web", {Family::inet4, "203.0.113.7", 8080}, Protocol::tcp, "web", 16};
    const auto socket = open_listener(listener, Sharing::single, true);
    ASSERT_FALSE(socket);
    EXPECT_EQ(socket.error().code(), EADDRNOTAVAIL);
    const auto test = test_address(listener);
    ASSERT_FALSE(test);
    EXPECT_EQ(test.error().message(),
              "bind 203.0.113.7:8080 for listener web: cannot assign requested address");
}

TEST(listen, counts_connections_that_wait) {
    const auto listener = free_listener(Family::inet4, "127.0.0.1", Protocol::tcp);
    const auto socket = open_listener(listener, Sharing::single, true);
    ASSERT_TRUE(socket) << socket.error().message();
    std::vector<UniqueFd> clients;
    for (std::uint32_t count = 1; count <= 5; ++count) {
        clients.push_back(connect_to(listener.address));
        ASSERT_TRUE(clients.back().valid());
        EXPECT_EQ(*queued(*socket), count);
    }
    const UniqueFd accepted(::accept4(socket->get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_EQ(*queued(*socket), 4U);
}

TEST(listen, counts_datagrams_that_wait_even_empty_ones) {
    const auto listener = free_listener(Family::inet4, "127.0.0.1", Protocol::udp);
    const auto socket = open_listener(listener, Sharing::single, true);
    ASSERT_TRUE(socket) << socket.error().message();
    const auto client = sys_test::udp_to(listener.address);
    std::array<char, 16> buffer{};
    for (const std::size_t length : {0U, 1U}) {
        EXPECT_EQ(*queued(*socket), 0U);
        ASSERT_EQ(::send(client.get(), "x", length, 0), static_cast<ssize_t>(length));
        EXPECT_GT(*queued(*socket), 0U);
        EXPECT_EQ(::recv(socket->get(), buffer.data(), buffer.size(), 0), static_cast<ssize_t>(length));
        EXPECT_EQ(*queued(*socket), 0U);
    }
}

TEST(listen, a_shut_down_tcp_socket_listens_again_for_all_its_holders) {
    const auto listener = free_listener(Family::inet4, "127.0.0.1", Protocol::tcp);
    const auto socket = open_listener(listener, Sharing::group, true);
    ASSERT_TRUE(socket) << socket.error().message();
    const auto holder = duplicate(*socket);
    ASSERT_EQ(::shutdown(holder->get(), SHUT_RDWR), 0);
    EXPECT_FALSE(is_listening(*socket));
    EXPECT_FALSE(connect_to(listener.address).valid());

    const auto again = listen_again(*socket, 16);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_TRUE(is_listening(*holder));
    EXPECT_EQ(identity_of(*socket), model::identity(listener));
    EXPECT_TRUE(connect_to(listener.address).valid());
}

TEST(listen, a_shut_down_udp_or_unix_socket_is_seen_and_cannot_come_back) {
    const auto udp =
        open_listener(free_listener(Family::inet4, "127.0.0.1", Protocol::udp), Sharing::single, true);
    const auto local =
        open_listener({"web", {Family::unix_abstract, "baton-listen-test-shut", 0}}, Sharing::single, true);
    ASSERT_TRUE(udp) << udp.error().message();
    ASSERT_TRUE(local) << local.error().message();
    for (const auto* socket : {&*udp, &*local}) {
        EXPECT_TRUE(is_listening(*socket));
        ::shutdown(socket->get(), SHUT_RD);
        EXPECT_FALSE(is_listening(*socket));
        EXPECT_FALSE(listen_again(*socket, 16));
    }
}

TEST(listen, closing_ends_the_socket_for_other_holders_too) {
    const auto listener = free_listener(Family::inet4, "127.0.0.1", Protocol::tcp);
    auto socket = open_listener(listener, Sharing::single, true);
    ASSERT_TRUE(socket) << socket.error().message();
    const auto holder = duplicate(*socket);
    ASSERT_TRUE(close_listener(std::move(*socket)));
    EXPECT_FALSE(is_listening(*holder));
    EXPECT_FALSE(connect_to(listener.address).valid());
}

TEST(listen, what_is_no_listener_has_no_identity) {
    const auto pipe = make_pipe();
    EXPECT_EQ(identity_of(pipe->read_end), "");
    EXPECT_FALSE(is_listening(pipe->read_end));
    EXPECT_FALSE(queued(pipe->read_end));
    const UniqueFd unbound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(identity_of(unbound), "");
    EXPECT_FALSE(is_listening(unbound));
    const UniqueFd datagram(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_FALSE(is_listening(datagram));
    const UniqueFd nameless(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(identity_of(nameless), "");
}

TEST(listen_unix, opens_with_its_mode_whatever_the_umask) {
    const Folder folder;
    const auto listener = at_path(folder.path + "/web.sock");
    const mode_t before = ::umask(077);
    const auto socket = open_listener(listener, Sharing::group, true);
    ::umask(before);
    ASSERT_TRUE(socket) << socket.error().message();
    EXPECT_TRUE(blocking(*socket));
    EXPECT_TRUE(is_listening(*socket));
    EXPECT_EQ(identity_of(*socket), "unix:" + listener.address.host);
    struct stat entry{};
    ASSERT_EQ(::stat(listener.address.host.c_str(), &entry), 0);
    EXPECT_EQ(entry.st_mode, static_cast<mode_t>(S_IFSOCK | 0666));
    EXPECT_EQ(folder.entries(), 1U);

    std::vector<UniqueFd> clients;
    for (std::uint32_t count = 1; count <= 3; ++count) {
        clients.push_back(connect_to(listener.address));
        ASSERT_TRUE(clients.back().valid());
        EXPECT_EQ(*queued(*socket), count);
    }
}

TEST(listen_unix, takes_the_mode_that_is_asked_for) {
    const Folder folder;
    const auto listener = at_path(folder.path + "/web.sock");
    const auto socket = open_listener(listener, Sharing::single, true, 0600);
    ASSERT_TRUE(socket) << socket.error().message();
    struct stat entry{};
    ASSERT_EQ(::stat(listener.address.host.c_str(), &entry), 0);
    EXPECT_EQ(entry.st_mode, static_cast<mode_t>(S_IFSOCK | 0600));
}

TEST(listen_unix, replaces_a_stale_socket_and_refuses_a_live_one) {
    const Folder folder;
    const auto listener = at_path(folder.path + "/web.sock");
    { const auto gone = open_listener(listener, Sharing::single, true); }
    ASSERT_TRUE(std::filesystem::exists(listener.address.host));
    const auto socket = open_listener(listener, Sharing::single, true);
    ASSERT_TRUE(socket) << socket.error().message();
    EXPECT_TRUE(connect_to(listener.address).valid());

    const auto second = open_listener(listener, Sharing::single, true);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message(),
              "bind unix:" + listener.address.host + " for listener web: address already in use");
    EXPECT_TRUE(connect_to(listener.address).valid());
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(listen_unix, sweeps_away_what_a_start_that_was_cut_short_left) {
    const Folder folder;
    const auto listener = at_path(folder.path + "/web.sock");
    { const auto gone = open_listener(at_path(folder.path + "/other"), Sharing::single, true); }
    std::filesystem::rename(folder.path + "/other", listener.address.host + ".baton-new");
    const auto socket = open_listener(listener, Sharing::single, true);
    ASSERT_TRUE(socket) << socket.error().message();
    EXPECT_TRUE(connect_to(listener.address).valid());
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(listen_unix, never_removes_what_is_no_socket) {
    const Folder folder;
    const auto listener = at_path(folder.path + "/web.sock");
    std::ofstream(listener.address.host) << "mine";
    const auto socket = open_listener(listener, Sharing::single, true);
    ASSERT_FALSE(socket);
    EXPECT_FALSE(test_address(listener));
    std::string content;
    std::ifstream(listener.address.host) >> content;
    EXPECT_EQ(content, "mine");
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(listen_unix, a_name_too_long_for_staging_works_as_well) {
    const Folder folder;
    std::string path = folder.path + "/";
    path.append(107 - path.size(), 'x');
    const auto listener = at_path(path);
    for (int round = 0; round < 2; ++round) {
        const auto socket = open_listener(listener, Sharing::single, true);
        ASSERT_TRUE(socket) << socket.error().message();
        EXPECT_EQ(identity_of(*socket), "unix:" + path);
        EXPECT_TRUE(connect_to(listener.address).valid());
        EXPECT_FALSE(open_listener(listener, Sharing::single, true));
    }
    EXPECT_FALSE(open_listener(at_path(path + "x"), Sharing::single, true));
    EXPECT_FALSE(test_address(at_path(path + "x")));
}

TEST(listen_unix, the_file_goes_with_its_own_socket_only) {
    const Folder folder;
    const auto listener = at_path(folder.path + "/web.sock");
    const auto socket = open_listener(listener, Sharing::single, true);
    ASSERT_TRUE(socket) << socket.error().message();
    const auto held_by_a_program = duplicate(*socket);
    ASSERT_TRUE(remove_socket_file(*socket));
    EXPECT_FALSE(std::filesystem::exists(listener.address.host));
    EXPECT_TRUE(remove_socket_file(*socket));

    const auto of_another = open_listener(listener, Sharing::single, true);
    ASSERT_TRUE(of_another) << of_another.error().message();
    EXPECT_TRUE(remove_socket_file(*socket));
    EXPECT_TRUE(connect_to(listener.address).valid());

    std::filesystem::remove(listener.address.host);
    std::ofstream(listener.address.host) << "mine";
    EXPECT_TRUE(remove_socket_file(*socket));
    EXPECT_TRUE(std::filesystem::exists(listener.address.host));
}

TEST(listen, one_socket_has_one_cookie) {
    const Folder folder;
    const auto socket = open_listener(at_path(folder.path + "/web.sock"), Sharing::single, true);
    const auto other = open_listener(at_path(folder.path + "/other.sock"), Sharing::single, true);
    ASSERT_TRUE(socket && other);
    const auto copy = duplicate(*socket);
    ASSERT_TRUE(copy);
    EXPECT_EQ(cookie_of(*socket).value(), cookie_of(*copy).value());
    EXPECT_NE(cookie_of(*socket).value(), cookie_of(*other).value());
    EXPECT_FALSE(cookie_of(UniqueFd()));
}

TEST(listen_unix, the_test_of_a_path_touches_no_file) {
    const Folder folder;
    EXPECT_TRUE(test_address(at_path(folder.path + "/web.sock")));
    EXPECT_EQ(folder.entries(), 0U);
    const auto missing = test_address(at_path(folder.path + "/missing/web.sock"));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ENOENT);
}

TEST(listen_unix, abstract_names) {
    const ListenerSpec listener{"web", {Family::unix_abstract, "baton-listen-test", 0}};
    const auto socket = open_listener(listener, Sharing::group, true);
    ASSERT_TRUE(socket) << socket.error().message();
    EXPECT_EQ(identity_of(*socket), "unix:@baton-listen-test");
    EXPECT_TRUE(test_address(listener));
    EXPECT_TRUE(connect_to(listener.address).valid());
    EXPECT_EQ(*queued(*socket), 1U);
    const auto second = open_listener(listener, Sharing::single, true);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), EADDRINUSE);
}

TEST(probe, knows_its_source_before_it_connects) {
    for (const auto& [family, host, loopback] :
         {std::tuple{Family::inet4, "0.0.0.0", "127.0.0.1"}, std::tuple{Family::inet6, "::", "::1"},
          std::tuple{Family::inet4, "127.0.0.5", "127.0.0.5"}}) {
        const auto listener = free_listener(family, host, Protocol::tcp);
        const auto socket = open_listener(listener, Sharing::single, true);
        ASSERT_TRUE(socket) << socket.error().message();
        const auto target = reachable(listener.address);
        EXPECT_EQ(target.host, loopback);
        EXPECT_EQ(target.port, listener.address.port);

        model::Address source;
        const auto probe = probe_socket(listener.address, source);
        ASSERT_TRUE(probe) << probe.error().message();
        EXPECT_FALSE(blocking(*probe));
        EXPECT_EQ(source.host, loopback);
        EXPECT_NE(source.port, 0);
        ASSERT_TRUE(sys_test::connect_with(*probe, target));
        EXPECT_EQ(sys_test::accepted_from(*socket), model::to_string(source));
    }
}

TEST(probe, of_a_unix_socket_has_no_source) {
    model::Address source;
    const auto probe = probe_socket({Family::unix_abstract, "anything", 0}, source);
    ASSERT_TRUE(probe) << probe.error().message();
    EXPECT_EQ(source.host, "");
    EXPECT_FALSE(blocking(*probe));
}

}  // namespace
}  // namespace baton::sys
