// Which worker reads the datagrams of a listener, and what the table tells it of instances on their way out.
#include <gtest/gtest.h>

#include <map>

#include "plan/routes.h"
#include "plan/workers.h"

namespace baton::plan::test {
namespace {

using namespace model;

Worker worker(std::uint64_t id, std::uint32_t generation, std::uint32_t number, WorkerState state = WorkerState::ready) {
    Worker made;
    made.id = id;
    made.generation = generation;
    made.number = number;
    made.state = state;
    return made;
}

class WhoReads : public testing::Test {
  protected:
    void SetUp() override {
        listener_.name = "dns";
        listener_.protocol = Protocol::udp;
        listener_.address = {Family::inet4, "127.0.0.1", 53};
        listener_.service = "dns";
        Service service;
        service.name = "dns";
        service.current = 1;
        Revision revision;
        revision.number = 1;
        revision.spec.name = "dns";
        revision.spec.delivery = Delivery::proxy;
        revision.listeners = {listener_};
        service.revisions = {revision};
        state_.services["dns"] = service;
        state_.configuration.listeners = {listener_};
        state_.configuration.supervisor.workers = 1;
        state_.gateway.generation = 1;
    }
    void add_instance(std::uint64_t id, InstanceState state, std::uint32_t weight = 1) {
        Instance instance;
        instance.service = "dns";
        instance.revision = 1;
        instance.id = id;
        instance.state = state;
        instance.weight = weight;
        instance.port = static_cast<std::uint16_t>(20'000 + id);
        state_.services["dns"].instances.push_back(instance);
    }
    Entrance entrance() const { return routes(state_).entrances.at(0); }

    ListenerSpec listener_;
    State state_;
};

TEST_F(WhoReads, NobodyReadsUntilAWorkerIsReady) {
    EXPECT_EQ(entrance().reader, UINT64_MAX);
    state_.gateway.workers = {worker(5, 1, 0, WorkerState::starting)};
    EXPECT_EQ(entrance().reader, UINT64_MAX);
    state_.gateway.workers[0].state = WorkerState::ready;
    EXPECT_EQ(entrance().reader, 5U);
    EXPECT_EQ(entrance().reader_before, 0U);
}

TEST_F(WhoReads, TheOldOneReadsUntilItLeavesAndTheNextBeginsWithItsFlows) {
    state_.gateway.generation = 2;
    state_.gateway.workers = {worker(5, 1, 0), worker(9, 2, 0)};
    EXPECT_EQ(entrance().reader, 5U);
    state_.gateway.workers[0].state = WorkerState::leaving;
    state_.gateway.workers[0].heir = 9;
    EXPECT_EQ(entrance().reader, 9U);
    EXPECT_EQ(entrance().reader_before, 5U);
    state_.gateway.workers.erase(state_.gateway.workers.begin());
    EXPECT_EQ(entrance().reader, 9U);
    EXPECT_EQ(entrance().reader_before, 0U);
}

// One more worker takes its share of the listeners, and changes nothing for the others.
TEST_F(WhoReads, AnotherNumberOfWorkersMovesFewListeners) {
    std::map<std::uint32_t, std::map<std::uint64_t, int>> readers;  // by number of workers: listeners of each
    int moved = 0;
    for (std::uint16_t port = 1; port <= 1'000; ++port) {
        listener_.address.port = port;
        std::uint64_t before = 0;
        for (std::uint32_t count = 4; count <= 5; ++count) {
            state_.configuration.supervisor.workers = count;
            state_.gateway.workers.clear();
            for (std::uint32_t number = 0; number < count; ++number) state_.gateway.workers.push_back(worker(number + 1, 1, number));
            const std::uint64_t reader = readers_of(state_, identity(listener_)).now;
            ++readers[count][reader];
            if (count == 5 && reader != before) {
                ++moved;
                EXPECT_EQ(reader, 5U);
            }
            before = reader;
        }
    }
    EXPECT_EQ(moved, readers[5][5]);
    for (std::uint64_t id = 1; id <= 4; ++id) EXPECT_NEAR(readers[4][id], 250, 75);
    for (std::uint64_t id = 1; id <= 5; ++id) EXPECT_NEAR(readers[5][id], 200, 75);
}

TEST_F(WhoReads, ClientsOfDatagramsMayStayWithOneThatDrains) {
    add_instance(7, InstanceState::ready);
    add_instance(8, InstanceState::draining);
    add_instance(9, InstanceState::stopping);
    add_instance(10, InstanceState::ready, 0);
    add_instance(11, InstanceState::unready);
    const auto endpoints = routes(state_).routes.at(0).endpoints;
    ASSERT_EQ(endpoints.size(), 3U);
    EXPECT_TRUE(endpoints[0].id == 7 && !endpoints[0].draining);
    EXPECT_TRUE(endpoints[1].id == 8 && endpoints[1].draining);
    EXPECT_TRUE(endpoints[2].id == 10 && endpoints[2].draining);
    // A connection holds its client by itself.
    state_.configuration.listeners[0].protocol = Protocol::tcp;
    EXPECT_EQ(routes(state_).routes.at(0).endpoints.size(), 2U);
}

}  // namespace
}  // namespace baton::plan::test
