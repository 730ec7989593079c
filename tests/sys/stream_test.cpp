#include "sys/stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "network.h"
#include "sys/listen.h"
#include "sys/sockaddr.h"

namespace baton::sys {
namespace {

// Two ends of one tcp connection, neither of which waits.
struct Ends {
    UniqueFd client;
    UniqueFd server;
};

class Stream : public testing::Test {
  protected:
    void SetUp() override {
        spec_ = sys_test::free_listener(model::Family::inet4, "127.0.0.1", model::Protocol::tcp);
        auto opened = open_listener(spec_, Sharing::single, true);
        ASSERT_TRUE(opened) << opened.error().message();
        listener_ = std::move(*opened);
        prepare_listener(listener_);
    }
    Ends connect() {
        Connected made = connect_stream(*to_socket_address(spec_.address));
        EXPECT_TRUE(made.error == 0 || made.error == EINPROGRESS) << made.error;
        Accepted accepted = accept_stream(listener_);
        EXPECT_EQ(accepted.error, 0);
        EXPECT_EQ(connect_error(made.socket), 0);
        return {std::move(made.socket), std::move(accepted.socket)};
    }
    static int option(const UniqueFd& socket, int level, int name) {
        int value = -1;
        socklen_t length = sizeof(value);
        ::getsockopt(socket.get(), level, name, &value, &length);
        return value;
    }
    static Transfer read(const UniqueFd& socket, std::string& text) {
        std::vector<char> buffer(4096);
        const Transfer got = read_stream(socket, buffer);
        text.assign(buffer.data(), got.bytes);
        return got;
    }
    static Transfer write(const UniqueFd& socket, std::string_view text) { return write_stream(socket, std::span<const char>(text.data(), text.size())); }

    model::ListenerSpec spec_;
    UniqueFd listener_;
};

TEST_F(Stream, IsMadeAcceptedReadWrittenAndEnded) {
    EXPECT_EQ(accept_stream(listener_).error, EAGAIN);
    const Ends ends = connect();
    std::string text;
    EXPECT_EQ(read(ends.server, text).error, EAGAIN);
    EXPECT_EQ(write(ends.client, "hello").bytes, 5U);
    EXPECT_EQ(read(ends.server, text).bytes, 5U);
    EXPECT_EQ(text, "hello");
    end_output(ends.client);
    const Transfer last = read(ends.server, text);
    EXPECT_EQ(last.bytes, 0U);
    EXPECT_EQ(last.error, 0);
    EXPECT_EQ(write(ends.server, "answer").bytes, 6U);
    EXPECT_EQ(read(ends.client, text).bytes, 6U);
    EXPECT_EQ(write(ends.client, "too late").error, EPIPE);
}

TEST_F(Stream, SendsWithoutDelayAndIsNotInherited) {
    const Ends ends = connect();
    for (const UniqueFd* socket : {&ends.client, &ends.server}) {
        EXPECT_EQ(option(*socket, IPPROTO_TCP, TCP_NODELAY), 1);
        EXPECT_NE(::fcntl(socket->get(), F_GETFD) & FD_CLOEXEC, 0);
        EXPECT_NE(::fcntl(socket->get(), F_GETFL) & O_NONBLOCK, 0);
    }
    EXPECT_EQ(option(ends.server, SOL_SOCKET, SO_KEEPALIVE), 1);
}

TEST_F(Stream, TakesWhatThereIsRoomForAndNoMore) {
    const Ends ends = connect();
    const std::string much(1 << 20U, 'x');
    std::size_t written = 0;
    Transfer put;
    while ((put = write(ends.client, much)).error == 0) written += put.bytes;
    EXPECT_EQ(put.error, EAGAIN);
    EXPECT_EQ(put.bytes, 0U);
    std::vector<char> buffer(1 << 20U);
    std::size_t got = 0;
    for (int tries = 0; got < written && tries < 1'000'000; ++tries) got += read_stream(ends.server, buffer).bytes;
    EXPECT_EQ(got, written);
}

TEST_F(Stream, TellsThatItBroke) {
    Ends ends = connect();
    break_on_close(ends.client);
    ends.client.reset();
    std::string text;
    EXPECT_EQ(read(ends.server, text).error, ECONNRESET);
    EXPECT_EQ(write(ends.server, "x").error, EPIPE);
}

TEST_F(Stream, TellsThatNobodyListens) {
    const auto nobody = sys_test::free_listener(model::Family::inet4, "127.0.0.1", model::Protocol::tcp);
    const Connected made = connect_stream(*to_socket_address(nobody.address));
    const int error = made.error == EINPROGRESS ? connect_error(made.socket) : made.error;
    EXPECT_EQ(error, ECONNREFUSED);
    EXPECT_EQ(connect_stream(*to_socket_address({model::Family::unix_path, "/nonexistent/socket", 0})).error, ENOENT);
}

TEST_F(Stream, OfAUnixSocketHasAQueueThatCanBeFull) {
    model::ListenerSpec spec;
    spec.address = {model::Family::unix_abstract, "baton-stream-test-" + std::to_string(::getpid()), 0};
    spec.backlog = 1;
    const auto opened = open_listener(spec, Sharing::single, true);
    ASSERT_TRUE(opened) << opened.error().message();
    prepare_listener(*opened);
    std::vector<Connected> all;
    for (int i = 0; i < 8 && (all.empty() || all.back().error == 0); ++i) all.push_back(connect_stream(*to_socket_address(spec.address)));
    EXPECT_EQ(all.back().error, EAGAIN);
    EXPECT_EQ(accept_stream(*opened).error, 0);
    EXPECT_EQ(connect_stream(*to_socket_address(spec.address)).error, 0);
}

TEST_F(Stream, SkipsWhoGaveUpWhileItWaited) {
    Connected gone = connect_stream(*to_socket_address(spec_.address));
    break_on_close(gone.socket);
    gone.socket.reset();
    const Connected there = connect_stream(*to_socket_address(spec_.address));
    std::string text;
    int served = 0;
    for (Accepted one = accept_stream(listener_); one.error == 0; one = accept_stream(listener_)) {
        if (write(one.socket, "x").error == 0) ++served;
    }
    EXPECT_EQ(served, 1);
    EXPECT_EQ(read(there.socket, text).bytes, 1U);
}

TEST(StreamLimit, IsThatOfTheProcess) {
    EXPECT_GE(descriptor_limit(), 64U);
    EXPECT_EQ(descriptor_limit(), static_cast<std::size_t>(::sysconf(_SC_OPEN_MAX)));
}

}  // namespace
}  // namespace baton::sys
