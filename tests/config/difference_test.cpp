#include <gtest/gtest.h>

#include "config/difference.h"
#include "config/load.h"
#include "marked.h"

namespace baton::config {
namespace {

model::Configuration read(const std::string& text) {
    const Loaded loaded = load_text(text, "c", "/srv");
    if (!loaded.configuration) throw std::runtime_error(listing(loaded.problems));
    return *loaded.configuration;
}

const std::string base =
    "[listener.web]\naddress = \"127.0.0.1:80\"\nservice = \"web\"\n"
    "[listener.alt]\naddress = \"127.0.0.1:81\"\nservice = \"web\"\n"
    "[service.web]\ncommand = [\"x\"]\n[service.db]\ncommand = [\"db\"]\n";

using Sentences = std::vector<std::string>;

TEST(Difference, OfEqualConfigurationsIsEmpty) {
    const Difference same = difference(read(base), read(base));
    EXPECT_TRUE(same.empty());
    EXPECT_TRUE(same.describe().empty());
}

TEST(Difference, OrderAndLinesDoNotCount) {
    const auto swapped = read(
        "[service.db]\ncommand = [\"db\"]\n[service.web]\ncommand = [\"x\"]\n"
        "[listener.alt]\naddress = \"127.0.0.1:81\"\nservice = \"web\"\n"
        "[listener.web]\naddress = \"localhost:80\"\nservice = \"web\"\n");
    EXPECT_TRUE(difference(read(base), swapped).empty());
}

TEST(Difference, ListenersAreComparedByIdentity) {
    const auto fresh = read(
        "[listener.renamed]\naddress = \"127.0.0.1:80\"\nservice = \"web\"\nbacklog = 9\n"
        "[listener.alt]\naddress = \"127.0.0.1:82\"\nservice = \"web\"\n"
        "[service.web]\ncommand = [\"x\"]\n[service.db]\ncommand = [\"db\"]\n");
    const Difference found = difference(read(base), fresh);
    EXPECT_EQ(found.listeners.added, Sentences{"tcp4:127.0.0.1:82"});
    EXPECT_EQ(found.listeners.removed, Sentences{"tcp4:127.0.0.1:81"});
    ASSERT_EQ(found.listeners.changed.size(), 1U);
    EXPECT_EQ(found.listeners.changed[0].name, "tcp4:127.0.0.1:80");
    EXPECT_EQ(found.listeners.changed[0].keys, (Sentences{"name", "backlog"}));
    EXPECT_TRUE(found.services.empty());
    EXPECT_EQ(found.describe(),
              (Sentences{"listener tcp4:127.0.0.1:82 is new", "listener tcp4:127.0.0.1:81 is gone",
                         "listener tcp4:127.0.0.1:80 changed: name, backlog"}));
}

TEST(Difference, ServicesAreComparedByName) {
    const auto fresh = read(
        "[listener.web]\naddress = \"127.0.0.1:80\"\nservice = \"web\"\n"
        "[listener.alt]\naddress = \"127.0.0.1:81\"\nservice = \"web\"\n"
        "[service.web]\ncommand = [\"y\"]\nreplicas = 2\nstop = { signal = \"INT\" }\n"
        "[service.cache]\ncommand = [\"c\"]\n");
    EXPECT_EQ(difference(read(base), fresh).describe(),
              (Sentences{"service cache is new", "service db is gone",
                         "service web changed: command, replicas, stop"}));
}

TEST(Difference, OfExternalServersIsThatOfTheirEndpoints) {
    const auto with = [](const std::string& endpoints) {
        return read("[listener.web]\naddress = \"127.0.0.1:80\"\nprotocol = \"http\"\nservice = \"old\"\n"
                    "[service.old]\nruntime = \"external\"\nendpoints = [" + endpoints + "]\n");
    };
    const auto before = with("{ address = \"192.0.2.1:80\" }");
    EXPECT_TRUE(difference(before, with("{ address = \"192.0.2.1:80\", weight = 1 }")).empty());
    EXPECT_EQ(difference(before, with("{ address = \"192.0.2.1:80\", down = true }")).describe(), Sentences{"service old changed: endpoints"});
}

TEST(Difference, SettingsOfTheSupervisorApplyAtOnceOrLater) {
    const auto fresh = read(
        "[supervisor]\npid_file = \"p\"\nruntime_dir = \"r\"\nstate_dir = \"s\"\nlog = { level = \"debug\" "
        "}\n"
        "upgrade = { soak = \"1s\", mode = \"auto\" }\n[admin]\nsocket = \"a\"\n[plugins]\ndirectories = [\"p\"]\n" +
        base);
    const Difference found = difference(read(base), fresh);
    EXPECT_EQ(found.postponed, (Sentences{"supervisor.pid_file", "supervisor.runtime_dir",
                                          "supervisor.state_dir", "admin.socket"}));
    EXPECT_EQ(found.applied,
              (Sentences{"plugins.directories", "supervisor.log.level", "supervisor.upgrade.soak", "supervisor.upgrade.mode"}));
    EXPECT_FALSE(found.empty());
    EXPECT_EQ(found.describe().front(), "plugins.directories changed");
    EXPECT_EQ(found.describe().back(),
              "admin.socket changed: it keeps its old value until Baton is restarted");
}

TEST(Difference, AnotherUserIsAnotherServiceDefinition) {
    const Difference found = difference(read(base), read("[supervisor]\nuser = \"baton\"\n" + base));
    EXPECT_EQ(found.describe(), (Sentences{"service web changed: user", "service db changed: user",
                                           "supervisor.user changed"}));
}

}  // namespace
}  // namespace baton::config
