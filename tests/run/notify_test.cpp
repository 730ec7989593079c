#include "run/notify.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/limits.h"

namespace baton::run {
namespace {

TEST(ParseNotify, UnderstandsWhatSystemdSends) {
    const auto said =
        parse_notify("READY=1\nSTATUS=Processing requests...\nMAINPID=4711\nX_UNKNOWN=1");
    EXPECT_TRUE(said.ready);
    EXPECT_FALSE(said.stopping);
    EXPECT_EQ(said.status, "Processing requests...");
    EXPECT_TRUE(parse_notify("STOPPING=1\n").stopping);
    EXPECT_TRUE(parse_notify("WATCHDOG=1").watchdog);
    EXPECT_TRUE(parse_notify("WATCHDOG=trigger").hung);
    EXPECT_FALSE(parse_notify("WATCHDOG=trigger").watchdog);
    EXPECT_EQ(parse_notify("STATUS=").status, "");
}

TEST(ParseNotify, IgnoresEverythingElse) {
    for (const char* const text : {"", "\n\n", "READY", "READY=0", "READY=11", "xREADY=1",
                                   "RELOADING=1", "=1", "WATCHDOG=2", "EXTEND_TIMEOUT_USEC=-1",
                                   "EXTEND_TIMEOUT_USEC=1x", "WATCHDOG_USEC=100", "STOPPING=yes"}) {
        const auto said = parse_notify(text);
        EXPECT_FALSE(said.ready || said.stopping || said.watchdog || said.hung || said.status)
            << text;
        EXPECT_EQ(said.extend, 0) << text;
    }
}

TEST(ParseNotify, MoreTimeIsRoundedUpAndLimited) {
    EXPECT_EQ(parse_notify("EXTEND_TIMEOUT_USEC=2500000").extend, 2500);
    EXPECT_EQ(parse_notify("EXTEND_TIMEOUT_USEC=1").extend, 1);
    EXPECT_EQ(parse_notify("EXTEND_TIMEOUT_USEC=18446744073709551615").extend,
              limits::start_timeout_extended);
}

TEST(ParseNotify, TheStatusIsShortPlainText) {
    EXPECT_EQ(parse_notify("STATUS=a\033[2Jb\xFF").status, "a?[2Jb\xEF\xBF\xBD");
    EXPECT_EQ(parse_notify("STATUS=" + std::string(10'000, 'x')).status->size(),
              limits::status_text_bytes);
}

struct NotifyTest : testing::Test {
    NotifyTest() {
        std::string pattern = testing::TempDir() + "notify-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        path = folder + "/n.sock";
    }
    ~NotifyTest() override { std::filesystem::remove_all(folder); }

    void serve(std::optional<std::uint32_t> user = std::nullopt) {
        auto made = NotifySocket::create(path, std::nullopt);
        ASSERT_TRUE(made) << made.error().message();
        socket = std::make_unique<NotifySocket>(
            context, std::move(*made),
            [this](model::Notified one) {
                said.push_back(std::move(one));
                if (on_said) on_said();
            },
            [user](const sys::Sender& sender) { return user && sender.uid == *user; });
    }
    // As libsystemd does it; `attached` is sent along.
    void send(std::string_view text, int attached = -1) {
        const sys::UniqueFd sender(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
        iovec bytes{const_cast<char*>(text.data()), text.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_name = &address;
        message.msg_namelen = sizeof(address);
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        if (attached >= 0) {
            message.msg_control = control;
            message.msg_controllen = sizeof(control);
            cmsghdr* const part = CMSG_FIRSTHDR(&message);
            part->cmsg_level = SOL_SOCKET;
            part->cmsg_type = SCM_RIGHTS;
            part->cmsg_len = CMSG_LEN(sizeof(int));
            std::memcpy(CMSG_DATA(part), &attached, sizeof(attached));
        }
        ASSERT_EQ(::sendmsg(sender.get(), &message, 0), static_cast<ssize_t>(text.size()))
            << std::strerror(errno);
    }
    void run_until(std::size_t count) {
        while (said.size() < count) ASSERT_EQ(context.run_one_for(std::chrono::seconds(20)), 1U);
    }

    std::string folder;
    std::string path;
    boost::asio::io_context context;
    std::vector<model::Notified> said;
    std::function<void()> on_said;
    std::unique_ptr<NotifySocket> socket;
};

TEST_F(NotifyTest, EachDatagramIsToldInOrder) {
    serve();
    send("READY=1");
    send("FDSTORE=1");
    send("STATUS=busy");
    run_until(2);
    EXPECT_TRUE(said[0].ready);
    EXPECT_EQ(said[1].status, "busy");
}

TEST_F(NotifyTest, TheSocketIsForWhomItIsMadeAndReplacesAStaleOne) {
    serve();
    socket.reset();
    const mode_t before = ::umask(077);
    serve();
    ::umask(before);
    struct stat about {};
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 07777U, 0666U);
    send("READY=1");
    run_until(1);
    socket.reset();
    ASSERT_TRUE(NotifySocket::create(path, ::geteuid()));
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 07777U, 0600U);
    EXPECT_EQ(about.st_uid, ::geteuid());
}

TEST_F(NotifyTest, AFileInTheWayIsLeftAlone) {
    std::ofstream(path) << "precious";
    const auto made = NotifySocket::create(path, std::nullopt);
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message().find("in the way"), std::string::npos)
        << made.error().message();
    EXPECT_EQ(std::filesystem::file_size(path), 8U);
    EXPECT_FALSE(NotifySocket::create("/" + std::string(200, 'x'), std::nullopt));
}

TEST_F(NotifyTest, ABarrierIsLiftedWhenWhatCameBeforeWasHandled) {
    serve();
    auto barrier = *sys::make_pipe();
    send("READY=1");
    send("BARRIER=1", barrier.write_end.get());
    barrier.write_end.reset();
    pollfd lifted{barrier.read_end.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&lifted, 1, 0), 0);
    on_said = [&] { EXPECT_EQ(::poll(&lifted, 1, 0), 0) << "lifted too early"; };
    run_until(1);
    while (::poll(&lifted, 1, 0) == 0) ASSERT_EQ(context.run_one_for(std::chrono::seconds(20)), 1U);
    EXPECT_NE(lifted.revents & POLLHUP, 0);
}

TEST_F(NotifyTest, DescriptorsAreNotKept) {
    serve();
    auto stored = *sys::make_pipe();
    const auto count = [] {
        const auto entries = std::filesystem::directory_iterator("/proc/self/fd");
        return std::distance(begin(entries), end(entries));
    };
    const auto before = count();
    for (int i = 0; i < 5; ++i) send("FDSTORE=1\nREADY=1", stored.read_end.get());
    run_until(5);
    EXPECT_EQ(count(), before);
}

TEST_F(NotifyTest, ADatagramThatIsTooLongIsDropped) {
    serve();
    send("READY=1\n" + std::string(limits::notify_bytes, 'x'));
    send("STOPPING=1");
    run_until(1);
    EXPECT_TRUE(said[0].stopping);
    EXPECT_FALSE(said[0].ready);
}

TEST_F(NotifyTest, MayBeDestroyedByWhatItTells) {
    serve();
    send("READY=1");
    send("STOPPING=1");
    on_said = [this] { socket.reset(); };
    context.run();
    EXPECT_EQ(said.size(), 1U);
}

TEST_F(NotifyTest, DrainNowReadsWithoutTheLoop) {
    serve();
    send("STATUS=last words");
    socket->drain_now();
    ASSERT_EQ(said.size(), 1U);
}

// A datagram of root counts always; so the stranger is a child of this test with another user.
TEST_F(NotifyTest, StrangersAreNotHeard) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to be somebody else";
    serve(1234);
    std::filesystem::permissions(folder, std::filesystem::perms::all);
    const auto send_as = [this](uid_t user, std::string_view text) {
        const pid_t child = ::fork();
        if (child == 0) {
            if (::setuid(user) == 0) send(text);
            ::_exit(0);
        }
        int status = -1;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
    };
    send_as(4321, "STOPPING=1");
    send_as(1234, "STATUS=mine");
    send("STATUS=root");
    run_until(2);
    EXPECT_EQ(said[0].status, "mine");
    EXPECT_EQ(said[1].status, "root");
}

}  // namespace
}  // namespace baton::run
