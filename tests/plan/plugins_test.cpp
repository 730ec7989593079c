// A plugin that ended a worker, or does not come back, is set aside; nothing else is.
#include "plan/plugins.h"

#include <csignal>

#include <gtest/gtest.h>

#include "model/balancer.h"
#include "plan/routes.h"
#include "plan/step.h"

namespace baton::plan {
namespace {

constexpr std::uint64_t own = 0x1000;
constexpr std::uint64_t in_pick = own | static_cast<std::uint64_t>(model::PluginCall::pick);

// A state with one worker that serves, and two plugins in force.
model::State serving() {
    model::State state;
    model::Worker worker;
    worker.id = 7;
    worker.state = model::WorkerState::ready;
    state.gateway.workers.push_back(worker);
    state.gateway.plugins = {{own, "own.so", {"own"}, ""}, {0x2000, "other.so", {"other"}, ""}};
    return state;
}

std::string quarantined(const model::State& state) {
    std::string all;
    for (const model::PluginRef& plugin : state.gateway.plugins) all += plugin.file + ": " + plugin.quarantined + "\n";
    return all;
}

std::size_t announced(const Outcome& outcome, const std::string& kind) {
    std::size_t count = 0;
    for (const model::Action& action : outcome.actions) {
        const auto* said = std::get_if<model::Announce>(&action);
        if (said != nullptr && said->kind == kind) ++count;
    }
    return count;
}

TEST(Plugins, OneThatCrashesIsSetAside) {
    model::State state = serving();
    const Outcome outcome = step(state, model::ChildExited{7, SIGSEGV, in_pick}, 1'000);
    EXPECT_EQ(quarantined(state), "own.so: crashed in pick\nother.so: \n");
    EXPECT_EQ(announced(outcome, "plugin.quarantined"), 1U);
    EXPECT_EQ(routes(state).plugins, state.gateway.plugins);
}

TEST(Plugins, OneThatEndsTheProcessIsSetAside) {
    model::State state = serving();
    step(state, model::ChildExited{7, 0, in_pick}, 1'000);
    EXPECT_EQ(quarantined(state), "own.so: crashed in pick\nother.so: \n");
}

TEST(Plugins, WhoIsKilledInItIsNotItsFault) {
    model::State state = serving();
    step(state, model::ChildExited{7, SIGKILL, in_pick}, 1'000);
    EXPECT_EQ(quarantined(state), "own.so: \nother.so: \n");
}

TEST(Plugins, ACrashElsewhereIsNotItsFault) {
    model::State state = serving();
    step(state, model::ChildExited{7, SIGSEGV, 0}, 1'000);
    EXPECT_EQ(quarantined(state), "own.so: \nother.so: \n");
}

TEST(Plugins, OneThatDoesNotComeBackIsSetAsideOnce) {
    model::State state = serving();
    const Outcome hung = step(state, model::WorkerHung{7, in_pick}, 1'000);
    EXPECT_EQ(quarantined(state), "own.so: does not come back from pick\nother.so: \n");
    EXPECT_EQ(announced(hung, "plugin.quarantined"), 1U);
    const Outcome ended = step(state, model::ChildExited{7, SIGKILL, in_pick}, 1'100);
    EXPECT_EQ(announced(ended, "plugin.quarantined"), 0U);
}

TEST(Plugins, ItStaysSoUntilItIsAnotherFile) {
    model::State state = serving();
    step(state, model::ChildExited{7, SIGSEGV, in_pick}, 1'000);
    step(state, model::PluginsChosen{{{own, "moved.so", {"own"}, ""}}}, 2'000);
    EXPECT_EQ(quarantined(state), "moved.so: crashed in pick\n");
    const Outcome next = step(state, model::PluginsChosen{{{0x3000, "moved.so", {"own"}, ""}}}, 3'000);
    EXPECT_EQ(quarantined(state), "moved.so: \n");
    EXPECT_EQ(announced(next, "plugin.used"), 1U);
}

}  // namespace
}  // namespace baton::plan
