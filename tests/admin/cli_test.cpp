// The command line, end to end, against a supervisor that is not there (fake_server.cpp).
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <sstream>

#include <gtest/gtest.h>

#include "model/codec.h"
#include "model/views.h"
#include "process.h"
#include "running.h"

namespace baton::test {
namespace {

class CommandLine : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = "/tmp/baton-cli-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        ::chmod(folder_.c_str(), 0755);
    }
    void TearDown() override {
        server_.reset();
        std::filesystem::remove_all(folder_);
    }

    std::string socket() const { return folder_ + "/admin.sock"; }
    void serve(const std::string& scenario) {
        server_.reset();
        server_ = std::make_unique<Process>(std::vector<std::string>{BATON_ADMIN_FAKE, socket(), scenario});
        ASSERT_TRUE(server_->says("ready"));
    }
    // As a master dies: at once, with its connections.
    void kill_server() {
        server_->signal(SIGKILL);
        server_->finish();
    }
    // A command whose master dies after its second step.
    std::unique_ptr<Process> start_and_kill_server(const std::vector<std::string>& arguments) {
        serve("holds");
        auto order = start(arguments);
        EXPECT_TRUE(order->says("another step"));
        kill_server();
        return order;
    }

    std::unique_ptr<Process> start(std::vector<std::string> arguments, bool terminal = false,
                                   std::map<std::string, std::string> environment = {}) const {
        arguments.insert(arguments.begin(), BATON_PROGRAM);
        environment.try_emplace("BATON_SOCKET", socket());
        return std::make_unique<Process>(arguments, environment, terminal);
    }
    Finished baton(std::vector<std::string> arguments, bool terminal = false,
                   std::map<std::string, std::string> environment = {}) const {
        return start(std::move(arguments), terminal, std::move(environment))->finish();
    }

    std::string folder_;
    std::unique_ptr<Process> server_;
};

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << "in: " << (text)
#define EXPECT_LACKS(text, part) EXPECT_EQ((text).find(part), std::string::npos) << "in: " << (text)

TEST_F(CommandLine, status_is_one_screen) {
    serve("plain");
    const auto shown = baton({"status"});
    EXPECT_EQ(shown.status, 0) << shown.err;
    EXPECT_EQ(shown.out,
              "alpha  running  up 1h 2m  generation 4  batond 0.1.0  keeper pid 100  master pid 101\n"
              "configuration /etc/baton/baton.toml\nsteering kernel\ncgroups v2\n"
              "1 of 2 services: web (degraded)\n"
              "\n"
              "SERVICE  READY  STATE     VERSION  REVISION  DELIVERY  STEERING  LISTENERS\n"
              "db       1/1    running   9        1         inherit   -         -\n"
              "web      1/2    degraded  2        3         inherit   kernel    web\n"
              "  rolling to revision 3: 1 of 2 ready\n"
              "\n"
              "INSTANCE  STATE    PID  SINCE  RESTARTS  VERSION  REVISION  LAST EXIT           STATUS\n"
              "db/1      ready    201  1h 0m  0         9        1         -                   -\n"
              "web/1     ready    202  1m 1s  0         2        3         -                   serving\n"
              "web/2     backoff  -    0s     5         2        3         killed by signal 9  -\n"
              "\n"
              "WORKER  STATE     PID  SINCE  OPEN  ACCEPTED  REFUSED  FAILED  ABORTED  DROPPED  TAKEN  GIVEN  TO INSTANCES  TO CLIENTS\n"
              "4.0     ready     301  1h 0m  7     1000      5        1       6        4        3      2      65536         1048576\n"
              "4.1     starting  302  0s     0     0         0        0       0        0        0      0      0             0\n");
}

TEST_F(CommandLine, status_does_not_praise_what_is_ill) {
    serve("ill");
    const auto shown = baton({"status"});
    EXPECT_EQ(shown.status, 0) << shown.err;
    EXPECT_HAS(shown.out,
               "\nthe service is as it should be; but the keeper is silent for 12s: nothing can be started, and no end is noticed; "
               "but strategy least_time is quarantined and round_robin in its place (baton plugin list)\n");
    EXPECT_HAS(shown.out, "a, b, c, d and 2 more\n");
    const auto document = model::decode<model::StatusView>(baton({"status", "-o", "json"}).out);
    ASSERT_TRUE(document);
    ASSERT_EQ(document->plugins.size(), 1U);
    EXPECT_EQ(document->plugins[0].state, "quarantined");
    EXPECT_EQ(document->node.keeper, "silent for 12s");
    EXPECT_EQ(document->services[0].listeners.size(), 6U);
}

