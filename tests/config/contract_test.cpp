// Every key of the contract is known and type-checked: with the contract's value it is accepted or
// refused as "not available in this version", with a value that no key takes it is a wrong type.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "config/load.h"
#include "marked.h"

namespace baton::config {
namespace {

struct Key {
    std::string_view table;  // header under which it stands
    std::string_view key;
    std::string_view value;  // as the contract shows it
    bool available;
};

constexpr Key contract[] = {
    {"supervisor", "pid_file", R"("run/baton.pid")", true},
    {"supervisor", "runtime_dir", R"("run")", true},
    {"supervisor", "state_dir", R"("state")", true},
    {"supervisor", "workers", R"("auto")", true},
    {"supervisor", "workers", "2", true},
    {"supervisor", "user", R"("baton")", true},
    {"supervisor", "include", "[]", true},
    {"supervisor.log", "level", R"("info")", true},
    {"supervisor.log", "file", R"("log/baton.log")", true},
    {"supervisor.log", "format", R"("text")", true},
    {"supervisor.log", "format", R"("json")", true},
    {"supervisor.upgrade", "ready_timeout", R"("30s")", true},
    {"supervisor.upgrade", "soak", R"("10s")", true},
    {"supervisor.upgrade", "drain_timeout", R"("30s")", true},
    {"supervisor.upgrade", "mode", R"("manual")", true},
    {"supervisor.upgrade", "mode", R"("auto")", true},
    {"admin", "socket", R"("run/admin.sock")", true},
    {"admin", "listen", R"("127.0.0.1:9180")", false},
    {"admin", "token_file", R"("...")", false},
    {"plugins", "directories", R"(["..."])", true},
    {"listener.web", "protocol", R"("http")", true},
    {"listener.web", "protocol", R"("tcp")", true},
    {"listener.web", "protocol", R"("udp")", true},
    {"listener.web", "codec", R"("vsoa")", false},
    {"listener.web", "backlog", "1024", true},
    {"listener.web", "proxy_protocol", "false", true},
    {"listener.web", "proxy_protocol", "true", true},
    {"listener.web", "route",
     R"([ { match = { path_prefix = "/api", host = "h", header = { name = "n", value = "v" } }, service = "web" } ])",
     true},
    {"listener.web", "access_log", R"("access.log")", true},
    {"listener.web.http", "header_timeout", R"("10s")", true},
    {"listener.web.http", "body_timeout", R"("60s")", true},
    {"listener.web.http", "idle_timeout", R"("75s")", true},
    {"listener.web.http", "send_timeout", R"("60s")", true},
    {"listener.web.http", "max_header", R"("32K")", true},
    {"listener.web.http", "max_body", R"("0")", true},
    {"listener.web.http", "drain_grace", R"("2s")", true},
    {"listener.web.http", "http2", "true", true},
    {"listener.web.http", "forwarded", R"("x-forwarded")", true},
    {"listener.web.http", "forwarded", R"("forwarded")", true},
    {"listener.web.http", "forwarded", R"("both")", true},
    {"listener.web.http", "forwarded", R"("none")", true},
    {"listener.web.http", "trust_forwarded", "false", true},
    {"listener.web.http", "abort_on_close", "false", true},
    {"listener.web", "tls", R"({ certificate = "c.pem", key = "k.pem" })", true},
    {"listener.web.tls", "minimum", R"("1.2")", true},
    {"listener.web.tls", "minimum", R"("1.3")", true},
    {"service.web", "version", R"("1")", true},
    {"service.web", "runtime", R"("process")", true},
    {"service.web", "runtime", R"("container")", false},
    {"service.web", "runtime", R"("external")", true},
    {"service.web", "image", R"("localhost/web:1")", false},
    {"service.web", "endpoints",
     R"([ { address = "192.0.2.1:80", weight = 1, max_fails = 3, fail_timeout = "15s", backup = false, down = false } ])",
     true},
    {"service.web", "replicas", "2", true},
    {"service.web", "delivery", R"("inherit")", true},
    {"service.web", "delivery", R"("proxy")", true},
    {"service.web", "delivery", R"("handoff")", true},
    {"service.web", "upstream", R"("port")", true},
    {"service.web", "upstream", R"("socket")", true},
    {"service.web", "environment", R"({ A = "b" })", true},
    {"service.web", "directory", R"("...")", true},
    {"service.web", "user", R"("...")", true},
    {"service.web", "umask", R"("022")", true},
    {"service.web", "limits", R"({ nofile = 1024, memory = "256M", cpu = 0.5 })", true},
    {"service.web.limits", "nofile", "1024", true},
    {"service.web.limits", "memory", R"("256M")", true},
    {"service.web.limits", "cpu", "0.5", true},
    {"service.web", "depends_on", R"(["db"])", true},
    {"service.web", "enabled", "true", true},
    {"service.web.balance", "strategy", R"("round_robin")", true},
    {"service.web.balance", "key", R"("client_ip")", true},
    {"service.web.balance", "key", R"("header:NAME")", true},
    {"service.web.balance", "key", R"("cookie:NAME")", true},
    {"service.web.balance", "key", R"("path")", true},
    {"service.web.balance", "options", "{ a = 1 }", true},
    {"service.web.health", "max_fails", "1", true},
    {"service.web.health", "fail_timeout", R"("10s")", true},
    {"service.web.health", "slow_start", R"("0s")", true},
    {"service.web.health", "retry", R"({ attempts = 2, on = ["connect"] })", true},
    {"service.web.timeouts", "connect", R"("5s")", true},
    {"service.web.timeouts", "response", R"("60s")", true},
    {"service.web.timeouts", "idle", R"("60s")", true},
    {"service.web.timeouts", "tunnel", R"("1h")", true},
    {"service.web.timeouts", "pool_idle", R"("4s")", true},
    {"service.web.timeouts", "pool_size", "64", true},
    {"service.web", "proxy_protocol", R"("none")", true},
    {"service.web", "proxy_protocol", R"("v1")", true},
    {"service.web", "proxy_protocol", R"("v2")", true},
    {"service.web.health.retry", "attempts", "2", true},
    {"service.web.health.retry", "on", R"(["connect"])", true},
    {"service.web.rollout", "strategy", R"("rolling")", true},
    {"service.web.rollout", "strategy", R"("canary")", false},
    {"service.web.rollout", "strategy", R"("blue_green")", false},
    {"service.web.rollout", "strategy", R"("recreate")", false},
    {"service.web.rollout", "max_surge", R"("25%")", true},
    {"service.web.rollout", "max_unavailable", "0", true},
    {"service.web.rollout", "min_ready", R"("0s")", true},
    {"service.web.rollout", "deadline", R"("10m")", true},
    {"service.web.rollout", "steps", R"(["5%", "25%", "100%"])", false},
    {"service.web.rollout", "pause", R"("30s")", false},
    {"service.web.rollout", "auto_rollback", "true", true},
    {"service.web.rollout", "history", "10", false},
    {"service.web.rollout", "analysis",
     R"({ max_error_rate = 0.01, max_latency_p99 = "500ms", min_requests = 100 })", false},
    {"service.web.rollout.analysis", "max_error_rate", "0.01", false},
    {"service.web.rollout.analysis", "max_latency_p99", R"("500ms")", false},
    {"service.web.rollout.analysis", "min_requests", "100", false},
    {"service.web.failover", "strategy", R"("restart")", true},
    {"service.web.failover", "strategy", R"("active_standby")", false},
    {"service.web.failover", "options", "{ a = 1 }", false},
    {"service.web.restart", "policy", R"("always")", true},
    {"service.web.restart", "policy", R"("on_failure")", true},
    {"service.web.restart", "policy", R"("never")", true},
    {"service.web.restart", "backoff", R"("100ms")", true},
    {"service.web.restart", "backoff_max", R"("30s")", true},
    {"service.web.restart", "limit", "0", true},
    {"service.web.stop", "signal", R"("TERM")", true},
    {"service.web.stop", "pre_stop", R"(["..."])", false},
    {"service.web.stop", "drain_timeout", R"("30s")", true},
    {"service.web.stop", "kill_timeout", R"("5s")", true},
    {"service.web.schedule", "strategy", R"("least_instances")", false},
    {"service.web.schedule", "nodes", R"(["a", "b"])", false},
    {"service.web.schedule", "constraints", "{ zone = \"a\" }", false},
};

// A valid configuration with `key = value` under `table`.
std::string document(std::string_view table, std::string_view key, std::string_view value) {
    const std::string line = std::string(key) + " = " + std::string(value) + "\n";
    const auto at = [&](std::string_view header) { return header == table ? line : std::string(); };
    const bool external = key == "endpoints" || value.find("external") != std::string_view::npos;
    // What means nothing without a worker.
    constexpr std::array<std::string_view, 8> by_workers{"upstream", "proxy_protocol", "access_log", "route", "tls", "key", "options", "attempts"};
    const bool in_table = table.starts_with("service.web.health") || table == "service.web.timeouts" || table.starts_with("listener.web.");
    const bool proxied = in_table || std::find(by_workers.begin(), by_workers.end(), key) != by_workers.end();
    std::string text = "[service.db]\ncommand = [\"db\"]\n";
    text += "[listener.web]\naddress = \"127.0.0.1:8080\"\nservice = \"web\"\n" + at("listener.web");
    if (key != "protocol" && value != "\"handoff\"") text += "protocol = \"http\"\n";
    text += "[service.web]\n" + at("service.web");
    if (!external) text += "command = [\"./server\", \"--flag\"]\n";
    if (external && key != "runtime") text += "runtime = \"external\"\n";
    if (external && key != "endpoints") text += "endpoints = [{ address = \"192.0.2.1:80\" }]\n";
    if (proxied) text += "delivery = \"proxy\"\n";
    if (at("listener.web").empty() && at("service.web").empty()) text += "[" + std::string(table) + "]\n" + line;
    if (table == "listener.web.tls") text += "certificate = \"c\"\nkey = \"k\"\n";
    return text;
}

TEST(Contract, EveryKeyIsAcceptedOrRefusedAsNotAvailable) {
    for (const Key& key : contract) {
        const std::string text = document(key.table, key.key, key.value);
        const Loaded loaded = load_text(text, "conf.toml", "/srv");
        if (key.available) {
            EXPECT_TRUE(loaded.configuration.has_value()) << text << listing(loaded.problems);
            continue;
        }
        EXPECT_FALSE(loaded.problems.empty()) << "accepted:\n" << text;
        for (const Problem& problem : loaded.problems) {
            EXPECT_NE(problem.message.find("is not available in this version"), std::string::npos)
                << text << to_string(problem);
        }
    }
}

TEST(Contract, EveryKeyIsTypeChecked) {
    for (const Key& key : contract) {
        const std::string text = document(key.table, key.key, "1979-05-27T07:32:00Z");
        const Loaded loaded = load_text(text, "conf.toml", "/srv");
        ASSERT_EQ(loaded.problems.size(), 1U) << text << listing(loaded.problems);
        const std::string path = std::string(key.table) + "." + std::string(key.key) + " must be ";
        EXPECT_TRUE(loaded.problems[0].message.starts_with(path)) << to_string(loaded.problems[0]);
        EXPECT_TRUE(loaded.problems[0].message.ends_with("not a date or time"))
            << to_string(loaded.problems[0]);
    }
}

TEST(Contract, EveryProbeKeyIsKnownInEveryProbe) {
    for (const std::string_view probe : {"startup", "readiness", "liveness"}) {
        const std::string header = "service.web." + std::string(probe);
        for (const std::string_view type : {"none", "notify", "http", "tcp"}) {
            const auto loaded =
                load_text(document(header, "type", "\"" + std::string(type) + "\""), "c", "/srv");
            EXPECT_TRUE(loaded.configuration.has_value()) << listing(loaded.problems);
        }
        constexpr std::array<std::string_view, 8> lines{
            "path = \"/x\"",    "port = 80",   "command = []", "interval = \"1s\"",
            "timeout = \"1s\"", "success = 1", "failure = 3",  "initial_delay = \"0s\""};
        for (const std::string_view line : lines) {
            const auto text = document(header, "type", "\"http\"\n" + std::string(line));
            EXPECT_TRUE(load_text(text, "c", "/srv").configuration.has_value()) << text;
            const auto key = line.substr(0, line.find(' '));
            const auto wrong = document(header, key, "1979-05-27\ntype = \"http\"");
            const auto loaded = load_text(wrong, "c", "/srv");
            ASSERT_EQ(loaded.problems.size(), 1U) << wrong << listing(loaded.problems);
            EXPECT_TRUE(loaded.problems[0].message.ends_with("not a date or time"))
                << to_string(loaded.problems[0]);
        }
    }
}

TEST(Contract, DefaultsAreTheContracts) {
    const Loaded loaded = load_text(
        "[listener.l]\naddress = \"127.0.0.1:1\"\nservice = \"s\"\n"
        "[service.s]\ncommand = [\"x\"]\n",
        "conf.toml", "/srv/");
    ASSERT_TRUE(loaded.configuration.has_value()) << listing(loaded.problems);
    const model::Configuration& configuration = *loaded.configuration;
    EXPECT_EQ(configuration.file, "conf.toml");
    EXPECT_EQ(configuration.prefix, "/srv");
    EXPECT_EQ(configuration.supervisor.pid_file, "/srv/run/baton.pid");
    EXPECT_EQ(configuration.supervisor.runtime_dir, "/srv/run");
    EXPECT_EQ(configuration.supervisor.state_dir, "/srv/state");
    EXPECT_EQ(configuration.supervisor.admin_socket, "/srv/run/admin.sock");
    EXPECT_EQ(configuration.supervisor.user, "");
    EXPECT_EQ(configuration.supervisor.workers, 0U);
    EXPECT_EQ(configuration.supervisor.log,
              (model::LogSpec{model::LogLevelName::info, "", model::LogFormatName::text}));
    EXPECT_EQ(configuration.supervisor.upgrade,
              (model::UpgradeSpec{30'000, 10'000, 30'000, model::UpgradeMode::manual}));
    EXPECT_EQ(
        configuration.listeners.at(0),
        (model::ListenerSpec{"l", {model::Family::inet4, "127.0.0.1", 1}, model::Protocol::tcp, "s", 1024}));
    const model::ServiceSpec& service = configuration.services.at(0);
    EXPECT_EQ(service.version, "");
    EXPECT_EQ(service.command, std::vector<std::string>{"x"});
    EXPECT_EQ(service.replicas, 1U);
    EXPECT_EQ(service.delivery, model::Delivery::inherit);
    EXPECT_EQ(service.upstream, model::Upstream::port);
    EXPECT_EQ(service.umask, 022U);
    EXPECT_TRUE(service.enabled);
    EXPECT_EQ(service.readiness.type, model::ProbeType::none);
    EXPECT_EQ(service.readiness.interval, 1000);
    EXPECT_EQ(service.readiness.failure, 3U);
    EXPECT_EQ(service.balance.strategy, "round_robin");
    EXPECT_EQ(service.rollout.max_surge, (model::Share{25, true}));
    EXPECT_EQ(service.rollout.max_unavailable, (model::Share{0, false}));
    EXPECT_EQ(service.rollout.deadline, 600'000);
    EXPECT_TRUE(service.rollout.auto_rollback);
    EXPECT_EQ(service.restart, (model::RestartSpec{model::RestartPolicy::always, 100, 30'000, 0}));
    EXPECT_EQ(service.stop, (model::StopSpec{15, {}, 30'000, 5'000}));
}

}  // namespace
}  // namespace baton::config
