// baton-test-server: a small, fast server that an end-to-end test can make behave in any way, good or
// bad. It takes its sockets by LISTEN_FDS and knows nothing else of Baton.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "server.h"

namespace baton::test_server {
namespace {

void add_options(CLI::App& app, Options& o) {
    app.add_option("--protocol", o.protocol)->check(CLI::IsMember({"http", "tcp"}))->envname("TEST_PROTOCOL");
    app.add_option("--print-environment", o.print_environment)->envname("TEST_PRINT_ENVIRONMENT");
    app.add_option("--ready-after", o.ready_after, "milliseconds")->envname("TEST_READY_AFTER");
    app.add_flag("--never-ready", o.never_ready)->envname("TEST_NEVER_READY");
    app.add_flag("--handoff", o.handoff, "connections are given by Baton's workers")->envname("TEST_HANDOFF");
    app.add_flag("--notify", o.notify)->envname("TEST_NOTIFY");
    app.add_option("--status", o.status)->envname("TEST_STATUS");
    app.add_option("--extend-timeout", o.extend_timeout, "milliseconds")->envname("TEST_EXTEND_TIMEOUT");
    app.add_flag("--no-watchdog", o.no_watchdog)->envname("TEST_NO_WATCHDOG");
    app.add_option("--exit-after", o.exit_after, "milliseconds")->envname("TEST_EXIT_AFTER");
    app.add_option("--exit-after-requests", o.exit_after_requests)->envname("TEST_EXIT_AFTER_REQUESTS");
    app.add_option("--exit-code", o.exit_code)->envname("TEST_EXIT_CODE");
    app.add_flag("--crash", o.crash)->envname("TEST_CRASH");
    app.add_option("--crash-after", o.crash_after, "milliseconds")->envname("TEST_CRASH_AFTER");
    app.add_flag("--ignore-term", o.ignore_term)->envname("TEST_IGNORE_TERM");
    app.add_option("--hang-after", o.hang_after, "milliseconds")->envname("TEST_HANG_AFTER");
    app.add_option("--http-status", o.http_status)->envname("TEST_HTTP_STATUS");
    app.add_option("--chatter", o.chatter, "lines")->envname("TEST_CHATTER");
    app.add_option("--drain-grace", o.drain_grace, "milliseconds")->envname("TEST_DRAIN_GRACE");
    app.add_option("--drain-limit", o.drain_limit, "milliseconds")->envname("TEST_DRAIN_LIMIT");
}

void talk(const Options& options) {
    const Identity self = identity_of_this_process();
    for (std::uint64_t line = 1; line <= options.chatter; ++line)
        std::puts(fmt::format("{} pid {} says line {}", self.instance, self.pid, line).c_str());
    std::fflush(stdout);
}

// Waits on one timer for readiness, on another to leave: both in the order the options ask for.
class Schedule {
  public:
    Schedule(boost::asio::io_context& io, Server& server, const Options& options)
        : ready_(io, std::chrono::milliseconds(options.ready_after)),
          extend_(io),
          leave_(io),
          server_(server),
          options_(options) {
        ready_.async_wait([this](boost::system::error_code) { be_ready(); });
        if (options_.exit_after != never) {
            leave_.expires_after(std::chrono::milliseconds(options_.exit_after));
            leave_.async_wait([this](boost::system::error_code) { ::_exit(options_.exit_code); });
        }
        if (options_.extend_timeout > 0) ask_for_time();
    }

  private:
    void be_ready() {
        is_ready_ = true;
        server_.become_ready();
    }

    void ask_for_time() {
        if (is_ready_ && !options_.never_ready) return;
        notify(fmt::format("EXTEND_TIMEOUT_USEC={}\nSTATUS=starting\n", options_.extend_timeout * 1000));
        extend_.expires_after(std::chrono::milliseconds(options_.extend_timeout / 2));
        extend_.async_wait([this](boost::system::error_code) { ask_for_time(); });
    }

    boost::asio::steady_timer ready_;
    boost::asio::steady_timer extend_;
    boost::asio::steady_timer leave_;
    Server& server_;
    const Options& options_;
    bool is_ready_ = false;
};

int run(Options options, std::string surroundings) {
    boost::asio::io_context io(1);
    Server server(io, options, std::move(surroundings));
    if (options.handoff) server.add(service::Connections::inherit());
    const Result<std::vector<Inherited>> sockets = options.handoff ? std::vector<Inherited>() : listening_sockets();
    if (!sockets) {
        std::fputs(fmt::format("baton-test-server: {}\n", sockets.error().message()).c_str(), stderr);
        return 1;
    }
    for (const Inherited& socket : *sockets) {
        const boost::system::error_code ec = server.add(socket);
        if (!ec) continue;
        std::fputs(fmt::format("baton-test-server: socket {}: {}\n", socket.name, ec.message()).c_str(), stderr);
        return 1;
    }
    const Schedule schedule(io, server, options);
    boost::asio::signal_set signals(io, SIGTERM, SIGINT);
    std::function<void()> await_signal = [&] {
        signals.async_wait([&](boost::system::error_code, int) {
            server.terminate();
            await_signal();
        });
    };
    await_signal();
    io.run();
    return options.exit_code;
}

}  // namespace
}  // namespace baton::test_server

int main(int argc, char** argv) {
    using namespace baton::test_server;
    std::string surroundings = describe_surroundings(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    Options options;
    CLI::App app("A server for tests: HTTP, echo over streams and datagrams, and every kind of misbehaviour");
    add_options(app, options);
    CLI11_PARSE(app, argc, argv);
    if (!options.print_environment.empty())
        std::ofstream(options.print_environment + "." + std::to_string(::getpid())) << surroundings;
    talk(options);
    if (options.crash) std::abort();
    try {
        return run(std::move(options), std::move(surroundings));
    } catch (const std::exception& failure) {
        std::fputs(fmt::format("baton-test-server: {}\n", failure.what()).c_str(), stderr);
        return 1;
    }
}