TEST_F(CommandLine, status_tells_of_services_that_nobody_new_comes_to) {
    serve("taken out");
    const auto shown = baton({"status"});
    EXPECT_HAS(shown.out, "\nall 2 services are as they should be; but nobody new comes to web: all it has is in drain, in maint or of weight 0\n");
}

TEST_F(CommandLine, status_shows_an_upgrade_while_it_is_on) {
    serve("handed");
    const auto shown = baton({"status"});
    EXPECT_HAS(shown.out, "GENERATION  ROLE     PHASE   PID  VERSION  SINCE  BINARY");
    EXPECT_HAS(shown.out, "4           standby  handed  101  0.1.0    1s     /usr/sbin/batond");
}

TEST_F(CommandLine, json_is_the_document_of_the_api) {
    serve("plain");
    const auto status = baton({"status", "-o", "json"});
    const auto view = model::decode<model::StatusView>(status.out);
    ASSERT_TRUE(view) << status.out;
    EXPECT_EQ(view->services.size(), 2U);
    const auto service =
        model::decode<model::ServiceView>(baton({"-o", "json", "get", "service", "web"}).out);
    EXPECT_EQ(service->rollout, "rolling to revision 3: 1 of 2 ready");
    const auto instances = baton({"get", "instance", "web", "-o", "json"});
    EXPECT_EQ(model::decode<std::vector<model::InstanceView>>(instances.out)->size(), 2U);
}

TEST_F(CommandLine, get_lists_every_kind) {
    serve("plain");
    EXPECT_HAS(baton({"get", "services"}).out, "web      1/2    degraded");
    EXPECT_HAS(baton({"get", "instance"}).out, "web/2     backoff");
    EXPECT_HAS(baton({"get", "listener"}).out, "web       tcp:127.0.0.1:8080  http");
    EXPECT_HAS(baton({"get", "node", "alpha"}).out, "alpha  running  1h 2m");
    EXPECT_HAS(baton({"get", "revision"}).out, "web      3         2        current  /bin/web");
    EXPECT_HAS(baton({"get", "generation", "4"}).out, "4           owner  idle   101");
    EXPECT_HAS(baton({"get", "workers"}).out, "4.0     ready     301  1h 0m  7     1000");
    const auto worker = baton({"get", "worker", "4.1"});
    EXPECT_HAS(worker.out, "4.1     starting");
    EXPECT_LACKS(worker.out, "4.0");
    const auto workers = model::decode<std::vector<model::WorkerView>>(baton({"get", "worker", "-o", "json"}).out);
    ASSERT_TRUE(workers);
    EXPECT_EQ(workers->at(0).taken, 3U);
    const auto one = baton({"get", "instance", "web/1"});
    EXPECT_HAS(one.out, "web/1");
    EXPECT_LACKS(one.out, "web/2");
    const auto revisions = baton({"get", "revision", "web"});
    EXPECT_LACKS(revisions.out, "/bin/db");
}

TEST_F(CommandLine, what_is_not_there_fails) {
    serve("plain");
    for (const auto& [kind, name] : std::map<std::string, std::string>{{"service", "mail"},
                                                                       {"instance", "web/9"},
                                                                       {"listener", "mail"},
                                                                       {"worker", "4.7"},
                                                                       {"node", "beta"},
                                                                       {"revision", "mail"},
                                                                       {"generation", "77"}}) {
        const auto shown = baton({"get", kind, name});
        EXPECT_EQ(shown.status, 1) << kind;
        EXPECT_EQ(shown.out, "");
        EXPECT_HAS(shown.err, "there is no " + kind + " '" + name + "'");
    }
}

TEST_F(CommandLine, orders_show_their_steps_and_succeed) {
    serve("plain");
    for (const auto& order :
         std::vector<std::vector<std::string>>{{"start", "web"},
                                               {"stop", "web/2"},
                                               {"restart", "web"},
                                               {"scale", "web", "3"},
                                               {"weight", "web/1", "5"},
                                               {"drain", "web/1"},
                                               {"maint", "web/1"},
                                               {"ready", "web/1"},
                                               {"reload"},
                                               {"reload", "--no-wait"},
                                               {"upgrade", "--binary", "x", "--soak", "1s"},
                                               {"reopen"}}) {
        const auto done = baton(order);
        EXPECT_EQ(done.status, 0) << order[0] << ": " << done.err;
        EXPECT_TRUE(done.out.starts_with("first: a step\nsecond: another step\n")) << done.out;
        EXPECT_TRUE(done.out.ends_with(": done\n")) << done.out;
        EXPECT_EQ(done.err, "");
    }
}

