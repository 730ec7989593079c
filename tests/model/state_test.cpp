#include "model/state.h"

#include <functional>

#include <gtest/gtest.h>

namespace baton::model {
namespace {

ServiceSpec base_spec() {
    ServiceSpec spec;
    spec.name = "web";
    spec.version = "1";
    spec.command = {"/srv/web"};
    spec.environment = {{"A", "b"}};
    return spec;
}

const std::vector<ListenerSpec> listeners{{"http", {Family::inet4, "127.0.0.1", 80}, Protocol::http, "web", 1024},
                                          {"tls", {Family::inet4, "127.0.0.1", 443}, Protocol::tcp, "web", 1024}};

struct Change {
    std::string name;
    std::function<void(ServiceSpec&, std::vector<ListenerSpec>&)> make;
};

std::string digest_after(const Change& change) {
    ServiceSpec spec = base_spec();
    auto list = listeners;
    change.make(spec, list);
    return revision_digest(spec, list);
}

class NewProcess : public testing::TestWithParam<Change> {};

TEST_P(NewProcess, HasANewDigest) {
    EXPECT_NE(digest_after(GetParam()), revision_digest(base_spec(), listeners));
}

INSTANTIATE_TEST_SUITE_P(
    Digest, NewProcess,
    testing::Values(Change{"version", [](auto& s, auto&) { s.version = "2"; }}, Change{"command", [](auto& s, auto&) { s.command.push_back("-v"); }},
                    Change{"command_split", [](auto& s, auto&) { s.command = {"/srv", "web"}; }},
                    Change{"environment", [](auto& s, auto&) { s.environment["A"] = "c"; }}, Change{"directory", [](auto& s, auto&) { s.directory = "/"; }},
                    Change{"user", [](auto& s, auto&) { s.user = "nobody"; }}, Change{"umask", [](auto& s, auto&) { s.umask = 077; }},
                    Change{"limits", [](auto& s, auto&) { s.limits.nofile = 9; }},
                    Change{"runtime", [](auto& s, auto&) { s.runtime = Runtime::external; }},
                    Change{"watchdog", [](auto& s, auto&) { s.liveness.type = ProbeType::notify; }},
                    Change{"listener_address", [](auto&, auto& l) { l[0].address.port = 81; }},
                    Change{"listener_protocol", [](auto&, auto& l) { l[1].protocol = Protocol::udp; }},
                    Change{"listener_added", [](auto&, auto& l) { l.push_back({"x", {Family::unix_path, "/run/x", 0}, Protocol::tcp, "web", 1}); }},
                    Change{"listener_removed", [](auto&, auto& l) { l.pop_back(); }}),
    [](const auto& change) { return change.param.name; });

class SameProcess : public testing::TestWithParam<Change> {};

TEST_P(SameProcess, KeepsItsDigest) {
    EXPECT_EQ(digest_after(GetParam()), revision_digest(base_spec(), listeners));
}

INSTANTIATE_TEST_SUITE_P(
    Digest, SameProcess,
    testing::Values(Change{"nothing", [](auto&, auto&) {}}, Change{"replicas", [](auto& s, auto&) { s.replicas = 7; }},
                    Change{"depends_on", [](auto& s, auto&) { s.depends_on = {"db"}; }}, Change{"enabled", [](auto& s, auto&) { s.enabled = false; }},
                    Change{"balance", [](auto& s, auto&) { s.balance.strategy = "hash"; }},
                    Change{"health", [](auto& s, auto&) { s.health.max_fails = 7; }},
                    Change{"timeouts", [](auto& s, auto&) { s.timeouts.connect = 1; }},
                    Change{"proxy_protocol", [](auto& s, auto&) { s.proxy_protocol = ProxyProtocol::v2; }},
                    Change{"readiness", [](auto& s, auto&) { s.readiness.type = ProbeType::http; }},
                    Change{"rollout", [](auto& s, auto&) { s.rollout.deadline = 1; }}, Change{"restart", [](auto& s, auto&) { s.restart.limit = 1; }},
                    Change{"stop", [](auto& s, auto&) { s.stop.kill_timeout = 1; }},
                    Change{"backlog", [](auto&, auto& l) { l[0].backlog = 1; }},
                    Change{"listener_order", [](auto&, auto& l) { std::swap(l[0], l[1]); }}),
    [](const auto& change) { return change.param.name; });

// Instances would be replaced for nothing when the supervisor is upgraded.
TEST(Digest, StaysWhatItIsInLaterVersions) {
    EXPECT_EQ(revision_digest(base_spec(), listeners), "bb885349e71573ca");
}

TEST(Digest, OfAProgramThatBindsAPortIsNotOfListeners) {
    ServiceSpec spec = base_spec();
    spec.delivery = Delivery::proxy;
    EXPECT_EQ(revision_digest(spec, listeners), revision_digest(spec, {}));
    spec.upstream = Upstream::socket;
    EXPECT_NE(revision_digest(spec, listeners), revision_digest(spec, {}));
}

TEST(Digest, OfAnExternalServiceIsAlwaysTheSame) {
    ServiceSpec spec = base_spec();
    spec.runtime = Runtime::external;
    const std::string before = revision_digest(spec, listeners);
    spec.version = "other";
    spec.endpoints.push_back({});
    EXPECT_EQ(revision_digest(spec, {}), before);
}

TEST(External, ServersHaveNumbersOfTheirOwn) {
    const Address one{Family::inet4, "192.0.2.1", 80};
    EXPECT_EQ(external_id("web", one), 14689499882110700404U) << "other versions count by it too";
    EXPECT_NE(external_id("web", one), external_id("api", one));
    EXPECT_NE(external_id("web", one), external_id("web", {Family::inet4, "192.0.2.1", 81}));
    EXPECT_EQ(external_id("web", one) >> 63, 1U);
}

TEST(Replicas, AreTheOperatorsOrTheConfigurations) {
    Service service;
    EXPECT_EQ(wanted_replicas(service), 0U);  // no revision
    service.revisions = {{1, "", base_spec(), {}}, {2, "", base_spec(), {}}};
    service.revisions[1].spec.replicas = 5;
    service.current = 2;
    EXPECT_EQ(wanted_replicas(service), 5U);
    service.scale = 2;
    EXPECT_EQ(wanted_replicas(service), 2U);
    EXPECT_EQ(find_revision(service, 1), &service.revisions[0]);
    EXPECT_EQ(find_revision(service, 3), nullptr);
}

}  // namespace
}  // namespace baton::model
