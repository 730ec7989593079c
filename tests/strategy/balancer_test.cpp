// A plugin's balancer as the data plane sees it: its options, its faults, its breadcrumb, its end.
#include "strategy/balancer.h"

#include <csignal>
#include <new>

#include <gtest/gtest.h>

#include "pool.h"
#include "samples.h"
#include "base/time.h"
#include "sys/mapping.h"

namespace baton::strategy {
namespace {

using test::load;
using test::sample;
using test::TestPool;

Result<std::unique_ptr<model::Balancer>> make(const std::string& name, const model::StrategyOptions& options = {}, PluginLog log = {}) {
    return make_balancer(load(sample(name)), "sample", options, nullptr, std::move(log));
}

std::string error_of(const model::StrategyOptions& options) {
    const auto made = make("good", options);
    return made ? "" : made.error().message();
}

TEST(Balancer, OptionsAreReadByTheSchema) {
    EXPECT_EQ(error_of({{"flag", "false"}, {"integer", "10"}, {"number", "2"}, {"duration", "1m"}, {"text", ""}, {"choice", "two"}}), "");
    EXPECT_EQ(error_of({{"flag", "yes"}}), "strategy sample: option flag: 'yes' is not true or false");
    EXPECT_EQ(error_of({{"integer", "1.5"}}), "strategy sample: option integer: '1.5' is no whole number");
    EXPECT_EQ(error_of({{"integer", "11"}}), "strategy sample: option integer: must be from 1 to 10");
    EXPECT_EQ(error_of({{"number", "nan"}}), "strategy sample: option number: 'nan' is no number");
    EXPECT_EQ(error_of({{"duration", "5"}}), "strategy sample: option duration: " + parse_duration("5").error().message());
    EXPECT_EQ(error_of({{"duration", "2m"}}), "strategy sample: option duration: must be from 1ms to 1m");
    EXPECT_EQ(error_of({{"choice", "three"}}), "strategy sample: option choice: 'three' is not one of one|two");
    EXPECT_EQ(error_of({{"choice", "on"}}), "strategy sample: option choice: 'on' is not one of one|two");
    EXPECT_EQ(error_of({{"colour", "red"}, {"integer", "x"}}),
              "strategy sample: option integer: 'x' is no whole number; there is no option colour (it has flag, integer, number, "
              "duration, text, choice)");
    const auto refused = make("good", {{"choice", "two"}, {"integer", "9"}});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("refuses its options: two does not go with 9"), std::string::npos) << refused.error().message();
}

TEST(Balancer, ANameThatItDoesNotHaveIsAnError) {
    const auto made = make_balancer(load(sample("good")), "simple", {}, nullptr, {});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message(), sample("good") + " has no balancer simple");
}

TEST(Balancer, NonsenseIsCountedAndAnotherIsTaken) {
    TestPool pool(std::move(*make("nonsense")));
    EXPECT_EQ(pool.pick(), model::nobody);  // nothing assigned yet
    pool.assign(TestPool::weighted({1, 1, 0, 1}));
    EXPECT_EQ(pool.picks(6), "abdabd");
    EXPECT_EQ(pool.balancer().faults(), 6U);
    pool.live().set_usable(0, false);
    EXPECT_EQ(pool.picks(4), "bdbd");
    pool.tried = {0b0010};
    EXPECT_EQ(pool.picks(2), "dd");
    pool.tried = {0b1010};
    EXPECT_EQ(pool.picks(1), "-");
}

TEST(Balancer, BackupsStandInForNonsenseLast) {
    TestPool pool(std::move(*make("nonsense")));
    auto members = TestPool::weighted({1, 1, 1});
    members[0].backup = true;
    members[1].down = true;
    pool.assign(members);
    EXPECT_EQ(pool.picks(2), "cc");
    pool.live().set_usable(2, false);
    EXPECT_EQ(pool.picks(2), "aa");
}

TEST(Balancer, OneThatIsNotUsableIsNotPickedWhateverThePluginSays) {
    TestPool pool(std::move(*make("picks_unusable")));
    pool.assign(TestPool::weighted({1, 1}));
    EXPECT_EQ(pool.picks(2), "aa");
    EXPECT_EQ(pool.balancer().faults(), 0U);
    pool.live().set_usable(0, false);
    EXPECT_EQ(pool.picks(2), "bb");
    EXPECT_EQ(pool.balancer().faults(), 2U);
}

TEST(Balancer, OnARefusalTheOldEndpointsStay) {
    TestPool pool(std::move(*make("choosy")));
    pool.assign(TestPool::weighted({1, 1}));
    const auto refused = pool.try_assign(TestPool::weighted({1, 1, 1, 1, 1, 1}));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("refuses its endpoints: five are enough"), std::string::npos);
    EXPECT_EQ(pool.picks(1), "a");
    EXPECT_FALSE(pool.try_assign(TestPool::weighted(std::vector<std::uint32_t>(4097, 1))));
}

TEST(Balancer, ItsWordsAreLoggedWithItsName) {
    std::string logged;
    const auto made = make("good", {{"integer", "8"}}, [&](LogLevel level, std::string_view plugin, std::string_view line) {
        EXPECT_EQ(level, LogLevel::warning);
        logged += std::string(plugin) + ": " + std::string(line);
    });
    ASSERT_TRUE(made);
    EXPECT_EQ(logged, "sample: 8 is a lot");
}

// The process that picks crashes; whoever looks at the breadcrumb knows in whose code.
TEST(BalancerDeathTest, TheBreadcrumbNamesWhoCrashed) {
    auto file = sys::memory("crumb", sizeof(model::Breadcrumb));
    ASSERT_TRUE(file);
    ASSERT_TRUE(sys::seal_size(*file));
    const auto mapping = sys::Mapping::map(*file);
    ASSERT_TRUE(mapping);
    auto* const crumb = new (mapping->bytes().data()) model::Breadcrumb;
    const auto plugin = load(sample("crash"));
    EXPECT_EXIT(
        {
            TestPool pool(std::move(*make_balancer(plugin, "sample", {}, crumb, {})));
            pool.assign(TestPool::weighted(std::vector<std::uint32_t>(10, 1)));
            std::signal(SIGSEGV, SIG_DFL);
            pool.pick();
        },
        testing::KilledBySignal(SIGSEGV), "");
    EXPECT_EQ(crumb->plugin.load(), plugin->fingerprint() | static_cast<std::uint64_t>(model::PluginCall::pick));

    crumb->plugin = 0;
    {
        TestPool pool(std::move(*make_balancer(load(sample("good")), "sample", {}, crumb, {})));
        pool.assign(TestPool::weighted({1}));
        pool.pick();
        pool.result(0, model::OutcomeKind::ok);
        EXPECT_EQ(crumb->plugin.load(), 0U);
    }
    EXPECT_EQ(crumb->plugin.load(), 0U);
}

}  // namespace
}  // namespace baton::strategy