TEST_F(CommandLine, orders_in_json_are_the_steps) {
    serve("plain");
    const auto done = baton({"-o", "json", "scale", "web", "3"});
    std::istringstream lines(done.out);
    std::vector<model::ProgressView> steps;
    for (std::string line; std::getline(lines, line);)
        steps.push_back(*model::decode<model::ProgressView>(line));
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_TRUE(steps[2].done && steps[2].succeeded);
}

TEST_F(CommandLine, a_failure_says_what_failed_and_the_last_lines) {
    serve("plain");
    const auto failed = baton({"restart", "broken"});
    EXPECT_EQ(failed.status, 1);
    EXPECT_EQ(failed.out, "start: broken/1 starts\n");
    EXPECT_EQ(failed.err,
              "baton: restart broken failed in phase start: broken/1 ended before it was ready: exited 1\n"
              "  broken/1: cannot open database\n"
              "  broken/1: giving up\n");
    const auto missing = baton({"scale", "missing", "2"});
    EXPECT_EQ(missing.status, 1);
    EXPECT_HAS(missing.err, "there is no service 'missing'");
}

TEST_F(CommandLine, logs_and_events_are_lines) {
    serve("plain");
    EXPECT_EQ(baton({"logs"}).out,
              "2026-01-31T12:00:01.000Z web/1 GET / 200\n"
              "2026-01-31T12:00:02.000Z web/2 cannot bind: \\x1b[31maddress in use\n"
              "2026-01-31T12:00:03.000Z db/1 checkpoint\n");
    EXPECT_EQ(baton({"logs", "web/1"}).out, "2026-01-31T12:00:01.000Z web/1 GET / 200\n");
    EXPECT_EQ(baton({"logs", "web", "-n", "1"}).out.substr(0, 30), "2026-01-31T12:00:02.000Z web/2");
    const auto line = model::decode<model::LogLineView>(baton({"logs", "db", "-o", "json"}).out);
    EXPECT_EQ(line->text, "checkpoint");
    EXPECT_EQ(baton({"logs", "mail"}).status, 1);
    const auto events = baton({"events"});
    EXPECT_EQ(events.status, 0);
    EXPECT_HAS(events.out,
               "2026-01-31T12:00:03.000Z  instance.exited       web/2         killed by signal 9\n");
}

TEST_F(CommandLine, a_terminal_gets_colour_and_a_bar) {
    serve("plain");
    EXPECT_HAS(baton({"status"}, true).out, "\033[32mrunning\033[0m");
    EXPECT_LACKS(baton({"status"}, true, {{"NO_COLOR", "1"}}).out, "\033[");
    EXPECT_LACKS(baton({"status"}, true, {{"TERM", "dumb"}}).out, "\033[");
    const auto done = baton({"scale", "web", "3"}, true, {{"NO_COLOR", "1"}});
    EXPECT_EQ(done.status, 0);
    EXPECT_HAS(done.out, "\r\033[K[#######.................]  30%  first: a step");
    EXPECT_HAS(done.out, "\r\033[Kdone first\r\n");
    EXPECT_HAS(done.out, "\r\033[Kscale web to 3: done\r\n");
}

TEST_F(CommandLine, nobody_there_says_what_to_do) {
    auto shown = baton({"status"});
    EXPECT_EQ(shown.status, 1);
    EXPECT_HAS(shown.err, "no such socket. Is the supervisor running?");
    EXPECT_HAS(shown.err, socket());
    { auto closed = listen_at(socket()); }
    shown = baton({"--socket", socket(), "reload"});
    EXPECT_EQ(shown.status, 1);
    EXPECT_HAS(shown.err, "nobody listens there");
    shown = baton({"--socket", std::string(200, 'x'), "status"});
    EXPECT_HAS(shown.err, "too long");
    shown = baton({"events", "-f"});
    EXPECT_EQ(shown.status, 1);
    EXPECT_HAS(shown.err, "nobody listens there");
}

TEST_F(CommandLine, no_permission_says_what_to_do) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
    if (::access("/usr/bin/setpriv", X_OK) != 0) GTEST_SKIP() << "there is no setpriv";
    std::filesystem::copy_file(BATON_PROGRAM, folder_ + "/baton");
    serve("plain");
    const auto run_as_nobody = [this] {
        return Process({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                        folder_ + "/baton", "--socket", socket(), "status"})
            .finish();
    };
    ::chmod(socket().c_str(), 0600);
    auto shown = run_as_nobody();
    EXPECT_EQ(shown.status, 1);
    EXPECT_HAS(shown.err, "sudo baton");
    ::chmod(socket().c_str(), 0666);
    shown = run_as_nobody();
    EXPECT_EQ(shown.status, 1);
    EXPECT_HAS(shown.err, "user 65534 may not use this socket");
}

