// The codec: what was written comes back; what a later version wrote is read as far as it is understood;
// what is wrong is named. Snapshots of the first version are in tests/golden.
#include "model/codec.h"

#include <gtest/gtest.h>

#include "golden.h"
#include "model/route_table.h"
#include "model/state.h"
#include "model/upgrade.h"
#include "model/views.h"
#include "model/worker.h"

namespace baton::model {
namespace {

ServiceSpec full_spec() {
    ServiceSpec spec;
    spec.name = "web";
    spec.version = "1.2 \"x\"";
    spec.command = {"/srv/web", "--port", ""};
    spec.replicas = 3;
    spec.delivery = Delivery::proxy;
    spec.upstream = Upstream::socket;
    spec.environment = {{"A", "b"}, {"EMPTY", ""}, {"UTF", "\xc3\xa9\n"}};
    spec.directory = "/srv";
    spec.user = "www-data";
    spec.umask = 027;
    spec.limits = {1024, 256ULL << 20, 0.5};
    spec.depends_on = {"db"};
    spec.balance = {"hash", "header:x-user", {{"method", "ring"}}};
    spec.health = {3, 15'000, 20'000, {4, {RetryOn::connect, RetryOn::error, RetryOn::timeout, RetryOn::status_502, RetryOn::status_503, RetryOn::status_504}}};
    spec.timeouts = {1, 2, 3, 4, 5, 6};
    spec.proxy_protocol = ProxyProtocol::v2;
    spec.endpoints = {{"a", {Family::inet4, "192.0.2.1", 80}, 5, 3, 15'000, true, false}, {"", {Family::inet6, "::1", 80}, 1, 0, 1, false, true}};
    spec.startup.type = ProbeType::tcp;
    spec.readiness = {ProbeType::http, "/healthz", 8081, {}, 500, 250, 2, 4, 100};
    spec.liveness = {ProbeType::exec, "/", 0, {"/bin/check", "-q"}, 1000, 1000, 1, 3, 0};
    spec.rollout = {{2, false}, {25, true}, 1000, 60'000, false};
    spec.restart = {RestartPolicy::on_failure, 200, 20'000, 5};
    spec.stop = {3, {"/bin/pre"}, 10'000, 2'000};
    return spec;
}

Service full_service() {
    Service service;
    service.name = "web";
    service.current = 3;
    service.previous = 2;
    service.revisions = {{2, "00", full_spec(), {}}, {3, "01", full_spec(), {{"http", {Family::inet4, "127.0.0.1", 80}, Protocol::http, "web", 511}}}};
    Instance instance;
    instance.service = "web";
    instance.ordinal = 2;
    instance.revision = 3;
    instance.state = InstanceState::stopping;
    instance.since = 1000;
    instance.deadline = 31'000;
    instance.ending = Ending::replace_hung;
    instance.id = 17;
    instance.pid = 4242;
    instance.started = 500;
    instance.was_ready = instance.startup_passed = instance.killed = true;
    instance.restarts = 4;
    instance.failures = 2;
    instance.weight = 9;
    instance.port = 20'017;
    instance.watchdog = 900;
    instance.sockets = {{"tcp4:127.0.0.1:80", 5, false}, {"unix:/run/web", 6, true}};
    instance.status_text = "serving";
    instance.last_exit = "exited 1";
    instance.problem = "readiness probe failed: HTTP 500";
    instance.admin = AdminState::maint;
    service.instances = {instance, Instance{}};
    service.externals = {{2, full_spec().endpoints[1], 55}};
    service.overrides = {{2, AdminState::drain, 7, 66}, {3, AdminState::ready, std::nullopt, 77}};
    service.phase = RolloutPhase::going_back;
    service.rollout_began = 77;
    service.rollout_failures = 3;
    service.rejected = {4, "02", "2", "not ready"};
    service.stopped = service.removed = true;
    service.scale = 6;
    service.as_of = 1001;
    service.servers = ServersState::draining;
    service.servers_deadline = 1002;
    return service;
}

ListenerSpec full_listener() {
    ListenerSpec listener{"http", {Family::inet4, "127.0.0.1", 80}, Protocol::http, "web", 511};
    listener.proxy_protocol = true;
    listener.access_log = "/var/log/access.log";
    listener.routes = {{{"/api", "example.org", "x-version", "2"}, "api"}, {{"/", "", "", ""}, "web"}};
    listener.http = {1, 2, 3, 4, 5, 6, 7, false, Forwarded::both, true, true};
    listener.tls = TlsSpec{"/etc/cert.pem", "/etc/key.pem", TlsVersion::tls13};
    return listener;
}

Configuration full_configuration() {
    Configuration configuration;
    configuration.file = "/etc/baton/baton.toml";
    configuration.prefix = "/etc/baton";
    configuration.supervisor.pid_file = "/run/baton.pid";
    configuration.supervisor.workers = 4;
    configuration.supervisor.log = {LogLevelName::debug, "/var/log/baton.log", LogFormatName::json};
    configuration.supervisor.upgrade = {1, 2, 3, UpgradeMode::automatic};
    configuration.listeners = {{"dns", {Family::inet6, "::1", 53}, Protocol::udp, "web", 16}, {"x", {Family::unix_abstract, "x", 0}, Protocol::tcp, "web", 1}, full_listener()};
    configuration.plugins.directories = {"/usr/lib/baton/plugins"};
    configuration.services = {full_spec()};
    return configuration;
}

Counters full_counters() {
    Counters counters;
    counters.next_child = UINT64_MAX;
    counters.next_revision = 12;
    counters.next_place = 7;
    counters.next_port = 31'999;
    counters.kernel_steering = true;
    counters.stopping = true;
    counters.closing = {{full_configuration().listeners[0], 99}, {full_configuration().listeners[1], never}};
    return counters;
}

Upgrade full_upgrade() {
    Upgrade upgrade;
    upgrade.phase = UpgradePhase::handed;
    upgrade.generation = 4;
    upgrade.since = 10;
    upgrade.deadline = 20;
    upgrade.automatic = true;
    upgrade.soak = 10'000;
    upgrade.binary = "/usr/sbin/batond";
    upgrade.quit_requested = upgrade.confirmed = upgrade.ending = true;
    upgrade.verdict = "committed";
    return upgrade;
}

Gateway full_gateway() {
    Gateway gateway;
    gateway.generation = 4;
    gateway.cores = 16;
    gateway.workers = {{21, 3, 0, 4343, WorkerState::leaving, 1000, 31'000, 23}, {23, 4, 0, 4545, WorkerState::ready, 900, never, 0}, Worker{}};
    gateway.failures = 2;
    gateway.start_at = 1100;
    return gateway;
}

RouteTable full_table() {
    RouteTable table;
    table.revision = UINT64_MAX;
    const ListenerSpec listener = full_listener();
    table.entrances = {{"shared/tcp4:127.0.0.1:80", "http", Protocol::http, true, listener.access_log, listener.http, listener.tls}, {"shared/unix:@db", "db", Protocol::tcp}};
    table.entrances[0].reader = 103;
    table.entrances[0].reader_before = 102;
    table.worker = 104;
    table.tickets = 105;
    Route web;
    web.listener = "shared/tcp4:127.0.0.1:80";
    web.service = "web";
    web.match = listener.routes[0].match;
    web.endpoints = {{17, "web/1", {Family::inet4, "127.0.0.1", 20'017}, 1}, {18, "web/2", {Family::unix_path, "/run/upstream/6", 0}, 19, true, true, true, true, 3, 15'000, 77}};
    web.balance = full_spec().balance;
    web.health = full_spec().health;
    web.timeouts = full_spec().timeouts;
    web.proxy_protocol = ProxyProtocol::v1;
    Route db;
    db.listener = "shared/unix:@db";
    db.service = "db";
    table.routes = {web, db};
    return table;
}

StatusView full_status() {
    StatusView status;
    status.node = {"alpha", "running", 1, 2, 4, "0.2.0", "kernel", "v2", "/etc/baton/baton.toml", 99, "running"};
    status.plugins = {{"sample", "baton.balancer/1", "", "/p/sample.so", "quarantined", "it crashed in pick", ""}};
    status.workers = {{"4.0", 4, 4545, "ready", 100, 3, UINT64_MAX, 1, 5, 6, 7, 8, 9, 10, 11, 12}, {"3.0", 3, 4343, "leaving", 1, 0, 0, 0, 0, 9, 0, 0}};
    return status;
}

template <class T>
void comes_back(const T& value) {
    const auto copy = decode<T>(encode(value));
    ASSERT_TRUE(copy) << copy.error().message();
    EXPECT_EQ(*copy, value);
}

TEST(Codec, GivesBackWhatItWrote) {
    comes_back(full_service());
    comes_back(full_counters());
    comes_back(full_configuration());
    comes_back(full_upgrade());
    comes_back(full_spec());
    comes_back(full_gateway());
    comes_back(full_table());
    comes_back(Order{OrderKind::take, {"a", "b"}, 9});
    comes_back(Confirmation{UINT64_MAX, true, {"a"}, 7});
    comes_back(Service{});
    comes_back(Counters{});
    comes_back(Configuration{});
    comes_back(Upgrade{});
    comes_back(Gateway{});
    comes_back(RouteTable{});
    comes_back(Order{});
}

// The first version's snapshots: read, and written again as they were.
template <class T>
void is_golden(const std::string& name, const T& value) {
    EXPECT_EQ(test::differs_from_golden_text(name, encode(value) + "\n"), "");
    const auto read = decode<T>(test::golden_text(name));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, value);
}

TEST(Codec, WritesWhatIsPublished) {
    is_golden("service.json", full_service());
    is_golden("counters.json", full_counters());
    is_golden("configuration.json", full_configuration());
    is_golden("upgrade.json", full_upgrade());
    is_golden("gateway.json", full_gateway());
}

// What a master and a worker of another version say to each other.
TEST(Codec, WritesWhatWorkersRead) {
    is_golden("route_table.json", full_table());
    is_golden("order_listeners.json", Order{OrderKind::listeners, {"shared/tcp4:127.0.0.1:80", "shared/unix:@db"}});
    is_golden("order_table.json", Order{OrderKind::table, {}});
    is_golden("order_give.json", Order{OrderKind::give, {}, 12});
    is_golden("order_take.json", Order{OrderKind::take, {}});
    is_golden("order_leave.json", Order{OrderKind::leave, {}});
    is_golden("confirmation.json", Confirmation{UINT64_MAX});
}

TEST(Codec, ShowsTheWorkers) {
    const std::string text = encode(full_status());
    EXPECT_EQ(test::differs_from_golden_text("status.json", text + "\n"), "");
    const auto read = decode<StatusView>(text);
    ASSERT_TRUE(read) << read.error().message();
    ASSERT_EQ(read->workers.size(), 2U);
    EXPECT_EQ(read->workers[0].accepted, UINT64_MAX);
    EXPECT_EQ(read->workers[1].given, 9U);
}

// Snapshots of the versions before there was a gateway: their instances inherit, and their masters had no workers.
TEST(Codec, ReadsWhatWasWrittenBeforeThereWereWorkers) {
    const auto service = decode<Service>(test::golden_text("before_workers_service.json"));
    ASSERT_TRUE(service) << service.error().message();
    ServiceSpec spec = full_spec();
    const ServiceSpec later;
    spec.delivery = Delivery::inherit;
    spec.upstream = Upstream::port;
    spec.balance = {"ip_hash", "client_ip", {}};
    spec.health = later.health;
    spec.timeouts = later.timeouts;
    spec.proxy_protocol = later.proxy_protocol;
    spec.endpoints = {};
    ASSERT_EQ(service->revisions.size(), 2U);
    EXPECT_EQ(service->revisions[1].spec, spec);
    EXPECT_EQ(service->instances.at(0).port, 0);
    EXPECT_EQ(service->instances.at(0).sockets, (std::vector<InstanceSocket>{{"tcp4:127.0.0.1:80", 5, false}}));
    const auto counters = decode<Counters>(test::golden_text("before_workers_counters.json"));
    ASSERT_TRUE(counters);
    EXPECT_EQ(counters->next_port, 0);
    const auto configuration = decode<Configuration>(test::golden_text("before_workers_configuration.json"));
    ASSERT_TRUE(configuration);
    EXPECT_EQ(configuration->supervisor.workers, 0U);
    EXPECT_EQ(configuration->services.at(0).delivery, Delivery::inherit);
}

TEST(Codec, KeepsTheDefaultOfWhatIsAbsent) {
    const auto upgrade = decode<Upgrade>("{}");
    ASSERT_TRUE(upgrade);
    EXPECT_EQ(*upgrade, Upgrade{});
    const auto spec = decode<ServiceSpec>(R"({"name":"web","stop":{"signal":3}})");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->name, "web");
    EXPECT_EQ(spec->replicas, 1U);
    EXPECT_EQ(spec->stop.signal, 3);
    EXPECT_EQ(spec->stop.drain_timeout, 30'000);
}

TEST(Codec, DropsWhatIsUnknown) {
    const auto counters = decode<Counters>(R"({"next_child":5,"of_a_later_version":{"a":[1,2]},"closing":[{"spec":{"name":"x","new":1}}]})");
    ASSERT_TRUE(counters);
    EXPECT_EQ(counters->next_child, 5U);
    ASSERT_EQ(counters->closing.size(), 1U);
    EXPECT_EQ(counters->closing[0].spec.name, "x");
}

struct Wrong {
    std::string json;
    std::string path;
};

class WrongService : public testing::TestWithParam<Wrong> {};

TEST_P(WrongService, IsRefusedByItsPath) {
    const auto service = decode<Service>(GetParam().json);
    ASSERT_FALSE(service);
    EXPECT_EQ(service.error().message().substr(0, GetParam().path.size() + 1), GetParam().path + ":") << service.error().message();
}

INSTANTIATE_TEST_SUITE_P(
    Codec, WrongService,
    testing::Values(Wrong{"[]", "document"}, Wrong{R"({"name":1})", ".name"}, Wrong{R"({"current":"1"})", ".current"},
                    Wrong{R"({"current":-1})", ".current"}, Wrong{R"({"current":1.5})", ".current"}, Wrong{R"({"scale":4294967296})", ".scale"},
                    Wrong{R"({"stopped":1})", ".stopped"}, Wrong{R"({"phase":"upside_down"})", ".phase"}, Wrong{R"({"phase":2})", ".phase"},
                    Wrong{R"({"instances":{}})", ".instances"}, Wrong{R"({"instances":[{},{"state":null}]})", ".instances[1].state"},
                    Wrong{R"({"revisions":[{"spec":{"environment":{"A":1}}}]})", ".revisions[0].spec.environment.A"},
                    Wrong{R"({"revisions":[{"spec":{"limits":[]}}]})", ".revisions[0].spec.limits"},
                    Wrong{R"({"rejected":"no"})", ".rejected"}, Wrong{R"({"name":null})", ".name"}));

TEST(Codec, NumbersAreTheSameHoweverOftenTheyAreRead) {
    for (const char* cores : {"0.1", "1.0000000000000002", "0.30000000000000004", "5.000000000000001E71", "4.9406564584124654E-320", "1E300"}) {
        const auto once = decode<Service>(R"({"revisions":[{"spec":{"limits":{"cpu":)" + std::string(cores) + "}}}]}");
        ASSERT_TRUE(once) << cores;
        const auto twice = decode<Service>(encode(*once));
        ASSERT_TRUE(twice) << cores;
        EXPECT_EQ(once->revisions[0].spec.limits.cpu, twice->revisions[0].spec.limits.cpu) << cores;
    }
    EXPECT_FALSE(decode<Service>(R"({"revisions":[{"spec":{"limits":{"cpu":1.7976931348623158E308}}}]})")) << "nothing is infinite";
}

TEST(Codec, RefusesWhatIsNotJson) {
    EXPECT_FALSE(decode<Service>(""));
    EXPECT_FALSE(decode<Service>("{"));
    EXPECT_FALSE(decode<Service>("{} {}"));
    EXPECT_FALSE(decode<Service>(std::string(10'000, '[')));
}

}  // namespace
}  // namespace baton::model
