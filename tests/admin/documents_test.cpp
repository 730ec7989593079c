// The documents of the API, and what it says to a request it cannot answer.
#include <array>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "client.h"
#include "model/codec.h"
#include "running.h"

namespace baton::test {
namespace {

class Documents : public Running {
  protected:
    void SetUp() override { start(); }

    void expect_problem(const Response& response, int status, const std::string& words) {
        EXPECT_EQ(response.status, status) << response.body;
        EXPECT_EQ(response.headers.at("content-type"), "application/problem+json");
        const auto problem = model::decode<model::ProblemView>(response.body);
        ASSERT_TRUE(problem) << response.body;
        EXPECT_EQ(problem->status, status);
        EXPECT_FALSE(problem->title.empty());
        EXPECT_NE(problem->detail.find(words), std::string::npos) << problem->detail;
    }
};

TEST_F(Documents, health_is_ok) {
    const auto response = Client::get(path(), "/healthz");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"({"status":"ok"})");
}

TEST_F(Documents, ill_health_names_the_reasons) {
    on_server([this] { console_.ill = {"no listener is open", "no instance of web is ready"}; });
    const auto response = Client::get(path(), "/healthz");
    expect_problem(response, 503, "no listener is open");
    EXPECT_EQ(model::decode<model::ProblemView>(response.body)->errors.size(), 2U);
}

TEST_F(Documents, health_of_an_owner_is_asked_for_apart) {
    on_server([this] { console_.no_owner = {"it does not own the instances"}; });
    EXPECT_EQ(Client::get(path(), "/healthz").status, 200);
    EXPECT_EQ(Client::get(path(), "/healthz?owner=false").status, 200);
    expect_problem(Client::get(path(), "/healthz?owner=true"), 503, "does not own the instances");
    expect_problem(Client::get(path(), "/healthz?owner=1"), 400, "'owner' must be true or false");
}

TEST_F(Documents, status_is_the_view) {
    const auto response = Client::get(path(), "/v1/status");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.at("content-type"), "application/json");
    const auto view = model::decode<model::StatusView>(response.body);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->node.name, "alpha");
    EXPECT_EQ(view->services.size(), 2U);
    EXPECT_EQ(view->instances.at(2).last_exit, "killed by signal 9");
    EXPECT_EQ(view->workers.at(0).name, "4.0");
}