TEST_F(CommandLine, wrong_usage_is_told_apart) {
    for (const auto& wrong : std::vector<std::vector<std::string>>{{},
                                                                   {"dance"},
                                                                   {"get"},
                                                                   {"get", "weather"},
                                                                   {"scale", "web"},
                                                                   {"scale", "web", "0"},
                                                                   {"scale", "web/1", "2"},
                                                                   {"scale", "web", "many"},
                                                                   {"weight", "web", "3"},
                                                                   {"drain", "web"},
                                                                   {"maint"},
                                                                   {"weight", "web/1", "1001"},
                                                                   {"start", "web/x"},
                                                                   {"start", "/1"},
                                                                   {"upgrade", "--soak", "10"},
                                                                   {"logs", "-n", "-1"},
                                                                   {"-o", "xml", "status"},
                                                                   {"status", "extra"}}) {
        const auto refused = baton(wrong);
        EXPECT_EQ(refused.status, 2) << (wrong.empty() ? "" : wrong[0]);
        EXPECT_EQ(refused.out, "");
        EXPECT_NE(refused.err, "");
    }
    EXPECT_EQ(baton({"--help"}).status, 0);
    EXPECT_HAS(baton({"upgrade", "--help"}).out, "--soak");
    EXPECT_EQ(baton({"--version"}).status, 0);
}

TEST_F(CommandLine, what_comes_later_says_so) {
    for (const auto& later : std::vector<std::vector<std::string>>{{"apply", "-f", "x.toml"},
                                                                   {"rollout", "start", "web", "--wait"},
                                                                   {"switchover", "web", "--to", "web/1"},
                                                                   {"explain", "web"},
                                                                   {"top"},
                                                                   {"--url", "http://x", "status"},
                                                                   {"--token-file", "x", "status"}}) {
        const auto refused = baton(later);
        EXPECT_EQ(refused.status, 2) << later[0];
        EXPECT_HAS(refused.err, "not available in this version");
    }
}

TEST_F(CommandLine, followers_end_cleanly_at_an_interrupt) {
    serve("plain");
    const auto events = start({"events", "-f"});
    ASSERT_TRUE(events->says("killed by signal 9"));
    events->signal(SIGINT);
    EXPECT_EQ(events->finish().status, 0);
    const auto logs = start({"logs", "-f"});
    ASSERT_TRUE(logs->says("checkpoint"));
    logs->signal(SIGTERM);
    EXPECT_EQ(logs->finish().status, 0);
}

TEST_F(CommandLine, an_interrupted_order_says_that_it_goes_on) {
    serve("plain");
    const auto order = start({"start", "held"});
    ASSERT_TRUE(order->says("held/1 starts"));
    order->signal(SIGINT);
    const auto finished = order->finish();
    EXPECT_EQ(finished.status, 130);
    EXPECT_HAS(finished.err, "the supervisor goes on with it");
}

TEST_F(CommandLine, followers_go_on_with_the_next_master) {
    serve("plain");
    const auto events = start({"events", "-f"});
    const auto logs = start({"logs", "-f"});
    ASSERT_TRUE(events->says("killed by signal 9"));
    ASSERT_TRUE(logs->says("checkpoint"));
    kill_server();
    serve("committed");  // has the same past, and one event more
    ASSERT_TRUE(events->says("upgrade.committed"));
    events->signal(SIGINT);
    const auto seen = events->finish();
    EXPECT_EQ(seen.out.find("instance.exited"), seen.out.rfind("instance.exited"))
        << "nothing is shown twice";
    logs->signal(SIGINT);
    const auto lines = logs->finish();
    EXPECT_EQ(lines.out.find("checkpoint"), lines.out.rfind("checkpoint")) << "nothing is shown twice";
}

TEST_F(CommandLine, an_upgrade_gets_its_verdict_from_the_next_master) {
    const auto upgrade = start_and_kill_server({"upgrade"});
    serve("committed");
    const auto finished = upgrade->finish();
    EXPECT_EQ(finished.status, 0) << finished.err;
    EXPECT_HAS(finished.out, "committed: generation 5: the generation before it has left\n");
}

