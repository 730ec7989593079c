// The admin API of a supervisor that is not there: the real server before a FakeConsole, for the tests
// of the command line.
//
//   baton_admin_fake SOCKET SCENARIO
//
//   plain       two services; commands for "broken" fail
//   holds       every command shows its steps and does not end, until the test kills the program
//   committed   what its successor is like after an upgrade that was good
//   returned    and after one that was taken back
//   handed      as committed, but the upgrade is still on for a moment
//   restarted   as committed, but another keeper, and events that count from 1 again
//   standby     a master that owns nothing: every command is refused with 503
//   ill         a strategy is quarantined, the keeper silent, and one service has many listeners
//   frozen      a worker of the generation before does not end
//   heir        another generation takes over from a restart of "web", which it goes on with, and of "db", which it has not
//               heard of; "cache" fails with it
//   lingers     a shutdown is done, and the program ends a moment later
// It says "ready" when it listens, and ends at TERM.
#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include <fmt/core.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>

#include "admin/server.h"
#include "fake_console.h"
#include "running.h"

namespace baton::test {
namespace {

namespace asio = boost::asio;

void arrange_past(FakeConsole& console) {
    furnish(console);
    console.publish_event("instance.ready", "web/1", "ready after 120ms");
    console.publish_event("upgrade.returned", "generation 4", "of an upgrade long ago");
    console.publish_event("instance.exited", "web/2", "killed by signal 9");
    console.publish_line("web/1", "GET / 200");
    console.publish_line("web/2", "cannot bind: \033[31maddress in use");
    console.publish_line("db/1", "checkpoint");
    console.script.steps = {{"first", "a step", 30}, {"second", "another step", 70}};
    console.scripts["broken"].steps = {{"start", "broken/1 starts", 50}};
    console.scripts["broken"].failure =
        engine::CommandFailure{409,
                               "broken/1 ended before it was ready: exited 1",
                               {"broken/1: cannot open database", "broken/1: giving up"}};
    console.scripts["missing"].failure = engine::CommandFailure{404, "there is no service 'missing'", {}};
    console.scripts["held"].steps = {{"start", "held/1 starts", 50}};
    console.scripts["held"].hold = true;
}

void settle_at(FakeConsole& console, std::uint32_t generation) {
    console.shown.generations = {{generation, 101, "owner", "/usr/sbin/batond", "0.2.0", "idle", 1000}};
}

void upgrade_is_on(FakeConsole& console) {
    console.shown.generations = {{5, 105, "owner", "/usr/sbin/batond", "0.2.0", "handed", 1000},
                                 {4, 101, "standby", "/usr/sbin/batond", "0.1.0", "handed", 1000}};
}

void arrange(FakeConsole& console, asio::steady_timer& later, const std::string& scenario) {
    arrange_past(console);
    const auto commit = [&console] {
        settle_at(console, 5);
        console.publish_event("upgrade.committed", "generation 5", "the generation before it has left");
    };
    if (scenario == "ill") {
        console.shown.services = {{"web", "running", "2", 3, 2, 2, "proxy", "workers", "", {"a", "b", "c", "d", "e", "f"}}};
        console.shown.plugins = {{"least_time", "baton.balancer/1", "", "/lib/least_time.so", "quarantined", "crashed in pick", ""}};
        console.shown.node.keeper = "silent for 12s";
    }
    if (scenario == "taken out") {
        console.shown.services = {{"web", "running", "2", 3, 2, 2, "proxy", "workers", "", {"a"}}, {"db", "running", "1", 1, 1, 1, "proxy", "workers", "", {"b"}}};
        console.shown.instances = {{"web/1", "web", "ready", "2", 3, 8, 202, 0, 61'000, 1, "", "", "drain"},
                                   {"web/2", "web", "ready", "2", 3, 9, 203, 0, 61'000, 0, "", "", "ready"},
                                   {"db/1", "db", "ready", "1", 1, 7, 201, 0, 61'000, 1, "", "", "ready"},
                                   {"db/2", "db", "ready", "1", 1, 7, 204, 0, 61'000, 1, "", "", "maint"}};
    }
    if (scenario == "holds") console.script.hold = true;
    if (scenario == "committed") commit();
    if (scenario == "returned") {
        settle_at(console, 4);
        console.publish_event("upgrade.returned", "generation 4", "the new binary exited 3 during the soak");
    }
    if (scenario == "handed") {
        upgrade_is_on(console);
        later.expires_after(std::chrono::milliseconds(500));
        later.async_wait([commit](const boost::system::error_code& ec) {
            if (!ec) commit();
        });
    }
    if (scenario == "restarted") {
        console.shown.node.keeper_pid = 200;
        console.events.kept.clear();
        console.next_event = 1;
        console.present_time = true;
        commit();
    }
    if (scenario == "standby") {
        console.script.steps.clear();
        console.script.failure = engine::CommandFailure{503, "this generation owns nothing; ask again", {}};
    }
    if (scenario == "frozen") console.shown.workers.push_back({"3.1", 3, 299, "leaving", 60'000, 1, 9, 0, 0, 8, 0, 0});
    if (scenario == "heir") {
        console.shown.instances.push_back({"cache/1", "cache", "ready", "1", 1, 10, 203, 0, 1'000, 1, "", "", "ready"});
        for (const char* name : {"web", "db", "cache"}) {
            console.scripts[name].steps = console.script.steps;
            console.scripts[name].failure = engine::CommandFailure{503, "another generation took over; ask it", {}};
        }
        console.scripts["web"].before_end = [&console, &later] {
            for (auto& one : console.shown.instances) one.state = one.service == "web" ? "starting" : one.state;
            later.expires_after(std::chrono::milliseconds(500));
            later.async_wait([&console](const boost::system::error_code& ec) {
                for (auto& one : console.shown.instances) {
                    if (ec || one.service != "web") continue;
                    one.state = "ready";
                    one.id += 100;
                }
            });
        };
        console.scripts["cache"].before_end = [&console] {
            auto& one = console.shown.instances.back();
            one.state = "failed";
            one.id = 110;
            one.last_exit = "exited 3";
        };
    }
    if (scenario == "lingers") {
        console.script.before_end = [&later] {
            later.expires_after(std::chrono::milliseconds(500));
            later.async_wait([](const boost::system::error_code& ec) {
                if (!ec) ::raise(SIGTERM);
            });
        };
    }
}

asio::awaitable<void> end(admin::Server* server, asio::io_context* context) {
    co_await server->close(1000);
    context->stop();
}

int run(const std::string& path, const std::string& scenario) {
    asio::io_context context;
    FakeConsole console(context);
    asio::steady_timer later(context);
    Log log("fake");
    arrange(console, later, scenario);
    admin::Server server(context, console, log, {});
    std::filesystem::remove(path);
    auto socket = listen_at(path);
    if (!socket.valid() || !server.listen("admin", std::move(socket))) return 1;
    asio::signal_set signals(context, SIGTERM);
    signals.async_wait([&](const boost::system::error_code&, int) {
        asio::co_spawn(context, end(&server, &context), [](const std::exception_ptr&) {});
    });
    fmt::print("ready\n");
    std::fflush(stdout);
    context.run();
    return 0;
}

}  // namespace
}  // namespace baton::test

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    return baton::test::run(argv[1], argv[2]);
}