TEST_F(Documents, each_list_has_its_views) {
    EXPECT_EQ(
        model::decode<std::vector<model::ServiceView>>(Client::get(path(), "/v1/services").body)->size(), 2U);
    EXPECT_EQ(
        model::decode<std::vector<model::InstanceView>>(Client::get(path(), "/v1/instances").body)->size(),
        3U);
    EXPECT_EQ(
        model::decode<std::vector<model::ListenerView>>(Client::get(path(), "/v1/listeners").body)->size(),
        1U);
    EXPECT_EQ(model::decode<std::vector<model::NodeView>>(Client::get(path(), "/v1/nodes").body)->size(), 1U);
    EXPECT_EQ(
        model::decode<std::vector<model::RevisionView>>(Client::get(path(), "/v1/revisions").body)->size(),
        2U);
    const auto workers = model::decode<std::vector<model::WorkerView>>(Client::get(path(), "/v1/workers").body);
    ASSERT_TRUE(workers);
    ASSERT_EQ(workers->size(), 2U);
    EXPECT_EQ(workers->at(0).accepted, 1'000U);
    EXPECT_EQ(workers->at(1).state, "starting");
    const auto generations = Client::get(path(), "/v1/generations").body;
    EXPECT_EQ(model::decode<std::vector<model::GenerationView>>(generations)->at(0).generation, 4U);
}

TEST_F(Documents, one_service_and_one_instance) {
    EXPECT_EQ(model::decode<model::ServiceView>(Client::get(path(), "/v1/services/web").body)->state,
              "degraded");
    EXPECT_EQ(model::decode<model::InstanceView>(Client::get(path(), "/v1/instances/web/2").body)->id, 9U);
    EXPECT_EQ(Client::get(path(), "/v1/services/w%65b").status, 200);
    expect_problem(Client::get(path(), "/v1/services/nothing"), 404, "nothing");
    expect_problem(Client::get(path(), "/v1/instances/web/9"), 404, "web/9");
}

TEST_F(Documents, what_does_not_exist_is_not_found) {
    for (const char* target :
         {"/", "/v1", "/v2/status", "/metrics", "/v1/plugins/hash", "/v1/endpoints/web",
          "/v1/services/web/rollout", "/v1/services/web/start/now", "/v1/instances/web"}) {
        expect_problem(Client::get(path(), target), 404, target);
    }
}

TEST_F(Documents, a_wrong_method_names_the_right_ones) {
    auto response = Client::post(path(), "/v1/status", "");
    expect_problem(response, 405, "POST");
    EXPECT_EQ(response.headers.at("allow"), "GET, HEAD");
    response = Client::post(path(), "/v1/workers", "");
    expect_problem(response, 405, "POST");
    EXPECT_EQ(response.headers.at("allow"), "GET, HEAD");
    response = Client::get(path(), "/v1/services/web/scale");
    expect_problem(response, 405, "GET");
    EXPECT_EQ(response.headers.at("allow"), "POST");
}

TEST_F(Documents, bad_targets_are_refused) {
    expect_problem(Client::get(path(), "/v1//status"), 400, "empty");
    expect_problem(Client::get(path(), "/v1/%zz"), 400, "escape");
    expect_problem(Client::get(path(), "/v1/%00"), 400, "escape");
    expect_problem(Client::get(path(), "/v1/status?wide=1"), 400, "wide");
    expect_problem(Client::get(path(), "/v1/events?after=1&after=2"), 400, "twice");
    expect_problem(Client::get(path(), "/v1/events?after=x"), 400, "number");
    expect_problem(Client::get(path(), "/v1/events?follow=maybe"), 400, "follow");
    expect_problem(Client::get(path(), "/v1/logs?lines=-1"), 400, "lines");
    expect_problem(Client::get(path(), "/v1/logs/web?lines=70000"), 400, "65536");
}

TEST_F(Documents, head_is_get_without_its_body) {
    Client client(path());
    client.send("HEAD /v1/status HTTP/1.1\r\nHost: b\r\n\r\nGET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    const auto head = client.response(true);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->status, 200);
    EXPECT_EQ(std::stoul(head->headers.at("content-length")), Client::get(path(), "/v1/status").body.size());
    EXPECT_EQ(client.response()->body, R"({"status":"ok"})");
}

TEST_F(Documents, a_connection_serves_many_requests) {
    Client client(path());
    for (int count = 0; count < 50; ++count) {
        ASSERT_TRUE(client.send("GET /v1/services/web HTTP/1.1\r\nHost: b\r\n\r\n"));
        const auto response = client.response();
        ASSERT_TRUE(response);
        ASSERT_EQ(response->status, 200);
    }
    client.send("GET /healthz HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(client.response()->status, 200);
    EXPECT_TRUE(client.ended());
}

TEST_F(Documents, an_old_client_gets_its_answer_and_the_end) {
    Client client(path());
    client.send("GET /healthz HTTP/1.0\r\n\r\n");
    const auto response = client.response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, R"({"status":"ok"})");
    EXPECT_TRUE(client.ended());
}

TEST_F(Documents, what_is_no_http_is_told_so) {
    Client client(path());
    client.send("\x16\x03\x01 nonsense\r\n\r\n");
    const auto response = client.response();
    ASSERT_TRUE(response);
    expect_problem(*response, 400, "HTTP");
    EXPECT_TRUE(client.ended());
}

TEST_F(Documents, a_second_socket_is_served_until_it_is_no_longer) {
    const std::string second = path() + "2";
    on_server([&] {
        EXPECT_TRUE(server_->listen("second", listen_at(second)));
        const auto again = server_->listen("second", listen_at(second + "x"));
        EXPECT_FALSE(again);
        EXPECT_FALSE(server_->listen("none", sys::UniqueFd()));
    });
    EXPECT_EQ(Client::get(second, "/healthz").status, 200);
    Client kept(second);
    on_server([this] {
        EXPECT_TRUE(server_->listening("second"));
        server_->stop_listening("second");
        server_->stop_listening("never heard of");
        EXPECT_FALSE(server_->listening("second"));
    });
    EXPECT_FALSE(Client(second).connected());
    EXPECT_EQ(Client::get(path(), "/healthz").status, 200);
}

}  // namespace
}  // namespace baton::test