TEST_F(CommandLine, an_upgrade_waits_while_it_is_on) {
    const auto upgrade = start_and_kill_server({"upgrade"});
    serve("handed");
    ASSERT_TRUE(upgrade->says("handed: 2 generations"));
    EXPECT_EQ(upgrade->finish().status, 0);
}

TEST_F(CommandLine, an_upgrade_that_was_taken_back_has_failed) {
    const auto upgrade = start_and_kill_server({"upgrade"});
    serve("returned");
    const auto finished = upgrade->finish();
    EXPECT_EQ(finished.status, 1);
    EXPECT_HAS(finished.err,
               "upgrade failed in phase returned: generation 4: the new binary exited 3 during the soak");
}

TEST_F(CommandLine, a_reload_is_asked_for_again) {
    const auto reload = start_and_kill_server({"reload"});
    serve("plain");
    EXPECT_EQ(reload->finish().status, 0);
}

TEST_F(CommandLine, a_restart_is_not_asked_for_again) {
    const auto restart = start_and_kill_server({"restart", "web"})->finish();
    EXPECT_EQ(restart.status, 1);
    EXPECT_HAS(restart.err,
               "the connection broke before the supervisor said whether 'restart web' succeeded");
}

TEST_F(CommandLine, an_upgrade_tells_of_workers_that_have_not_ended) {
    serve("frozen");
    const auto upgrade = baton({"upgrade"});
    EXPECT_EQ(upgrade.status, 0) << upgrade.err;
    EXPECT_HAS(upgrade.out, "; a worker of generations before has not ended yet (baton get worker)\n");
    serve("plain");
    EXPECT_LACKS(baton({"upgrade"}).out, "not ended");
}

TEST_F(CommandLine, a_restart_is_seen_through_by_another_generation) {
    serve("heir");
    const auto done = baton({"restart", "web"});
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_HAS(done.out, "another generation has seen it through");
    const auto lost = baton({"restart", "db"});
    EXPECT_EQ(lost.status, 1);
    EXPECT_HAS(lost.err,
               "baton: restart db failed: another generation took over before it was done, and 1 of 1 instances are those of before; ask again\n");
    const auto broken = baton({"restart", "cache/1"});
    EXPECT_EQ(broken.status, 1);
    EXPECT_HAS(broken.err, "baton: restart cache/1 failed: cache/1: exited 3\n");
}

TEST_F(CommandLine, an_upgrade_gets_its_verdict_from_a_master_without_history) {
    const auto upgrade = start_and_kill_server({"upgrade"});
    serve("restarted");
    const auto finished = upgrade->finish();
    EXPECT_EQ(finished.status, 0) << finished.err;
    EXPECT_HAS(finished.out, "committed: generation 5");
}

TEST_F(CommandLine, events_go_on_with_a_master_without_history) {
    serve("plain");
    const auto events = start({"events", "-f"});
    ASSERT_TRUE(events->says("killed by signal 9"));
    kill_server();
    serve("restarted");
    ASSERT_TRUE(events->says("upgrade.committed"));
    events->signal(SIGINT);
    EXPECT_EQ(events->finish().status, 0);
}

TEST_F(CommandLine, a_master_that_owns_nothing_is_asked_again) {
    for (const auto& order :
         std::vector<std::vector<std::string>>{{"scale", "web", "3"}, {"restart", "web"}}) {
        serve("standby");
        const auto started = start(order);
        ASSERT_TRUE(started->says("waiting: this generation owns nothing"));
        kill_server();
        serve("plain");
        const auto finished = started->finish();
        EXPECT_EQ(finished.status, 0) << finished.err;
        EXPECT_HAS(finished.out, "another step");
    }
}

TEST_F(CommandLine, shutdown_is_done_when_the_supervisor_is_gone) {
    serve("lingers");
    auto finished = baton({"shutdown"});
    EXPECT_EQ(finished.status, 0) << finished.err;
    EXPECT_HAS(finished.out, "stopping: 2 instances to end\nthe supervisor has ended\n");
    finished = start_and_kill_server({"shutdown", "--fast"})->finish();
    EXPECT_EQ(finished.status, 0) << finished.err;
    EXPECT_HAS(finished.out, "the supervisor has ended\n");
}

TEST_F(CommandLine, shutdown_is_done_when_another_supervisor_is_there) {
    serve("holds");
    const auto shutdown = start({"shutdown"});
    ASSERT_TRUE(shutdown->says("another step"));
    serve("restarted");
    EXPECT_EQ(shutdown->finish().status, 0);
}

}  // namespace
}  // namespace baton::test
