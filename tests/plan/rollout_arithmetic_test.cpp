// How many instances a rollover may add and take away, seen from outside: Kubernetes' arithmetic, with
// the vectors of its documentation (25 % and 25 %).
#include <gtest/gtest.h>

#include "compact.h"
#include "plan/step.h"

namespace baton::plan::test {
namespace {

using namespace model;

struct Vector {
    std::uint32_t replicas;
    std::string surge;
    std::string unavailable;
    std::uint32_t expected_surge;
    std::uint32_t expected_unavailable;
};

State settled(const Vector& vector, Configuration& configuration) {
    State state;
    configuration = *parse_compact({"service web version=1 replicas=" + std::to_string(vector.replicas) + " surge=" + vector.surge +
                                    " unavailable=" + vector.unavailable});
    step(state, Configured{configuration, false}, 0);
    const auto instances = state.services.at("web").instances;
    for (const Instance& instance : instances) step(state, ChildStarted{instance.id, 1}, 0);
    return state;
}

class RolloutArithmetic : public testing::TestWithParam<Vector> {};

// At the first step of a rollover there are as many as the surge allows, and as many are told to go as may
// be unavailable. As in Kubernetes, one that was told to go does not count any more.
TEST_P(RolloutArithmetic, IsThatOfKubernetes) {
    Configuration configuration;
    State state = settled(GetParam(), configuration);
    ASSERT_EQ(ready_count(state.services.at("web")), GetParam().replicas);
    configuration.services[0].version = "2";
    step(state, Configured{configuration, false}, 1000);
    std::uint32_t live = 0;
    std::uint32_t told_to_go = 0;
    for (const Instance& instance : state.services.at("web").instances) ++(instance.ending == Ending::remove ? told_to_go : live);
    EXPECT_EQ(live, GetParam().replicas + GetParam().expected_surge);
    EXPECT_EQ(told_to_go, GetParam().expected_unavailable);
}

INSTANTIATE_TEST_SUITE_P(Plan, RolloutArithmetic,
                         testing::Values(Vector{1, "25%", "25%", 1, 0}, Vector{3, "25%", "25%", 1, 0}, Vector{4, "25%", "25%", 1, 1},
                                         Vector{5, "25%", "25%", 2, 1}, Vector{10, "25%", "25%", 3, 2}, Vector{4, "0", "0", 0, 1},
                                         Vector{2, "2", "0", 2, 0}, Vector{3, "0", "2", 0, 2}, Vector{3, "100%", "0%", 3, 0}),
                         [](const auto& vector) {
                             return "of_" + std::to_string(vector.param.replicas) + "_case_" + std::to_string(vector.index);
                         });

}  // namespace
}  // namespace baton::plan::test
