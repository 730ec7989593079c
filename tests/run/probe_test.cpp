#include "run/probe.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "base/limits.h"
#include "server.h"
#include "sys/sockaddr.h"

namespace baton::run {
namespace {

namespace asio = boost::asio;
using model::ProbeType;

// Empty: passed. Otherwise why it failed.
std::string outcome(const ProbeTarget& target) {
    asio::io_context context;
    std::string said = "(nothing)";
    auto ended = [&said](const std::exception_ptr& thrown, const Result<void>& result) {
        if (thrown) std::rethrow_exception(thrown);
        said = result ? std::string() : result.error().message();
    };
    asio::co_spawn(context, probe(socket_for(target.address), target), ended);
    context.run();
    return said;
}

std::string ask(Server& server, Millis timeout = 5'000) {
    return outcome({server.address(), ProbeType::http, "/healthz", timeout});
}

TEST(Probe, TcpPassesWhereSomebodyListens) {
    Server server([](const sys::UniqueFd&, const std::string&) {});
    EXPECT_EQ(outcome({server.address(), ProbeType::tcp, "", 1'000}), "");
    EXPECT_EQ(outcome({nowhere(), ProbeType::tcp, "", 1'000}), "connection refused");
}

TEST(Probe, HttpSendsAnHonestRequest) {
    Server server(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    EXPECT_EQ(ask(server), "");
    const std::string request = server.request();
    EXPECT_EQ(request.find("GET /healthz HTTP/1.1\r\n"), 0U) << request;
    EXPECT_NE(request.find("Host: " + to_string(server.address()) + "\r\n"), std::string::npos)
        << request;
    EXPECT_NE(request.find("Connection: close\r\n"), std::string::npos) << request;
    EXPECT_NE(request.find("User-Agent: baton-probe/" BATON_VERSION_TEXT "\r\n"), std::string::npos)
        << request;
}

TEST(Probe, HttpIsJudgedByItsStatus) {
    const auto with = [](const std::string& head, const std::string& body) {
        Server server(answers(head + "\r\nContent-Length: " + std::to_string(body.size()) +
                              "\r\n\r\n" + body));
        return ask(server);
    };
    EXPECT_EQ(with("HTTP/1.1 204 No Content", ""), "");
    EXPECT_EQ(with("HTTP/1.0 399 Odd", ""), "");
    EXPECT_EQ(with("HTTP/1.1 302 Found", "moved"), "");
    EXPECT_EQ(with("HTTP/1.1 400 Bad", ""), "HTTP 400");
    EXPECT_EQ(with("HTTP/1.1 500 Oops", "<html>...</html>"), "HTTP 500");
    EXPECT_EQ(with("HTTP/1.1 503 Busy", "no database\nstack..."), "HTTP 503: no database");
    EXPECT_EQ(with("HTTP/1.1 503 Busy", std::string(5'000, 'x')),
              "HTTP 503: " + std::string(limits::probe_reason_bytes, 'x'));
}

TEST(Probe, HttpWithoutALengthEndsWithTheConnection) {
    Server server(answers("HTTP/1.0 200 OK\r\n\r\nhello"));
    EXPECT_EQ(ask(server), "");
}

TEST(Probe, ALongAnswerIsJudgedByItsStatusToo) {
    const std::string chunk = "4000\r\n" + std::string(0x4000, 'x') + "\r\n";
    Server chunked(
        answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk));
    EXPECT_EQ(ask(chunked), "");
    Server said(answers("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nxxxx"));
    EXPECT_EQ(ask(said), "");
    Server failing(answers("HTTP/1.1 500 Oops\r\nContent-Length: 1000000000000\r\n\r\nxxxx"));
    EXPECT_EQ(ask(failing), "HTTP 500");
    Server heads(answers("HTTP/1.1 200 OK\r\nX: " +
                         std::string(2 * limits::probe_response_bytes, 'x') + "\r\n\r\n"));
    EXPECT_NE(ask(heads), "");
}

TEST(Probe, WhatIsNoAnswerIsNamed) {
    Server garbage(answers("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
    EXPECT_EQ(ask(garbage).find("no HTTP answer"), 0U) << ask(garbage);
    Server silent([](const sys::UniqueFd&, const std::string&) {});
    EXPECT_EQ(ask(silent), "the connection was closed without an answer");
    Server half(answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
    EXPECT_EQ(ask(half), "the connection was closed within the answer");
}

TEST(Probe, TheTimeIsForEverythingTogether) {
    // Waits for the prober to hang up.
    const auto wait = [](const sys::UniqueFd& connection) {
        pollfd end{connection.get(), POLLIN, 0};
        ::poll(&end, 1, 20'000);
    };
    Server mute([&](const sys::UniqueFd& connection, const std::string&) { wait(connection); });
    const Millis began = monotonic_now();
    EXPECT_EQ(ask(mute, 100), "no answer within 100ms");
    EXPECT_GE(monotonic_now() - began, 99);
    Server stuck([&](const sys::UniqueFd& connection, const std::string& request) {
        answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")(connection, request);
        wait(connection);
    });
    EXPECT_EQ(ask(stuck, 100), "no answer within 100ms");
}

TEST(Probe, ReachesUnixSockets) {
    std::string folder = testing::TempDir() + "probe-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    {
        Server server(answers("HTTP/1.1 200 OK\r\n\r\n"), folder + "/s");
        EXPECT_EQ(ask(server), "");
        EXPECT_NE(server.request().find("Host: localhost\r\n"), std::string::npos);
    }
    EXPECT_EQ(outcome({{model::Family::unix_path, folder + "/s", 0}, ProbeType::http, "/", 1'000}),
              "connection refused");
    EXPECT_EQ(
        outcome({{model::Family::unix_path, folder + "/none", 0}, ProbeType::tcp, "/", 1'000}),
        "no such file or directory");
    // Nobody accepts, and the queue of one is full.
    const model::Address full{model::Family::unix_path, folder + "/full", 0};
    const auto bound = *sys::to_socket_address(full);
    const sys::UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listening.get(), bound.get(), bound.length), 0);
    ASSERT_EQ(::listen(listening.get(), 0), 0);
    const auto first = socket_for(full);
    ASSERT_EQ(::connect(first.get(), bound.get(), bound.length), 0);
    EXPECT_EQ(outcome({full, ProbeType::tcp, "/", 100}), "its queue is full");
    std::thread late([&] {
        ::usleep(50'000);
        ::close(::accept(listening.get(), nullptr, nullptr));
    });
    EXPECT_EQ(outcome({full, ProbeType::tcp, "/", 20'000}), "") << "there was room in time";
    late.join();
    std::filesystem::remove_all(folder);
}

TEST(Probe, EndsSoonWhenItIsCancelled) {
    std::atomic<bool> asked{false};
    Server mute([&](const sys::UniqueFd& connection, const std::string&) {
        asked = true;
        pollfd end{connection.get(), POLLIN, 0};
        ::poll(&end, 1, 20'000);
    });
    asio::io_context context;
    asio::cancellation_signal cancel;
    bool ended = false;
    const ProbeTarget target{mute.address(), ProbeType::http, "/", 60'000};
    asio::co_spawn(
        context, probe(socket_for(target.address), target),
        asio::bind_cancellation_slot(
            cancel.slot(), [&](const std::exception_ptr&, const Result<void>&) { ended = true; }));
    while (!asked) context.poll_one();
    cancel.emit(asio::cancellation_type::terminal);
    const Millis began = monotonic_now();
    context.run();
    EXPECT_TRUE(ended);
    EXPECT_LT(monotonic_now() - began, 10'000);
}

}  // namespace
}  // namespace baton::run
