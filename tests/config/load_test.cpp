// Files: includes, prefixes, limits, what cannot be read; and the values that end up in the model.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/limits.h"
#include "config/load.h"
#include "marked.h"

namespace baton::config {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
  protected:
    Files() {
        std::string name = (fs::temp_directory_path() / "baton-config-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~Files() override { fs::remove_all(folder_); }

    std::string write(const std::string& name, std::string_view text) {
        const fs::path path = folder_ / name;
        fs::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }
    std::string path(const std::string& name) const { return (folder_ / name).string(); }

    fs::path folder_;
};

std::vector<std::string> names(const Loaded& loaded) {
    std::vector<std::string> result;
    if (!loaded.configuration) return {listing(loaded.problems)};
    for (const auto& service : loaded.configuration->services) result.push_back(service.name);
    return result;
}

using Names = std::vector<std::string>;

TEST_F(Files, IncludesAreReadSortedAndOnce) {
    write("services.d/b.toml", "[service.b]\ncommand = [\"x\"]\n");
    write("services.d/a.toml", "[service.z]\ncommand = [\"x\"]\n[service.a]\ncommand = [\"x\"]\n");
    write("services.d/ignored.txt", "not TOML");
    write("one[1].toml", "[service.one]\ncommand = [\"x\"]\n");
    const auto file =
        write("baton.toml",
              "[supervisor]\ninclude = [\"services.d/*.toml\", \"services.d/?.toml\", \"none*\"]\n"
              "[service.main]\ncommand = [\"x\"]\n");
    EXPECT_EQ(names(load(file, "")), (Names{"main", "z", "a", "b"}));
}

TEST_F(Files, IncludesStartAtThePrefixWhateverItsName) {
    write("pre[f]ix*/s.d/a.toml", "[service.a]\ncommand = [\"./x\"]\n");
    const auto file = write("etc/baton.toml", "[supervisor]\ninclude = [\"s.d/*\"]\n");
    const Loaded loaded = load(file, path("pre[f]ix*"));
    ASSERT_EQ(names(loaded), Names{"a"});
    EXPECT_EQ(loaded.configuration->services[0].command[0], path("pre[f]ix*/x"));
    EXPECT_EQ(loaded.configuration->supervisor.pid_file, path("pre[f]ix*/run/baton.pid"));
    EXPECT_EQ(loaded.configuration->file, file);
}

TEST_F(Files, AnAbsoluteLiteralIncludeIsItsOwnFile) {
    const auto other = write("other/a.toml", "[service.a]\ncommand = [\"x\"]\n");
    const auto file = write("baton.toml", "[supervisor]\ninclude = [\"" + other + "\"]\n");
    EXPECT_EQ(names(load(file, "")), Names{"a"});
}

TEST_F(Files, ARelativePrefixBecomesAbsolute) {
    write("baton.toml", "");
    const fs::path before = fs::current_path();
    fs::current_path(folder_);
    const Loaded plain = load("baton.toml", "");
    const Loaded sub = load("./baton.toml", "sub/./x/");
    fs::current_path(before);
    ASSERT_TRUE(plain.configuration && sub.configuration);
    EXPECT_EQ(plain.configuration->prefix, fs::canonical(folder_).string());
    EXPECT_EQ(plain.configuration->file, "baton.toml");
    EXPECT_EQ(sub.configuration->prefix, (fs::canonical(folder_) / "sub/x").string());
}

TEST_F(Files, WhatCannotBeReadIsToldForTheFile) {
    const auto absent = load(path("absent.toml"), "");
    EXPECT_EQ(listing(absent.problems),
              "  " + path("absent.toml") + ":1: it cannot be opened: No such file or directory\n");
    const auto folder = load(folder_.string(), "");
    EXPECT_EQ(listing(folder.problems), "  " + folder_.string() + ":1: it is not a regular file\n");
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    const auto fifo = load(path("fifo"), "");
    EXPECT_EQ(listing(fifo.problems), "  " + path("fifo") + ":1: it is not a regular file\n");
}

TEST_F(Files, TheLimitOfBytesIsForAllFilesTogether) {
    const std::string comment(limits::configuration_bytes / 2 - 100, '#');
    write("d/1.toml", comment);
    const auto file = write("baton.toml", "[supervisor]\ninclude = [\"d/*\"]\n" + comment);
    EXPECT_TRUE(load(file, "").configuration.has_value());
    write("d/2.toml", std::string(200, '#'));
    EXPECT_EQ(listing(load(file, "").problems),
              "  " + file + ":2: supervisor.include = \"d/*\": " + path("d/2.toml") + ": it is too large\n");

    const std::string large(limits::configuration_bytes + 1, '#');
    EXPECT_EQ(listing(load(write("large.toml", large), "").problems),
              "  " + path("large.toml") + ":1: it is too large\n");
    EXPECT_EQ(listing(load_text(large, "large", "/").problems), "  large:1: it is too large\n");
}

TEST_F(Files, TheNumberOfIncludesIsLimited) {
    for (std::size_t i = 0; i < limits::included_files; ++i) write("d/" + std::to_string(i) + ".toml", "");
    const auto file = write("baton.toml", "[supervisor]\ninclude = [\"d/*\"]\n");
    EXPECT_TRUE(load(file, "").configuration.has_value());
    write("d/one-more.toml", "");
    EXPECT_EQ(listing(load(file, "").problems),
              "  " + file + ":2: supervisor.include = \"d/*\": there are more than 256 included files\n");
}

TEST_F(Files, ReadingLeavesNoTrace) {
    const auto file = write("baton.toml", "[service.a]\ncommand = [\"./x\"]\ndirectory = \"d\"\n");
    ASSERT_TRUE(load(file, "").configuration.has_value());
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) found.push_back(entry.path());
    EXPECT_EQ(found, std::vector<fs::path>{file});
}

// A host without 192.0.2.1 and without the users whose names begin with "no".
HostChecks other_host() {
    HostChecks host;
    host.address = [](const model::ListenerSpec& listener) -> Result<void> {
        if (listener.address.host == "192.0.2.1") return failed("no such address for " + listener.name);
        return {};
    };
    host.user = [](const std::string& user) -> Result<void> {
        if (user.starts_with("no")) return failed("user " + user + ": no such user");
        return {};
    };
    return host;
}

TEST_F(Files, WhatTheHostLacksIsToldAtItsLine) {
    const auto included = write("d/web.toml",
                                "[service.web]\ncommand = [\"x\"]\nuser = \"nobodyatall\"\n"
                                "[listener.web]\nservice = \"web\"\naddress = \"192.0.2.1:80\"\n"
                                "[listener.here]\nservice = \"web\"\naddress = \"127.0.0.1:80\"\n"
                                "[service.a]\ncommand = [\"x\"]\n[service.b]\ncommand = [\"x\"]\n"
                                "[service.c]\ncommand = [\"x\"]\nuser = \"root\"\n");
    const auto file = write("baton.toml", "[supervisor]\ninclude = [\"d/*\"]\nuser = \"none\"\n");
    const Loaded loaded = load(file, "", other_host());
    EXPECT_EQ(listing(loaded.problems), "  " + file + ":3: supervisor.user: user none: no such user\n" +
                                            "  " + included + ":3: service.web.user: user nobodyatall: no such user\n" +
                                            "  " + included + ":6: no such address for web\n");
    EXPECT_TRUE(loaded.configuration.has_value());
    EXPECT_EQ(listing(load(file, "").problems), "  nothing\n");
}

TEST_F(Files, WhatTheHostLacksIsToldBesideAllElse) {
    const auto file = write("baton.toml",
                            "[supervisor]\nuser = \"none\"\n"
                            "[listener.a]\naddress = \"192.0.2.1:80\"\nservice = \"nowhere\"\n"
                            "[listener.b]\naddress = \"192.0.2.1\"\nservice = \"web\"\n"
                            "[service.web]\nuser = \"root\"\ncommand = [\"x\"]\n"
                            "[service.bad]\nuser = 1\nuser_ = \"x\"\ncommand = [\"x\"]\n");
    const Loaded loaded = load(file, "", other_host());
    EXPECT_FALSE(loaded.configuration.has_value());
    std::vector<std::pair<std::uint32_t, std::string>> found;
    for (const Problem& problem : loaded.problems) {
        found.emplace_back(problem.line, problem.message.substr(0, problem.message.find(' ')));
    }
    EXPECT_EQ(found, (std::vector<std::pair<std::uint32_t, std::string>>{{2, "supervisor.user:"},
                                                                          {4, "no"},
                                                                          {5, "listener.a.service"},
                                                                          {7, "listener.b.address:"},
                                                                          {13, "service.bad.user"},
                                                                          {14, "unknown"}}));
}

TEST_F(Files, FilesThatAreNotThereAreToldAtTheirLines) {
    HostChecks host;
    std::vector<std::string> asked;
    host.readable = [&asked](const std::string& path) -> Result<void> {
        asked.push_back(path);
        if (path.ends_with("/key.pem")) return {};
        return failed("read " + path + ": no such file");
    };
    const auto file = write("baton.toml",
                            "[plugins]\ndirectories = [\"plugins\"]\n"
                            "[listener.a]\naddress = \"127.0.0.1:80\"\nservice = \"s\"\n"
                            "[listener.a.tls]\nkey = \"/key.pem\"\ncertificate = \"c.pem\"\n"
                            "[service.s]\ncommand = [\"x\"]\ndelivery = \"proxy\"\n");
    const Loaded loaded = load(file, "/srv", host);
    EXPECT_EQ(listing(loaded.problems), "  " + file + ":2: plugins.directories: read /srv/plugins: no such file\n" + "  " + file +
                                            ":8: listener.a.tls.certificate: read /srv/c.pem: no such file\n");
    EXPECT_EQ(asked, (Names{"/srv/c.pem", "/key.pem", "/srv/plugins"}));
}

// A host on which "out" cannot enter /srv/run.
HostChecks closed_host(std::vector<std::string>& asked) {
    HostChecks host;
    host.entrance = [&asked](const std::string& folder, const std::string& user) -> Result<void> {
        asked.push_back(user + " " + folder);
        if (user == "out") return failed("user out cannot enter the folder /srv");
        return {};
    };
    return host;
}

TEST_F(Files, WhoIsReachedThroughRuntimeDirMustBeLetIn) {
    std::vector<std::string> asked;
    const auto problems = [&](const std::string& supervisor, const std::string& service) {
        asked.clear();
        const auto file = write("baton.toml", "[supervisor]\n" + supervisor + "\n[service.web]\ncommand = [\"x\"]\n" + service +
                                                  "\n[listener.web]\naddress = \"127.0.0.1:80\"\nservice = \"web\"\n");
        std::string text = listing(load(file, "/srv", closed_host(asked)).problems);
        for (std::size_t at = text.find(file); at != std::string::npos; at = text.find(file)) text.erase(at, file.size());
        return text;
    };
    const std::string socket = "delivery = \"proxy\"\nupstream = \"socket\"";
    const std::string advice = ": let that user in (chmod o+x), or choose another runtime_dir\n";
    const std::string workers = "user out cannot enter the folder /srv, and the workers reach service.web through it" + advice;
    EXPECT_EQ(problems("user = \"out\"", socket), "  :2: supervisor.runtime_dir = \"/srv/run\": " + workers);
    EXPECT_EQ(problems("user = \"out\"\nruntime_dir = \"other\"", socket), "  :3: supervisor.runtime_dir = \"/srv/other\": " + workers);
    EXPECT_EQ(problems("user = \"in\"", socket), "  nothing\n");
    EXPECT_EQ(asked, (Names{"in /srv/run"}));
    // Of another user only where it has something to say.
    EXPECT_EQ(problems("user = \"in\"", "user = \"out\""), "  nothing\n");
    EXPECT_EQ(problems("user = \"in\"", "user = \"out\"\nreadiness = { type = \"notify\" }"),
              "  :2: supervisor.runtime_dir = \"/srv/run\": user out cannot enter the folder /srv, and service.web says through it that it is ready" + advice);
    EXPECT_EQ(problems("", socket), "  nothing\n");
    EXPECT_EQ(asked, Names{}) << "nobody's user changes";
}

TEST_F(Files, AFolderThatTheSupervisorMakesIsNotMissed) {
    HostChecks host;
    std::vector<std::string> asked;
    host.address = [&asked](const model::ListenerSpec& listener) -> Result<void> {
        asked.push_back(listener.name);
        return {};
    };
    const std::string text = "[service.s]\ncommand = [\"x\"]\n[listener.a]\naddress = \"unix:run/a.sock\"\nservice = \"s\"\n"
                             "[listener.b]\naddress = \"unix:elsewhere/b.sock\"\nservice = \"s\"\n";
    EXPECT_EQ(listing(load(write("baton.toml", text), "", host).problems), "  nothing\n");
    EXPECT_EQ(asked, Names{"b"});
    write("run/there", "");
    asked.clear();
    static_cast<void>(load(write("baton.toml", text), "", host));
    EXPECT_EQ(asked, (Names{"a", "b"}));
}

TEST_F(Files, WhatIsKnownOfPortsIsToldToWhoBindsThem) {
    HostChecks host;
    host.ports = [] { return std::string("they are few"); };
    const std::string text = "[service.s]\ncommand = [\"x\"]\n";
    const auto binds = load(write("binds.toml", text + "delivery = \"proxy\"\nupstream = \"port\"\n"), "", host);
    EXPECT_EQ(listing(binds.problems), "  nothing\n");
    EXPECT_EQ(binds.notices, Names{"they are few"});
    EXPECT_EQ(load(write("inherits.toml", text), "", host).notices, Names{});
    host.ports = [] { return std::string(); };
    EXPECT_EQ(load(write("binds.toml", text + "delivery = \"proxy\"\nupstream = \"port\"\n"), "", host).notices, Names{});
}

TEST_F(Files, TheStrategiesAreThoseOfThePlugins) {
    HostChecks host;
    std::vector<std::string> directories;
    host.balancers = [&directories](const std::vector<std::string>& from, const std::set<std::string>&) {
        directories = from;
        return Names{"round_robin", "coin"};
    };
    const std::string text = "[plugins]\ndirectories = [\"plugins\"]\n[service.s]\ncommand = [\"x\"]\ndelivery = \"proxy\"\nbalance.strategy = ";
    EXPECT_EQ(names(load(write("good.toml", text + "\"coin\"\n"), "/srv", host)), Names{"s"});
    EXPECT_EQ(directories, Names{"/srv/plugins"});
    const auto bad = write("bad.toml", text + "\"least_time\"\n");
    EXPECT_EQ(listing(load(bad, "/srv", host).problems),
              "  " + bad + ":6: service.s.balance.strategy = \"least_time\" is an unknown strategy; there are \"round_robin\" or \"coin\"\n");
    EXPECT_EQ(names(load(bad, "/srv")), Names{"s"}) << "one that ships";
}

TEST(Load, CountsAreLimited) {
    std::string text;
    for (std::size_t i = 0; i <= limits::services; ++i)
        text += "[service.s" + std::to_string(i) + "]\ncommand=[\"x\"]\n";
    const Loaded loaded = load_text(text, "c", "/");
    EXPECT_EQ(listing(loaded.problems), "  c:4097: there are 2049 services; at most 2048 are possible\n");

    const auto listeners = [](std::size_t count) {
        std::string all = "[service.s]\ncommand=[\"x\"]\n";
        for (std::size_t i = 1; i <= count; ++i) {
            all += "[listener.l" + std::to_string(i) + "]\naddress=\"*:" + std::to_string(i) + "\"\nservice=\"s\"\n";
        }
        return listing(load_text(all, "c", "/").problems);
    };
    const std::string divide = "listeners; at most 240 are possible: divide it into several services\n";
    EXPECT_EQ(listeners(limits::service_listeners), "  nothing\n");
    EXPECT_EQ(listeners(limits::service_listeners + 1), "  c:1: service.s has 241 " + divide);
    EXPECT_EQ(listeners(limits::listeners + 1), "  c:1: service.s has 2049 " + divide +
                                                    "  c:6147: there are 2049 listeners; at most 2048 are possible\n");
}

TEST(Load, AnInstancesBlockIsLimited) {
    const std::string text = "[service.s]\ncommand = [\"x\"]\nenvironment = { A = \"" +
                             std::string(limits::instance_block_bytes - 5, 'a') + "\" }\n";
    EXPECT_TRUE(load_text(text, "c", "/").configuration.has_value());
    EXPECT_EQ(listing(load_text("\n" + text + "version = \"1\"", "c", "/").problems),
              "  c:2: service.s: command, version and "
              "environment have 98305 bytes; at most 98304 can be handed to a process\n");
}

TEST(Load, ALongPrefixIsRefusedWhereNoLineNamesThePath) {
    const std::string prefix = "/" + std::string(100, 'p');
    const Loaded loaded = load_text("# nothing\n", "c", prefix);
    ASSERT_EQ(loaded.problems.size(), 2U);
    EXPECT_EQ(to_string(loaded.problems[0]),
              "c:1: supervisor.runtime_dir is \"" + prefix +
                  "/run\", 105 bytes; it has at most 75, for the sockets made from it");
}

TEST(Load, ALongChainOfDependenciesIsNoCycle) {
    std::string text;
    for (std::size_t i = 0; i < limits::services; ++i) {
        text += "[service.s" + std::to_string(i) + "]\ncommand=[\"x\"]\n";
        if (i > 0) text += "depends_on=[\"s" + std::to_string(i - 1) + "\"]\n";
    }
    EXPECT_TRUE(load_text(text, "c", "/").configuration.has_value());
    const Loaded closed = load_text(text + "[service.last]\ncommand=[\"x\"]\n", "c", "/");
    EXPECT_EQ(closed.problems.size(), 1U);  // one service too many, and still no cycle
}

TEST(Load, CommandsAndFoldersFollowTheRules) {
    const auto command = [](const std::string& lines) {
        const Loaded loaded = load_text("[service.s]\n" + lines, "c", "/srv");
        return loaded.configuration ? loaded.configuration->services[0].command[0] : listing(loaded.problems);
    };
    EXPECT_EQ(command("command = [\"node\"]\ndirectory = \"d\""), "node");
    EXPECT_EQ(command("command = [\"./server\"]"), "/srv/server");
    EXPECT_EQ(command("command = [\"bin/server\"]\ndirectory = \"d\""), "/srv/d/bin/server");
    EXPECT_EQ(command("command = [\"../server\"]\ndirectory = \"/opt/d/\""), "/opt/d/../server");
    EXPECT_EQ(command("command = [\"/bin/true\"]\ndirectory = \"d\""), "/bin/true");
}

TEST(Load, AServiceWithoutAUserHasTheSupervisors) {
    const Loaded loaded = load_text(
        "[supervisor]\nuser = \"baton\"\n[service.a]\ncommand = [\"x\"]\n"
        "[service.b]\ncommand = [\"x\"]\nuser = \"www\"\n",
        "c", "/");
    ASSERT_TRUE(loaded.configuration.has_value());
    EXPECT_EQ(loaded.configuration->services[0].user, "baton");
    EXPECT_EQ(loaded.configuration->services[1].user, "www");
}

TEST(Load, ValuesReachTheModel) {
    const Loaded loaded = load(BATON_SOURCE_DIR "/tests/config/good/everything.toml", "/srv");
    ASSERT_TRUE(loaded.configuration.has_value()) << listing(loaded.problems);
    const model::Configuration& all = *loaded.configuration;
    EXPECT_EQ(all.supervisor.runtime_dir, "/srv/r");
    EXPECT_EQ(all.supervisor.state_dir, "/srv/s");
    EXPECT_EQ(all.supervisor.pid_file, "/run/baton/baton.pid");
    EXPECT_EQ(all.supervisor.log.file, "/srv/log/baton.log");
    EXPECT_EQ(all.supervisor.upgrade,
              (model::UpgradeSpec{1500, 0, 3'600'000, model::UpgradeMode::automatic}));
    ASSERT_EQ(all.listeners.size(), 6U);
    EXPECT_EQ(model::identity(all.listeners[0]), "tcp4:0.0.0.0:8080");
    EXPECT_EQ(all.listeners[0].backlog, 4096);
    EXPECT_EQ(model::identity(all.listeners[1]), "tcp6:[::1]:8080");
    EXPECT_EQ(model::identity(all.listeners[2]), "unix:/srv/run/web.sock");
    EXPECT_EQ(model::identity(all.listeners[3]), "unix:@web");
    EXPECT_EQ(model::identity(all.listeners[4]), "udp4:127.0.0.1:53");
    const model::ServiceSpec& web = all.services.at(0);
    EXPECT_EQ(web.version, "1.0 \"β\"\t\x01");
    EXPECT_EQ(web.command,
              (std::vector<std::string>{"/srv/web/bin/server", "--flag", "", "two words", "back\\slash"}));
    EXPECT_EQ(web.environment,
              (std::map<std::string, std::string>{{"A", "b"}, {"EMPTY", ""}, {"with space", "ü\n"}}));
    EXPECT_EQ(web.umask, 077U);
    EXPECT_EQ(web.limits, (model::LimitSpec{1024, 1536ULL << 20, 0.5}));
    EXPECT_EQ(web.balance, (model::BalanceSpec{"hash", "client_ip", {}}));
    EXPECT_EQ(web.readiness,
              (model::ProbeSpec{model::ProbeType::http, "/ready?full=1", 9000, {}, 500, 2000, 2, 5, 100}));
    EXPECT_EQ(web.rollout, (model::RolloutSpec{{2, false}, {50, true}, 5000, 3'600'000, false}));
    EXPECT_EQ(web.restart, (model::RestartSpec{model::RestartPolicy::on_failure, 1000, 1000, 7}));
    EXPECT_EQ(web.stop, (model::StopSpec{3, {}, 0, 60'000}));
    EXPECT_FALSE(web.enabled);
    EXPECT_EQ(all.services.at(2).restart.policy, model::RestartPolicy::never);
}

TEST(Load, WhatWorkersDoReachesTheModel) {
    const Loaded loaded = load(BATON_SOURCE_DIR "/tests/config/good/traffic.toml", "/srv");
    ASSERT_TRUE(loaded.configuration.has_value()) << listing(loaded.problems);
    using namespace model;
    const Configuration& all = *loaded.configuration;
    EXPECT_EQ(all.plugins.directories, Names{"/srv/plugins"});
    const ListenerSpec& web = all.listeners.at(0);
    EXPECT_TRUE(web.proxy_protocol);
    EXPECT_EQ(web.access_log, "/srv/log/access.log");
    EXPECT_EQ(web.routes, (std::vector<RouteSpec>{{{"/api", "api.example.org", "x-version", "2"}, "api"}, {{"", "", "x-debug", ""}, "servers"}, {{"", "[::1]", "", ""}, "web"}}));
    EXPECT_EQ(web.http, (HttpSpec{1000, 2000, 3000, 4000, 8192, 1ULL << 30, 0, false, Forwarded::both, true, true}));
    EXPECT_EQ(web.tls, (TlsSpec{"/srv/tls/web.pem", "/etc/web.key", TlsVersion::tls13}));
    EXPECT_EQ(all.listeners.at(1).http, HttpSpec{});
    EXPECT_FALSE(all.listeners.at(1).tls);
    const ServiceSpec& service = all.services.at(0);
    EXPECT_EQ(service.proxy_protocol, ProxyProtocol::v1);
    EXPECT_EQ(service.balance, (BalanceSpec{"hash", "header:x-user", {{"bounded_load", "1.25"}, {"exact", "true"}, {"method", "ring"}, {"points", "160"}}}));
    EXPECT_EQ(service.health, (HealthSpec{0, 60'000, 20'000, {5, {RetryOn::connect, RetryOn::error, RetryOn::timeout, RetryOn::status_502, RetryOn::status_503, RetryOn::status_504}}}));
    EXPECT_EQ(service.timeouts, (TimeoutSpec{1000, 2000, 3000, 0, 4000, 0}));
    const ServiceSpec& servers = *find_service(all, "servers");
    EXPECT_EQ(servers.runtime, Runtime::external);
    EXPECT_EQ(servers.delivery, Delivery::proxy);
    EXPECT_EQ(servers.user, "");
    EXPECT_EQ(servers.endpoints, (std::vector<EndpointSpec>{{"", {Family::inet4, "192.0.2.1", 80}, 5, 3, 15'000, false, false},
                                                            {"six", {Family::inet6, "2001:db8::1", 80}, 1, 0, 1000, true, false},
                                                            {"", {Family::unix_path, "/srv/run/local.sock", 0}, 0, 3, 15'000, false, true},
                                                            {"", {Family::unix_abstract, "abstract", 0}, 1, 3, 15'000, false, false}}));
    EXPECT_EQ(find_service(all, "dns")->readiness.type, ProbeType::none) << "datagrams accept no connection";
    EXPECT_EQ(find_service(all, "api")->readiness.type, ProbeType::tcp);
    const auto of_api = listeners_of(all, "api");
    ASSERT_EQ(of_api.size(), 1U) << "by a route";
    EXPECT_EQ(of_api[0].name, "web");
}

TEST(Load, APortOfItsOwnIsProbedWhereNothingElseIsSaid) {
    const Loaded loaded = load(BATON_SOURCE_DIR "/tests/config/good/proxied.toml", "/srv");
    ASSERT_TRUE(loaded.configuration.has_value()) << listing(loaded.problems);
    EXPECT_EQ(loaded.configuration->supervisor.workers, 256U);
    std::map<std::string, model::ProbeType> readiness;
    for (const model::ServiceSpec& service : loaded.configuration->services) {
        EXPECT_EQ(service.delivery, model::Delivery::proxy);
        EXPECT_EQ(service.upstream, service.name == "socket" ? model::Upstream::socket : model::Upstream::port);
        readiness[service.name] = service.readiness.type;
    }
    using model::ProbeType;
    EXPECT_EQ(readiness, (std::map<std::string, ProbeType>{{"port", ProbeType::tcp},
                                                           {"unprobed", ProbeType::none},
                                                           {"asked", ProbeType::http},
                                                           {"socket", ProbeType::http},
                                                           {"alone", ProbeType::tcp}}));
    // Each instance has its own port or socket, so a probe can tell them apart.
    EXPECT_EQ(loaded.notices, Names{});
}

TEST(Load, TheNumberOfWorkersHasLimits) {
    const auto workers = [](const std::string& value) {
        const Loaded loaded = load_text("[supervisor]\nworkers = " + value + "\n", "c", "/");
        return loaded.configuration ? std::to_string(loaded.configuration->supervisor.workers) : loaded.problems.at(0).message;
    };
    EXPECT_EQ(workers("\"auto\""), "0");
    EXPECT_EQ(workers("1"), "1");
    EXPECT_EQ(workers("256"), "256");
    for (const std::string wrong : {"0", "257", "-1", "4294967297"}) {
        EXPECT_EQ(workers(wrong), "supervisor.workers = " + wrong + " is out of range; it must be from 1 to 256");
    }
    EXPECT_EQ(workers("2.0"), "supervisor.workers must be \"auto\" or an integer, not a number with a fraction");
}

TEST(Load, TheEffectiveConfigurationShowsHowAServiceIsReached) {
    const auto shown = [](const std::string& text) {
        const Loaded loaded = load_text(text, "c", "/srv");
        return loaded.configuration ? print(*loaded.configuration) : listing(loaded.problems);
    };
    const auto has = [](const std::string& text, const std::string& part) {
        EXPECT_NE(text.find(part), std::string::npos) << "no " << part << " in:\n" << text;
    };
    const std::string proxied = shown("[service.s]\ncommand = [\"x\"]\ndelivery = \"proxy\"\n");
    has(proxied, "\nworkers = \"auto\"\n");
    has(proxied, "\ndelivery = \"proxy\"\nupstream = \"port\"\n");
    has(proxied, "\n[service.s.readiness]\ntype = \"tcp\"\ninterval = \"1s\"\n");
    const std::string inherited = shown("[supervisor]\nworkers = 3\n[service.s]\ncommand = [\"x\"]\n");
    has(inherited, "\nworkers = 3\n");
    has(inherited, "\ndelivery = \"inherit\"\n");
    EXPECT_EQ(inherited.find("upstream"), std::string::npos) << inherited;
}

TEST(Load, AUnixSocketHasOneName) {
    const auto identity = [](const std::string& path) {
        const Loaded loaded = load_text(
            "[listener.l]\naddress = \"unix:" + path + "\"\nservice = \"s\"\n[service.s]\ncommand = [\"x\"]\n", "c", "/srv");
        return loaded.configuration ? model::identity(loaded.configuration->listeners[0]) : listing(loaded.problems);
    };
    EXPECT_EQ(identity("/x/./s"), "unix:/x/s");
    EXPECT_EQ(identity("//x//y/../s"), "unix:/x/s");
    EXPECT_EQ(identity("../x/s"), "unix:/x/s");
    EXPECT_EQ(identity("./s"), "unix:/srv/s");
    EXPECT_EQ(identity("@x/./s"), "unix:@x/./s");
    EXPECT_EQ(identity("/x/s/.."), "  c:2: listener.l.address is \"/x/\", which names a folder\n");
}

TEST(Load, NoticesTellWhatIsAllowedAndDoubtful) {
    const Loaded loaded = load_text(
        "[listener.u]\naddress = \"127.0.0.1:53\"\nprotocol = \"udp\"\nservice = \"a\"\n"
        "[listener.l]\naddress = \"unix:x\"\nservice = \"a\"\n"
        "[listener.t]\naddress = \"127.0.0.1:81\"\nservice = \"a\"\n"
        "[service.a]\ncommand = [\"x\"]\nreplicas = 2\ndepends_on = [\"b\"]\n"
        "startup = { type = \"tcp\", port = 81 }\n"
        "readiness = { type = \"http\" }\nliveness = { type = \"tcp\", port = 80 }\n"
        "[service.b]\ncommand = [\"x\"]\nenabled = false\n",
        "c", "/");
    ASSERT_TRUE(loaded.configuration.has_value()) << listing(loaded.problems);
    EXPECT_EQ(
        loaded.notices,
        (Names{
            "service a waits for service b, which is not enabled",
            "service.a.readiness: all 2 instances answer at the same unix socket, so the probe cannot tell "
            "them apart; type = \"notify\" can",
            "service.a.liveness: all 2 instances answer at the same port, so the probe cannot tell them "
            "apart; type = \"notify\" can"}));
}

}  // namespace
}  // namespace baton::config
