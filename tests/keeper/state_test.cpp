// What the keeper hands to its own next program.
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "golden.h"
#include "keeper/message.h"
#include "keeper/state.h"

namespace baton::keeper {
namespace {

// An open descriptor of exactly this number.
sys::UniqueFd numbered(int number) {
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_GE(null, 0);
    EXPECT_EQ(::dup3(null, number, O_CLOEXEC), number);
    ::close(null);
    return sys::UniqueFd(number);
}

bool is_open(int number) {
    return ::fcntl(number, F_GETFD) >= 0;
}

Master master(std::uint32_t generation, int descriptors_from) {
    Master value;
    value.generation = generation;
    value.incarnation = 3;
    value.pid = 4242;
    value.pidfd = numbered(descriptors_from);
    value.channel = numbered(descriptors_from + 1);
    value.image = numbered(descriptors_from + 2);
    value.path = "/usr/sbin/batond";
    value.note = R"({"phase":"trial"})";
    value.ready = true;
    value.failures = 2;
    value.heartbeat_timeout = 5000;
    value.started = 123456;
    return value;
}

State full() {
    State state;
    state.arguments = {"-c", "/etc/baton/baton.toml", ""};
    state.masters.emplace(1, master(1, 600));
    state.masters.emplace(2, master(2, 610));
    state.masters.at(2).leaving = true;
    state.masters.at(2).pid = 0;
    state.masters.at(2).pidfd.reset();
    state.masters.at(2).restart_at = 99;
    state.children[7] = Child{4300, numbered(620), false, 0};
    state.children[8] = Child{4301, sys::UniqueFd(), true, 256};
    state.held["listener/tcp4:127.0.0.1:80#0"] = numbered(630);
    state.held["state/counters"] = numbered(631);
    state.owner = 2;
    state.fence = 17;
    state.next_generation = 3;
    state.ever_ready = true;
    return state;
}

// Gives its descriptors away, as the execution of a new program does.
void forget_descriptors(State& state) {
    for (auto& [generation, master] : state.masters) {
        static_cast<void>(master.pidfd.release());
        static_cast<void>(master.channel.release());
        static_cast<void>(master.image.release());
    }
    for (auto& [id, child] : state.children) static_cast<void>(child.pidfd.release());
    for (auto& [name, fd] : state.held) static_cast<void>(fd.release());
    static_cast<void>(state.ready_pipe.release());
}

TEST(KeeperState, IsAsPublished) {
    EXPECT_EQ(test::differs_from_golden_bytes("keeper_state", save(full())), "");
}

TEST(KeeperState, ComesBackWhole) {
    State before = full();
    const std::string bytes = save(before);
    forget_descriptors(before);
    {
        auto loaded = load(bytes);
        ASSERT_TRUE(loaded) << loaded.error().message();
        const State& after = *loaded;
        EXPECT_EQ(after.arguments, before.arguments);
        EXPECT_EQ(after.owner, 2U);
        EXPECT_EQ(after.fence, 17U);
        EXPECT_EQ(after.next_generation, 3U);
        EXPECT_TRUE(after.ever_ready);
        ASSERT_EQ(after.masters.size(), 2U);
        EXPECT_EQ(after.masters.at(1).channel.get(), 601);
        EXPECT_EQ(after.masters.at(1).note, before.masters.at(1).note);
        EXPECT_EQ(after.masters.at(1).incarnation, 3U);
        EXPECT_EQ(after.masters.at(1).heartbeat_timeout, 5000);
        EXPECT_TRUE(after.masters.at(2).leaving);
        EXPECT_FALSE(after.masters.at(2).pidfd.valid());
        EXPECT_EQ(after.masters.at(2).restart_at, 99);
        EXPECT_EQ(after.children.at(7).pidfd.get(), 620);
        EXPECT_TRUE(after.children.at(8).exited);
        EXPECT_EQ(after.children.at(8).status, 256);
        EXPECT_EQ(after.held.at("state/counters").get(), 631);
        EXPECT_EQ(save(after), bytes);
        EXPECT_TRUE(is_open(631));
    }
    EXPECT_FALSE(is_open(631));  // they were its own
    EXPECT_FALSE(is_open(600));
}

// A keeper of an earlier version wrote this.
TEST(KeeperState, OfTheGoldenFileIsRead) {
    auto loaded = load(test::golden_bytes("keeper_state"));
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->masters.size(), 2U);
    EXPECT_EQ(loaded->children.size(), 2U);
    EXPECT_EQ(loaded->held.size(), 2U);
    forget_descriptors(*loaded);
}

TEST(KeeperState, CutAnywhereButBetweenPartsIsRefused) {
    State state = full();
    const std::string bytes = save(state);
    std::size_t whole = 0;
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        auto loaded = load(std::string_view(bytes).substr(0, size));
        if (loaded) {
            ++whole;
            forget_descriptors(*loaded);
        }
        EXPECT_TRUE(is_open(600)) << "what was not taken over is left alone";
    }
    EXPECT_EQ(whole, 8U);  // nothing, the keeper itself, two masters, two children, two descriptors
}

struct Strange {
    static constexpr std::uint16_t type = 200;
    std::uint32_t value = 0;
};

TEST(KeeperState, WithAnUnknownPartIsRefused) {
    const std::string part = pack(Strange{});
    const auto size = static_cast<std::uint32_t>(part.size());
    const std::string bytes = std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + part;
    EXPECT_FALSE(load(bytes));
}

}  // namespace
}  // namespace baton::keeper
