// What the API bears from clients that are slow, loud or many, and whom it lets in.
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "client.h"
#include "model/codec.h"
#include "running.h"

namespace baton::test {
namespace {

class Limits : public Running {};

TEST_F(Limits, a_request_that_trickles_in_is_ended) {
    admin::Settings settings;
    settings.request_timeout = 100;
    start(settings);
    Client client(path());
    client.send("GET /v1/status HTTP/1.1\r\nHost: b\r\n");
    const auto response = client.response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 408);
    EXPECT_TRUE(client.ended());
    Client late(path());
    late.send("POST /v1/reload HTTP/1.1\r\nHost: b\r\nContent-Length: 10\r\n\r\n{");
    EXPECT_EQ(late.response()->status, 408);
}

TEST_F(Limits, a_silent_connection_is_ended) {
    admin::Settings settings;
    settings.request_timeout = 50;
    start(settings);
    Client client(path());
    EXPECT_TRUE(client.ended());
    Client kept(path());
    kept.send("GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    EXPECT_TRUE(kept.response());
    EXPECT_TRUE(kept.ended());
}

TEST_F(Limits, a_huge_header_is_refused) {
    start();
    Client client(path());
    client.send("GET /v1/status HTTP/1.1\r\nX: " + std::string(limits::admin_header_bytes, 'x') + "\r\n\r\n");
    const auto response = client.response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 431);
    EXPECT_TRUE(client.ended());
    Client endless(path());
    endless.send("GET /" + std::string(limits::admin_header_bytes * 8, 'x'));
    EXPECT_EQ(endless.response()->status, 431);
}

TEST_F(Limits, a_huge_body_is_refused_before_it_is_read) {
    start();
    Client client(path());
    client.send("POST /v1/reload HTTP/1.1\r\nHost: b\r\nContent-Length: 9999999\r\n\r\n");
    EXPECT_EQ(client.response()->status, 413);
    // One that is sent all the same still gets its answer.
    const std::string body(limits::admin_body_bytes + 1, ' ');
    EXPECT_EQ(Client::post(path(), "/v1/reload", body).status, 413);
    EXPECT_EQ(
        Client::post(path(), "/v1/reload", std::string(limits::admin_body_bytes - 2, ' ') + "{}").status,
        200);
}

TEST_F(Limits, an_endless_body_in_chunks_is_refused) {
    start();
    Client client(path());
    client.send("POST /v1/reload HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
    for (int count = 0; count < 20 && client.send(chunk); ++count) {
    }
    EXPECT_EQ(client.response()->status, 413);
}

TEST_F(Limits, a_client_that_asks_first_is_told_to_go_on) {
    start();
    Client client(path());
    client.send("POST /v1/reload HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(client.response()->status, 100);
    client.send("{}");
    EXPECT_EQ(client.response()->status, 200);
}

TEST_F(Limits, too_many_connections_are_turned_away_with_a_reason) {
    admin::Settings settings;
    settings.connections = 3;
    start(settings);
    std::vector<Client> open;
    for (int count = 0; count < 3; ++count) {
        open.emplace_back(path());
        open.back().send("GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
        ASSERT_EQ(open.back().response()->status, 200);
    }
    const auto refused = Client::get(path(), "/healthz");
    EXPECT_EQ(refused.status, 503);
    EXPECT_NE(refused.body.find("3 connections"), std::string::npos);
    open.pop_back();
    const auto served = [this] { return Client::get(path(), "/healthz").status == 200; };
    bool again = false;
    for (int tries = 0; tries < 1000 && !again; ++tries) again = served();
    EXPECT_TRUE(again);
}

TEST_F(Limits, followers_leave_room_for_commands) {
    admin::Settings settings;
    settings.streams = 1;
    start(settings);
    Client follower(path());
    follower.send("GET /v1/events HTTP/1.1\r\nHost: b\r\n\r\n");
    ASSERT_EQ(follower.header()->status, 200);
    EXPECT_EQ(Client::get(path(), "/v1/events").status, 503);
    EXPECT_EQ(Client::get(path(), "/v1/logs").status, 503);
    EXPECT_EQ(Client::post(path(), "/v1/reload", "").status, 200);
    follower.close();
    bool again = false;
    for (int tries = 0; tries < 1000 && !again; ++tries) {
        again = Client::get(path(), "/v1/events?follow=false").status == 200;
    }
    EXPECT_TRUE(again);
}

TEST_F(Limits, too_many_commands_are_refused) {
    admin::Settings settings;
    settings.commands = 1;
    start(settings);
    on_server([this] { console_.script.hold = true; });
    Client first(path());
    first.send("POST /v1/reload HTTP/1.1\r\nHost: b\r\n\r\n");
    ASSERT_TRUE(becomes([this] { return console_.commands.size() == 1; }));
    const auto refused = Client::post(path(), "/v1/reload", "");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.headers.at("retry-after"), "1");
    on_server([this] { console_.release(); });
    EXPECT_EQ(first.response()->status, 200);
}

TEST_F(Limits, a_follower_that_does_not_read_is_let_go) {
    admin::Settings settings;
    settings.request_timeout = 200;
    start(settings);
    Client follower(path());
    follower.send("GET /v1/logs?follow=true HTTP/1.1\r\nHost: b\r\n\r\n");
    ASSERT_TRUE(follower.header());
    ASSERT_TRUE(becomes([this] { return console_.lines.following() == 1; }));
    on_server([this] {
        for (int line = 0; line < 1000; ++line) console_.publish_line("web/1", std::string(4096, 'x'));
    });
    EXPECT_TRUE(becomes([this] { return console_.lines.following() == 0; }));
}

TEST_F(Limits, a_check_of_health_that_hangs_is_ill_health) {
    admin::Settings settings;
    settings.request_timeout = 100;
    start(settings);
    on_server([this] { console_.health_hangs = true; });
    const auto response = Client::get(path(), "/healthz");
    EXPECT_EQ(response.status, 503);
    EXPECT_NE(response.body.find("in time"), std::string::npos);
}

TEST_F(Limits, a_server_can_go_while_everything_is_going_on) {
    start();
    on_server([this] { console_.script.hold = true; });
    std::vector<Client> clients;
    for (const char* request :
         {"GET /v1/events HTTP/1.1\r\n\r\n", "GET /v1/logs?follow=true HTTP/1.1\r\n\r\n",
          "POST /v1/reload HTTP/1.1\r\n\r\n", "GET /v1/sta", ""}) {
        clients.emplace_back(path());
        clients.back().send(request);
    }
    ASSERT_TRUE(becomes([this] { return console_.commands.size() == 1 && console_.lines.following() == 1; }));
    close(20);
    EXPECT_EQ(on_server([this] { return console_.cancelled; }), 1U);
    EXPECT_EQ(on_server([this] { return console_.events.following() + console_.lines.following(); }), 0U);
}

constexpr uid_t nobody = 65534;

// What `nobody` is answered; the socket's mode lets everybody connect.
int status_for_nobody(const std::string& path, bool command = false) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgid(nobody) != 0 || ::setuid(nobody) != 0) ::_exit(1);
        const auto response = command ? Client::post(path, "/v1/reload", "{}") : Client::get(path, "/v1/status");
        const auto problem = model::decode<model::ProblemView>(response.body);
        const bool said = response.status == 200 || (problem && problem->status == response.status);
        ::_exit(said ? response.status - 200 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) + 200 : 0;
}

TEST_F(Limits, a_stranger_is_refused) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
    start();
    EXPECT_EQ(status_for_nobody(path()), 403);
    EXPECT_EQ(Client::get(path(), "/v1/status").status, 200);
}

TEST_F(Limits, who_may_read_may_not_command) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
    admin::Settings settings;
    settings.may_read = [](uid_t uid) { return uid == nobody; };
    start(settings);
    EXPECT_EQ(status_for_nobody(path()), 200);
    EXPECT_EQ(status_for_nobody(path(), true), 403);
    EXPECT_TRUE(on_server([this] { return console_.commands.empty(); }));
}

}  // namespace
}  // namespace baton::test
