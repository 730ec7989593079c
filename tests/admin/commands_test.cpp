// Commands: what reaches the console, and how its verdict reaches the client.
#include <sstream>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "client.h"
#include "model/codec.h"
#include "running.h"

namespace baton::test {
namespace {

const std::string steps_please = "Accept: application/x-ndjson\r\n";

std::vector<model::ProgressView> steps_of(const std::string& body) {
    std::vector<model::ProgressView> steps;
    std::istringstream lines(body);
    for (std::string line; std::getline(lines, line);)
        steps.push_back(*model::decode<model::ProgressView>(line));
    return steps;
}

class Commands : public Running {
  protected:
    void SetUp() override { start(); }

    // The command that a successful POST made of its path and body.
    template <class Command>
    Command command_of(const std::string& target, const std::string& body) {
        const auto response = Client::post(path(), target, body);
        EXPECT_EQ(response.status, 200) << target << ": " << response.body;
        const auto said = model::decode<model::ProgressView>(response.body);
        EXPECT_TRUE(said && said->done && said->succeeded) << response.body;
        return on_server([this] { return std::get<Command>(console_.commands.back()); });
    }

    void expect_refused(const std::string& target, const std::string& body, int status,
                        const std::string& words) {
        const auto before = on_server([this] { return console_.commands.size(); });
        for (const auto& headers : {std::string(), steps_please}) {
            const auto response = Client::post(path(), target, body, headers);
            EXPECT_EQ(response.status, status) << target << " " << body;
            EXPECT_EQ(response.headers.at("content-type"), "application/problem+json");
            EXPECT_NE(response.body.find(words), std::string::npos) << response.body;
        }
        EXPECT_EQ(on_server([this] { return console_.commands.size(); }), before);
    }
};

TEST_F(Commands, power_reaches_the_service_or_the_instance) {
    auto power = command_of<engine::PowerCommand>("/v1/services/web/start", "");
    EXPECT_EQ(power.power, engine::Power::start);
    EXPECT_EQ(power.service, "web");
    EXPECT_FALSE(power.ordinal);
    EXPECT_EQ(command_of<engine::PowerCommand>("/v1/services/web/stop", "{}").power, engine::Power::stop);
    EXPECT_EQ(command_of<engine::PowerCommand>("/v1/services/web/restart", "").power, engine::Power::restart);
    power = command_of<engine::PowerCommand>("/v1/instances/web/2/restart", "");
    EXPECT_EQ(power.power, engine::Power::restart);
    EXPECT_EQ(power.ordinal, 2U);
    EXPECT_EQ(command_of<engine::PowerCommand>("/v1/instances/web/2/start", "").power, engine::Power::start);
    EXPECT_EQ(command_of<engine::PowerCommand>("/v1/instances/web/2/stop", "").power, engine::Power::stop);
}

TEST_F(Commands, the_others_carry_their_values) {
    EXPECT_EQ(command_of<engine::ScaleCommand>("/v1/services/web/scale", R"({"replicas":7})").replicas, 7U);
    const auto weight = command_of<engine::WeightCommand>("/v1/instances/web/2/weight", R"({"weight":0})");
    EXPECT_EQ(weight.weight, 0U);
    EXPECT_EQ(weight.ordinal, 2U);
    for (const auto& [verb, state] : {std::pair{"drain", model::AdminState::drain}, {"maint", model::AdminState::maint}, {"ready", model::AdminState::ready}}) {
        const auto admin = command_of<engine::AdminCommand>(std::string("/v1/instances/web/2/") + verb, "");
        EXPECT_EQ(admin.admin, state);
        EXPECT_EQ(admin.service, "web");
        EXPECT_EQ(admin.ordinal, 2U);
    }
    EXPECT_TRUE(command_of<engine::ReloadCommand>("/v1/reload", "").wait);
    EXPECT_FALSE(command_of<engine::ReloadCommand>("/v1/reload", R"({"wait":false})").wait);
    const auto upgrade = command_of<engine::UpgradeCommand>(
        "/v1/upgrade", R"({"binary":"/opt/batond","soak":"250ms","wait":false})");
    EXPECT_EQ(upgrade.binary, "/opt/batond");
    EXPECT_EQ(upgrade.soak, 250);
    EXPECT_FALSE(upgrade.wait);
    EXPECT_FALSE(command_of<engine::UpgradeCommand>("/v1/upgrade", "").soak);
    command_of<engine::ReopenCommand>("/v1/reopen", "");
    EXPECT_TRUE(command_of<engine::ShutdownCommand>("/v1/shutdown", "").graceful);
    EXPECT_FALSE(command_of<engine::ShutdownCommand>("/v1/shutdown", R"({"graceful":false})").graceful);
}

TEST_F(Commands, wrong_bodies_never_reach_the_console) {
    expect_refused("/v1/services/web/scale", "", 400, "'replicas' must be a whole number from 1 to 1024");
    expect_refused("/v1/services/web/scale", R"({"replicas":0})", 400, "from 1 to");
    expect_refused("/v1/services/web/scale", R"({"replicas":-3})", 400, "from 1 to");
    expect_refused("/v1/services/web/scale", R"({"replicas":1.5})", 400, "from 1 to");
    expect_refused("/v1/services/web/scale", R"({"replicas":"2"})", 400, "from 1 to");
    expect_refused("/v1/services/web/scale", R"({"replicas":2,"now":true})", 400, "'now' is unknown here");
    expect_refused("/v1/instances/web/1/weight", R"({"weight":1001})", 400, "from 0 to 1000");
    expect_refused("/v1/instances/web/x/weight", R"({"weight":1})", 404, "web/x");
    expect_refused("/v1/instances/web/0/stop", "", 404, "web/0");
    expect_refused("/v1/instances/web/x/drain", "", 404, "web/x");
    expect_refused("/v1/instances/web/1/maint", R"({"for":"1h"})", 400, "'for' is unknown here");
    expect_refused("/v1/reload", "{", 400, "not JSON");
    expect_refused("/v1/reload", "[]", 400, "not a JSON object");
    expect_refused("/v1/reload", R"({"wait":"yes"})", 400, "true or false");
    expect_refused("/v1/upgrade", R"({"binary":"./batond"})", 400, "absolute");
    expect_refused("/v1/upgrade", R"({"binary":3})", 400, "string");
    expect_refused("/v1/upgrade", R"({"soak":"10"})", 400, "duration");
    expect_refused("/v1/services/web/start", R"({"force":true})", 400, "unknown");
    expect_refused("/v1/shutdown?fast=true", "", 400, "fast");
}

TEST_F(Commands, every_mistake_of_a_body_is_named) {
    const auto response = Client::post(path(), "/v1/upgrade", R"({"binary":"x","soak":"y","wait":1,"z":0})");
    EXPECT_EQ(model::decode<model::ProblemView>(response.body)->errors.size(), 4U) << response.body;
}

TEST_F(Commands, a_failure_is_a_problem_with_its_status) {
    on_server([this] {
        console_.script.failure =
            engine::CommandFailure{409, "an upgrade is on", {"generation 5 is on trial"}};
    });
    const auto response = Client::post(path(), "/v1/upgrade", "");
    EXPECT_EQ(response.status, 409);
    const auto problem = model::decode<model::ProblemView>(response.body);
    EXPECT_EQ(problem->detail, "an upgrade is on");
    EXPECT_EQ(problem->errors, std::vector<std::string>{"generation 5 is on trial"});
}

TEST_F(Commands, steps_are_told_as_they_come) {
    on_server([this] {
        console_.script.steps = {{"trial", "generation 5 started", 20},
                                 {"soak", "10s to go", 60, true, true}};
        console_.script.hold = true;
    });
    Client client(path());
    client.send("POST /v1/upgrade HTTP/1.1\r\nHost: b\r\n" + steps_please + "\r\n");
    const auto header = client.header();
    ASSERT_TRUE(header);
    EXPECT_EQ(header->status, 200);
    EXPECT_EQ(header->headers.at("content-type"), "application/x-ndjson");
    const auto first = model::decode<model::ProgressView>(client.chunk().value());
    EXPECT_EQ(first->phase, "trial");
    EXPECT_EQ(first->percent, 20U);
    const auto second = model::decode<model::ProgressView>(client.chunk().value());
    EXPECT_FALSE(second->done) << "the console's word is not the verdict";
    on_server([this] { console_.release(); });
    const auto last = model::decode<model::ProgressView>(client.chunk().value());
    EXPECT_TRUE(last->done);
    EXPECT_TRUE(last->succeeded);
    EXPECT_EQ(last->percent, 100U);
    EXPECT_FALSE(client.chunk());
    // The connection is good for more.
    client.send("GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    EXPECT_EQ(client.response()->status, 200);
}

TEST_F(Commands, the_last_step_of_a_failure_says_why) {
    on_server([this] {
        console_.script.steps = {{"rollout", "web/1 starts", 50}};
        console_.script.failure =
            engine::CommandFailure{409, "web/1 did not become ready", {"bind: in use", "exit 1"}};
    });
    const auto response = Client::post(path(), "/v1/reload", "", steps_please);
    EXPECT_EQ(response.status, 200);
    const auto steps = steps_of(response.body);
    ASSERT_EQ(steps.size(), 2U);
    EXPECT_EQ(steps[1].phase, "rollout");
    EXPECT_TRUE(steps[1].done);
    EXPECT_FALSE(steps[1].succeeded);
    EXPECT_EQ(steps[1].text, "web/1 did not become ready");
    EXPECT_EQ(steps[1].details.size(), 2U);
}

TEST_F(Commands, what_was_refused_before_its_first_step_has_a_status) {
    on_server([this] { console_.script.failure = engine::CommandFailure{404, "no such service: mail", {}}; });
    const auto response = Client::post(path(), "/v1/services/mail/stop", "", steps_please);
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(model::decode<model::ProblemView>(response.body)->detail, "no such service: mail");
    on_server([this] { console_.script.steps = {{"rollout", "web/1 starts", 50}}; });
    const auto steps = steps_of(Client::post(path(), "/v1/services/mail/stop", "", steps_please).body);
    ASSERT_EQ(steps.size(), 2U);
    EXPECT_EQ(steps[1].status, 404);
}

TEST_F(Commands, one_goes_on_when_its_socket_is_given_away) {
    on_server([this] { console_.script.hold = true; });
    Client idle(path());
    idle.send("GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    ASSERT_TRUE(idle.response());
    Client follower(path());
    follower.send("GET /v1/events HTTP/1.1\r\nHost: b\r\n\r\n");
    ASSERT_TRUE(follower.header());
    Client silent(path());
    Client client(path());
    client.send("POST /v1/upgrade HTTP/1.1\r\nHost: b\r\n\r\n");
    ASSERT_TRUE(becomes([this] { return console_.commands.size() == 1; }));
    on_server([this] { server_->stop_listening("admin"); });
    EXPECT_TRUE(idle.ended());
    EXPECT_FALSE(follower.chunk());
    silent.send("GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    EXPECT_TRUE(silent.response()) << "who has connected is heard";
    EXPECT_TRUE(silent.ended());
    on_server([this] { console_.release(); });
    EXPECT_EQ(client.response()->status, 200);
    EXPECT_TRUE(client.ended());
}

TEST_F(Commands, a_client_that_goes_does_not_take_its_command_along) {
    on_server([this] {
        console_.script.steps = {{"rollout", "web/1 starts", 50}};
        console_.script.hold = true;
    });
    for (const auto& headers : {std::string(), steps_please}) {
        Client client(path());
        client.send("POST /v1/reload HTTP/1.1\r\nHost: b\r\n" + headers + "\r\n");
        if (!headers.empty()) {
            ASSERT_TRUE(client.header());
            ASSERT_TRUE(client.chunk());
        } else {
            ASSERT_TRUE(becomes([this] { return console_.commands.size() == 1; }));
        }
    }
    ASSERT_TRUE(becomes([this] { return console_.commands.size() == 2; }));
    EXPECT_EQ(Client::get(path(), "/healthz").status, 200);
    EXPECT_EQ(on_server([this] { return console_.finished + console_.cancelled; }), 0U);
    on_server([this] { console_.release(); });
    EXPECT_TRUE(becomes([this] { return console_.finished == 2; }));
}

TEST_F(Commands, a_flood_of_steps_keeps_the_last_ones_and_the_verdict) {
    on_server([this] {
        for (std::uint32_t count = 0; count < 5000; ++count) {
            console_.script.steps.push_back({"rollout", fmt::format("step {}", count), 1});
        }
    });
    const auto steps = steps_of(Client::post(path(), "/v1/reload", "", steps_please).body);
    ASSERT_EQ(steps.size(), limits::admin_progress_backlog + 1);
    EXPECT_EQ(steps[steps.size() - 2].text, "step 4999");
    EXPECT_TRUE(steps.back().succeeded);
}

TEST_F(Commands, the_next_request_waits_its_turn) {
    on_server([this] { console_.script.hold = true; });
    Client client(path());
    client.send("POST /v1/reload HTTP/1.1\r\nHost: b\r\n\r\nGET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    ASSERT_TRUE(becomes([this] { return console_.commands.size() == 1; }));
    on_server([this] { console_.release(); });
    EXPECT_NE(client.response()->body.find("succeeded"), std::string::npos);
    EXPECT_EQ(client.response()->body, R"({"status":"ok"})");
}

TEST_F(Commands, close_waits_for_a_command_and_tells_its_verdict) {
    on_server([this] {
        console_.script.steps = {{"stopping", "2 instances to end", 50}};
        console_.script.hold = true;
    });
    Client idle(path());
    idle.send("GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    ASSERT_TRUE(idle.response());
    Client client(path());
    client.send("POST /v1/shutdown HTTP/1.1\r\nHost: b\r\n" + steps_please + "\r\n");
    ASSERT_TRUE(client.header());
    ASSERT_TRUE(client.chunk());
    std::thread closing([this] { close(10'000); });
    EXPECT_TRUE(idle.ended());
    EXPECT_FALSE(Client(path()).connected());
    on_server([this] { console_.release(); });
    const auto last = client.chunk();
    ASSERT_TRUE(last);
    EXPECT_TRUE(model::decode<model::ProgressView>(*last)->succeeded);
    EXPECT_FALSE(client.chunk());
    EXPECT_TRUE(client.ended());
    closing.join();
    EXPECT_EQ(on_server([this] { return console_.finished; }), 1U);
}

TEST_F(Commands, close_cancels_what_outlives_its_grace) {
    on_server([this] { console_.script.hold = true; });
    Client client(path());
    client.send("POST /v1/reload HTTP/1.1\r\nHost: b\r\n\r\n");
    ASSERT_TRUE(becomes([this] { return console_.commands.size() == 1; }));
    close(50);
    EXPECT_EQ(on_server([this] { return console_.cancelled; }), 1U);
    const auto response = client.response();
    ASSERT_TRUE(response) << "the client is told";
    EXPECT_EQ(response->status, 503);
    EXPECT_TRUE(client.ended());
}

}  // namespace
}  // namespace baton::test
