// baton-load: an HTTP/1.1 and echo load client that counts every kind of failure, and forgives none.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <list>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "client.h"
#include "run.h"

namespace baton::load {
namespace asio = boost::asio;

namespace {

struct CommandLine {
    std::vector<std::string> targets;
    std::vector<std::string> modes{"get"};
    std::size_t connections = 8;
    std::string duration;
    std::string timeout;
    std::string report;
    bool json = false;
    Settings settings;
};

void add_options(CLI::App& app, CommandLine& line) {
    app.add_option("--target", line.targets, "ADDRESS:PORT, unix:/path or unix:@name; may be repeated")->required();
    app.add_option("--mode", line.modes,
                   "get, post (keep-alive), new, new-post (a connection each), tcp (echo); MODE:CONNECTIONS; "
                   "separated by commas")
        ->delimiter(',');
    app.add_option("--connections", line.connections, "of each mode that names none")->check(CLI::Range(1, 100'000));
    app.add_option("--duration", line.duration, "such as 10s; otherwise until SIGTERM or SIGINT");
    app.add_option("--requests", line.settings.requests, "end after so many");
    app.add_option("--rate", line.settings.rate, "requests a second in all, instead of as many as possible");
    app.add_option("--timeout", line.timeout, "for one request (10s)");
    app.add_option("--body-bytes", line.settings.body_bytes, "largest body of a POST or an echo")
        ->check(CLI::Range(1, 16'000'000));
    app.add_option("--exchanges", line.settings.exchanges, "on one tcp connection")->check(CLI::PositiveNumber);
    app.add_option("--get-path", line.settings.get_path);
    app.add_option("--post-path", line.settings.post_path);
    app.add_option("--report", line.report, "write the counts to this file, as JSON, at the end and on SIGUSR1");
    app.add_flag("--json", line.json, "print JSON instead of a table");
}

Result<Settings> settings_of(CommandLine line) {
    Settings settings = std::move(line.settings);
    for (const std::string& text : line.targets) {
        const Result<Target> target = parse_target(text);
        if (!target) return target.error();
        settings.targets.push_back(*target);
    }
    for (const std::string& text : line.modes) {
        const Result<Part> part = parse_part(text, line.connections);
        if (!part) return part.error();
        settings.parts.push_back(*part);
    }
    for (const auto& [text, value] : {std::pair(&line.duration, &settings.duration), {&line.timeout, &settings.timeout}}) {
        if (text->empty()) continue;
        const Result<Millis> duration = parse_duration(*text);
        if (!duration) return duration.error();
        *value = *duration;
    }
    return settings;
}

// Runs the clients, listens to signals, prints.
class Session {
  public:
    Session(Settings settings, std::string report, bool json)
        : run_(std::move(settings)), report_(std::move(report)), json_(json), live_(!json && ::isatty(STDERR_FILENO) == 1) {}

    int execute() {
        start_clients();
        await_signal();
        await_end();
        if (live_) tick();
        io_.run();
        if (live_) std::fputs("\r\033[K", stderr);
        print();
        return run_.total().failures() == 0 ? 0 : 1;
    }

  private:
    void start_clients() {
        std::size_t number = 0;
        for (Group& group : run_.groups())
            for (std::size_t index = 0; index < group.connections; ++index)
                clients_.emplace_back(io_, run_, group, number++);
        left_ = clients_.size();
        for (Client& client : clients_) {
            auto ended = [this](std::exception_ptr failure) {
                if (failure) std::rethrow_exception(failure);
                if (--left_ == 0) finish();
            };
            asio::co_spawn(io_, client.live(), ended);
        }
    }

    void finish() {
        signals_.cancel();
        end_.cancel();
        ticker_.cancel();
    }

    void await_signal() {
        signals_.async_wait([this](boost::system::error_code ec, int signal) {
            if (ec) return;
            if (signal == SIGUSR1) {
                print();
            } else if (run_.stopping()) {  // asked twice: at once
                for (Client& client : clients_) client.abort();
            }
            if (signal != SIGUSR1) run_.stop();
            await_signal();
        });
    }

    void await_end() {
        if (run_.settings().duration == never) return;
        end_.expires_after(std::chrono::milliseconds(run_.settings().duration));
        end_.async_wait([this](boost::system::error_code ec) {
            if (!ec) run_.stop();
        });
    }

    void tick() {
        std::fputs(("\r\033[K" + run_.ticker()).c_str(), stderr);
        ticker_.expires_after(std::chrono::milliseconds(200));
        ticker_.async_wait([this](boost::system::error_code ec) {
            if (!ec) tick();
        });
    }

    void print() {
        const std::string json = run_.report_json();
        if (live_) std::fputs("\r\033[K", stderr);
        std::fputs(json_ ? (json + "\n").c_str() : run_.report_text().c_str(), stdout);
        std::fflush(stdout);
        if (report_.empty()) return;
        std::ofstream(report_ + ".new") << json << "\n";  // renamed, so that a reader never sees a half
        std::error_code ec;
        std::filesystem::rename(report_ + ".new", report_, ec);
        if (ec) std::fputs(fmt::format("baton-load: write {}: {}\n", report_, ec.message()).c_str(), stderr);
    }

    asio::io_context io_{1};
    Run run_;
    std::list<Client> clients_;
    std::size_t left_ = 0;
    asio::signal_set signals_{io_, SIGTERM, SIGINT, SIGUSR1};
    asio::steady_timer end_{io_};
    asio::steady_timer ticker_{io_};
    std::string report_;
    bool json_;
    bool live_;
};

}  // namespace
}  // namespace baton::load

int main(int argc, char** argv) {
    using namespace baton::load;
    ::signal(SIGPIPE, SIG_IGN);
    CommandLine line;
    CLI::App app("Loads a server over HTTP/1.1 or by echo, and counts every request as answered or as one kind of failure");
    add_options(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    const std::string report = line.report;
    const bool json = line.json;
    baton::Result<Settings> settings = settings_of(std::move(line));
    if (!settings) {
        std::fputs(fmt::format("baton-load: {}\n", settings.error().message()).c_str(), stderr);
        return 2;
    }
    Session session(std::move(*settings), report, json);
    return session.execute();
}
