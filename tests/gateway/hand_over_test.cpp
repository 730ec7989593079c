// Two gateways in one process: connections in every state go from one to the other, and clients do not notice.
#include "loop.h"

#include <linux/capability.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/gateway_limits.h"
#include "sys/channel.h"

namespace baton::gateway {
namespace {

// No more descriptors can be made.
class FewDescriptors {
  public:
    FewDescriptors() {
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        const sys::UniqueFd next(::eventfd(0, EFD_CLOEXEC));
        const rlimit none{static_cast<rlim_t>(next.get()), before_.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    }
    ~FewDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

  private:
    rlimit before_{};
};

// Without what lets root have more than its limits.
class Powerless {
  public:
    Powerless() {
        EXPECT_EQ(::syscall(SYS_capget, &header_, before_.data()), 0);
        auto without = before_;
        for (auto& set : without) set.effective = 0;
        EXPECT_EQ(::syscall(SYS_capset, &header_, without.data()), 0);
    }
    ~Powerless() { EXPECT_EQ(::syscall(SYS_capset, &header_, before_.data()), 0); }

  private:
    __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> before_{};
};

class HandOver : public Loop {
  protected:
    void SetUp() override {
        old_ = &serving();
        fresh_ = &serving();
        fresh_->follow(1, table({{7, instance_.address}}));
    }
    Running& serving() {
        Running& made = start();
        std::map<std::string, sys::UniqueFd> listeners;
        if (running_.size() == 1) listeners["web"] = front_.copy();
        made.follow(1, table({{7, instance_.address}}), std::move(listeners));
        return made;
    }
    static std::vector<model::Route> table(std::vector<std::pair<std::uint64_t, model::Address>> endpoints) { return {route("web", std::move(endpoints))}; }
    static void give(const Running& from, const Running& to) {
        auto pair = sys::make_channel();
        to.gateway->take(std::move(pair->first));
        from.gateway->give(std::move(pair->second), heir_id);
    }
    // One that has said "x", which no instance has heard, goes from one worker to the other.
    Wire pass_a_waiting_client() {
        Wire client = connect_to(front_.address);
        EXPECT_TRUE(client.send("x").empty());
        EXPECT_TRUE(until([&] { return old_->totals().accepted == 1; }));
        turns(5);
        give(*old_, *fresh_);
        EXPECT_TRUE(passes());
        return client;
    }
    bool passes() {
        return until([&] { return old_->gateway->finished(); });
    }
    std::vector<Pair> connected(int count) {
        std::vector<Pair> pairs;
        for (int i = 0; i < count; ++i) {
            pairs.push_back(connect(front_, instance_));
            EXPECT_TRUE(carries(pairs.back().client, *pairs.back().instance, "x"));
        }
        return pairs;
    }
    bool all_carry(std::vector<Pair>& pairs) {
        return std::all_of(pairs.begin(), pairs.end(), [&](Pair& one) { return carries(one.client, *one.instance, "y") && carries(*one.instance, one.client, "z"); });
    }
    // One of its turns waits: nothing is told to it all the while.
    static bool sleeps(const Running& one) {
        Millis longest = 0;
        for (int i = 0; i < 5 && longest < limits::worker_beat / 2; ++i) {
            const Millis began = monotonic_now();
            one.gateway->turn();
            longest = std::max(longest, monotonic_now() - began);
        }
        return longest >= limits::worker_beat / 2;
    }

    Listening front_ = listen_tcp();
    Listening instance_ = listen_tcp();
    Running* old_ = nullptr;
    Running* fresh_ = nullptr;
};

TEST_F(HandOver, IdleConnectionsGoOn) {
    std::vector<Pair> pairs;
    for (int i = 0; i < 100; ++i) {
        pairs.push_back(connect(front_, instance_));
        ASSERT_TRUE(carries(pairs.back().client, *pairs.back().instance, "before"));
    }
    EXPECT_EQ(old_->open_to(7), 100U);
    give(*old_, *fresh_);
    ASSERT_TRUE(passes());
    ASSERT_TRUE(until([&] { return fresh_->totals().taken == 100; }));
    EXPECT_EQ(old_->totals().given, 100U);
    EXPECT_EQ(old_->totals().open, 0U);
    EXPECT_EQ(old_->open_to(7), 0U);
    EXPECT_EQ(fresh_->open_to(7), 100U);
    end(*old_);
    for (Pair& pair : pairs) {
        EXPECT_TRUE(carries(pair.client, *pair.instance, "after"));
        EXPECT_TRUE(carries(*pair.instance, pair.client, "answer"));
    }
    pairs.clear();
    EXPECT_TRUE(until([&] { return fresh_->totals().open == 0; }));
    EXPECT_EQ(fresh_->open_to(7), 0U);
}

TEST_F(HandOver, BufferedBytesArriveInOrder) {
    auto [client, instance] = connect(front_, instance_);
    const std::string up = pattern(20U << 20U, 1);
    const std::string down = pattern(20U << 20U, 2);
    std::string_view left_up = up;
    std::string_view left_down = down;
    turns(3);
    for (int i = 0; i < 30; ++i) {
        left_up = client.send(left_up);
        left_down = instance->send(left_down);
        turns(3);
    }
    ASSERT_FALSE(left_up.empty() || left_down.empty());
    give(*old_, *fresh_);
    ASSERT_TRUE(passes());
    end(*old_);
    Wire& server = *instance;
    EXPECT_TRUE(until(
        [&] {
            left_up = client.send(left_up);
            left_down = server.send(left_down);
            client.read();
            server.read();
            return client.got.size() == down.size() && server.got.size() == up.size();
        },
        20'000));
    EXPECT_TRUE(client.got == down);
    EXPECT_TRUE(server.got == up);
}

TEST_F(HandOver, HalfClosedConnectionsStaySo) {
    for (const bool client_first : {true, false}) {
        auto [client, instance] = connect(front_, instance_);
        Wire& first = client_first ? client : *instance;
        Wire& second = client_first ? *instance : client;
        EXPECT_TRUE(carries(first, second, "last"));
        sys::end_output(first.socket);
        EXPECT_TRUE(ends(second));
        Running& from = *old_;
        Running& to = serving();
        give(from, to);
        ASSERT_TRUE(passes());
        end(from);
        old_ = &to;
        std::map<std::string, sys::UniqueFd> listeners;
        listeners["web"] = front_.copy();
        to.follow(2, table({{7, instance_.address}}), std::move(listeners));
        EXPECT_TRUE(carries(second, first, pattern(200'000)));
        sys::end_output(second.socket);
        EXPECT_TRUE(ends(first));
        EXPECT_EQ(first.error, 0);
        EXPECT_TRUE(until([&] { return to.totals().open == 0; }));
    }
}

// One ended while bytes to it were waiting: it is told after them, by the other worker.
TEST_F(HandOver, AnEndBehindBufferedBytesArrives) {
    auto [client, instance] = connect(front_, instance_);
    const std::string bytes = pattern(40U << 20U);
    std::string_view left = bytes;
    turns(3);
    ASSERT_TRUE(until([&] {
        const std::size_t before = left.size();
        left = instance->send(left);
        turns(20);
        return left.size() == before;
    }));
    ASSERT_FALSE(left.empty());
    const std::size_t sent = bytes.size() - left.size();
    sys::end_output(instance->socket);
    turns(5);
    give(*old_, *fresh_);
    ASSERT_TRUE(passes());
    end(*old_);
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(client.error, 0);
    EXPECT_TRUE(client.got == bytes.substr(0, sent));
}

TEST_F(HandOver, WhoWaitsForAnInstanceGoesOnWaiting) {
    const model::Address refuses = listen_tcp().address;
    old_->follow(2, table({{8, refuses}}));
    fresh_->follow(2, table({{8, refuses}}));
    Wire client = pass_a_waiting_client();
    end(*old_);
    ASSERT_TRUE(until([&] { return fresh_->totals().taken == 1; }));
    turns(20);
    client.read();
    EXPECT_FALSE(client.over());
    fresh_->follow(3, table({{9, instance_.address}}));
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = instance_.accept()) != nullptr; }));
    EXPECT_TRUE(completes(client, *instance, "y", "xy"));
}

// Its connection to an instance was under way: the other worker makes one of its own.
TEST_F(HandOver, WhoIsBeingConnectedIsConnectedAnew) {
    // A full queue: the kernel does not answer.
    const Listening full = listen_tcp(0);
    std::vector<Wire> waiting;
    for (int i = 0; i < 4; ++i) waiting.push_back(connect_to(full.address));
    old_->follow(2, table({{8, full.address}}));
    Wire client = pass_a_waiting_client();
    EXPECT_EQ(old_->open_to(8), 0U);
    end(*old_);
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = instance_.accept()) != nullptr; }));
    EXPECT_TRUE(completes(client, *instance, "y", "xy"));
    EXPECT_EQ(fresh_->open_to(7), 1U);
}

TEST_F(HandOver, WhoWaitsInTheKernelIsNotTouched) {
    Wire waiting;
    old_->follow(2, table({}));
    waiting = connect_to(front_.address);
    turns(5);
    give(*old_, *fresh_);
    ASSERT_TRUE(passes());
    end(*old_);
    std::map<std::string, sys::UniqueFd> listeners;
    listeners["web"] = front_.copy();
    fresh_->follow(2, table({{7, instance_.address}}), std::move(listeners));
    std::unique_ptr<Wire> instance;
    ASSERT_TRUE(until([&] { return (instance = instance_.accept()) != nullptr; }));
    EXPECT_TRUE(carries(waiting, *instance, "x"));
}

TEST_F(HandOver, WhoseInstanceHasLeftTheTableIsCounted) {
    auto [client, instance] = connect(front_, instance_);
    ASSERT_TRUE(carries(client, *instance, "x"));
    fresh_->follow(2, table({{9, instance_.address}}));
    give(*old_, *fresh_);
    ASSERT_TRUE(passes());
    ASSERT_TRUE(until([&] { return fresh_->totals().taken == 1; }));
    EXPECT_EQ(fresh_->open_to(7), 1U);
    EXPECT_EQ(fresh_->open_to(9), 0U);
    EXPECT_TRUE(carries(client, *instance, "y"));
}

// Nothing is its own before it has said so.
TEST_F(HandOver, AnHeirThatDiesTakesNothingWithIt) {
    auto pairs = connected(10);
    auto pair = sys::make_channel();
    pair->first.reset();
    old_->gateway->give(std::move(pair->second), heir_id);
    turns(10);
    EXPECT_TRUE(all_carry(pairs));
    EXPECT_EQ(old_->open_to(7), 10U);
    EXPECT_EQ(old_->totals().given, 0U);
    EXPECT_FALSE(old_->gateway->finished());
    // Told again, it gives to somebody else.
    give(*old_, *fresh_);
    ASSERT_TRUE(passes());
    EXPECT_TRUE(until([&] { return fresh_->totals().taken == 10; }));
    EXPECT_TRUE(all_carry(pairs));
}

// Few stand still with it, and its end costs none of them.
TEST_F(HandOver, AnHeirThatStandsStillHoldsFewUp) {
    auto pairs = connected(200);
    auto pair = sys::make_channel();
    old_->gateway->give(std::move(pair->second), heir_id);
    turns(20);
    EXPECT_EQ(old_->gateway->open_sessions(), 200 - limits::passed_under_way);
    EXPECT_EQ(old_->open_to(7), 200U) << "none of them looks as if it had ended";
    const auto flows = [&] {
        for (Pair& one : pairs) one.client.send("y");
        turns(20);
        return std::count_if(pairs.begin(), pairs.end(), [](Pair& one) {
            one.instance->read();
            return one.instance->got == "xy";
        });
    };
    EXPECT_EQ(flows(), static_cast<std::ptrdiff_t>(200 - limits::passed_under_way));
    EXPECT_EQ(old_->gateway->lost_heir(), 0U);
    pair->first.reset();
    turns(5);
    EXPECT_EQ(old_->gateway->open_sessions(), 200U);
    EXPECT_EQ(old_->gateway->lost_heir(), heir_id);
    for (Pair& one : pairs) {
        EXPECT_TRUE(until([&] {
            one.instance->read();
            return one.instance->got == "xy" || one.instance->over();
        }));
        EXPECT_EQ(one.instance->got, "xy") << "what was sent meanwhile arrives once";
    }
    give(*old_, *fresh_);
    EXPECT_EQ(old_->gateway->lost_heir(), 0U);
    ASSERT_TRUE(passes());
    EXPECT_TRUE(all_carry(pairs));
    EXPECT_EQ(fresh_->open_to(7), 200U);
}

// The heir that began to serve it may have moved some of its bytes: nobody else can go on with it.
TEST_F(HandOver, WhatItsHeirHasConfirmedGoesWithTheHeir) {
    auto pairs = connected(20);
    auto pair = sys::make_channel();
    {
        Taker heir(std::move(pair->first));
        old_->gateway->give(std::move(pair->second), heir_id);
        turns(5);
        std::vector<Passed> taken;
        for (int i = 0; i < 10; ++i) taken.push_back(std::move(**heir.take()));
        ASSERT_EQ(*heir.confirm(), 10U);
        for (int i = 0; i < 5; ++i) taken.push_back(std::move(**heir.take()));
    }
    turns(10);
    EXPECT_EQ(old_->gateway->open_sessions(), 10U);
    EXPECT_EQ(old_->open_to(7), 10U);
    std::size_t alive = 0;
    for (Pair& one : pairs) {
        one.client.read();
        if (!one.client.over() && carries(one.client, *one.instance, "y")) ++alive;
    }
    EXPECT_EQ(alive, 10U);
}

// It has died while the other one had not yet confirmed: what is there whole goes on.
TEST_F(HandOver, AGiverThatDiesLeavesToItsHeirWhatIsUnderWay) {
    auto pairs = connected(20);
    give(*old_, *fresh_);
    old_->gateway->turn();
    old_->gateway->turn();
    ASSERT_EQ(old_->gateway->open_sessions(), 0U);
    end(*old_);
    ASSERT_TRUE(until([&] { return fresh_->totals().taken == 20; }));
    EXPECT_TRUE(all_carry(pairs));
}

// Neither to the master, who would take their instance for drained, nor to anybody else.
TEST_F(HandOver, AtNoMomentDoTheyLookAsIfTheyHadEnded) {
    auto pairs = connected(300);
    give(*old_, *fresh_);
    bool gap = false;
    int rounds = 0;
    ASSERT_TRUE(until([&] {
        ++rounds;
        for (const auto& one : running_) {
            one->gateway->turn();
            gap = gap || old_->open_to(7) + fresh_->open_to(7) < 300;
        }
        return old_->gateway->finished();
    }));
    EXPECT_FALSE(gap);
    EXPECT_EQ(fresh_->open_to(7), 300U);
    EXPECT_EQ(old_->totals().given, 300U);
    EXPECT_LE(rounds, 50) << "each round passes as many as may be under way";
}

// One after the other is refused, and goes on where it was, until there is room.
TEST_F(HandOver, AnHeirWithoutDescriptorsRefusesWhatItCannotHold) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer needs a descriptor to look at an object, and takes what it cannot look at for a bad one";
#endif
    auto pairs = connected(40);
    give(*old_, *fresh_);
    {
        const FewDescriptors none;
        turns(10);
    }
    EXPECT_EQ(fresh_->totals().taken, 0U);
    EXPECT_EQ(old_->gateway->open_sessions(), 40U);
    EXPECT_TRUE(all_carry(pairs));
    ASSERT_TRUE(passes()) << "they are offered again";
    EXPECT_EQ(fresh_->totals().taken, 40U);
    EXPECT_TRUE(all_carry(pairs));
}

// More descriptors are under way than this user may have, wherever: no event tells when that changes.
TEST_F(HandOver, OneThatMayNotSendDescriptorsSleeps) {
    Running& waits = start(0, false);
    const Listening door = listen_tcp();
    std::map<std::string, sys::UniqueFd> listeners;
    listeners["web"] = door.copy();
    waits.follow(1, table({{7, instance_.address}}), std::move(listeners));
    Pair pair = connect(door, instance_);
    auto others = sys::make_channel();
    const std::vector<int> many(200, pair.client.socket.get());
    ASSERT_TRUE(sys::send_message(others->first, "x", many));
    auto in = sys::make_channel();
    waits.gateway->give(std::move(in->second), heir_id);
    {
        const Powerless powerless;
        const FewDescriptors few;
        int quick = 0;
        for (int i = 0; i < 8; ++i) {
            const Millis began = monotonic_now();
            waits.gateway->turn();
            if (monotonic_now() - began < limits::accept_backoff / 2) ++quick;
        }
        EXPECT_LE(quick, 4) << "some were for what had happened before";
        EXPECT_FALSE(sys::receive_message(in->first)) << "this test is of no use: it may send them nevertheless";
    }
    others->second.reset();
    fresh_->gateway->take(std::move(in->first));
    EXPECT_TRUE(until([&] { return waits.gateway->finished(); }));
    EXPECT_TRUE(carries(pair.client, *pair.instance, "y"));
}

// Told again and again, but not at once: something is wrong that does not pass by itself.
TEST_F(HandOver, WhoLosesEachHeirTellsItsMasterNowAndThen) {
    auto pairs = connected(3);
    const auto lose = [&] {
        auto pair = sys::make_channel();
        old_->gateway->give(std::move(pair->second), heir_id);
        EXPECT_EQ(old_->gateway->lost_heir(), 0U);
        pair->first.reset();
        turns(3);
        return old_->gateway->lost_heir();
    };
    EXPECT_EQ(lose(), heir_id);
    const Millis first = monotonic_now();
    EXPECT_EQ(lose(), 0U);
    ASSERT_TRUE(until([&] { return old_->gateway->lost_heir() == heir_id; }));
    EXPECT_GE(monotonic_now() - first, limits::lost_heir_told - 50);
    EXPECT_TRUE(all_carry(pairs));
}

// A new master does not know whether it was told, and tells it again.
TEST_F(HandOver, BeingToldTwiceIsBeingToldOnce) {
    std::vector<Pair> pairs;
    for (int i = 0; i < 50; ++i) {
        Pair one = connect(front_, instance_);
        const std::string bytes = pattern(4U << 20U);
        std::string_view left = bytes;
        turns(2);
        for (int k = 0; k < 4; ++k) {
            left = one.instance->send(left);
            turns(1);
        }
        pairs.push_back(std::move(one));
        if (i == 10) break;
    }
    give(*old_, *fresh_);
    old_->gateway->turn();
    give(*old_, *fresh_);
    ASSERT_TRUE(passes());
    end(*old_);
    ASSERT_TRUE(until([&] { return fresh_->totals().taken == pairs.size(); }));
    for (Pair& one : pairs) {
        one.client.read();
        EXPECT_FALSE(one.client.over());
    }
    EXPECT_EQ(fresh_->totals().open, pairs.size());
}

// A return in the middle of an upgrade: an heir that has to leave itself passes on what it gets still.
TEST_F(HandOver, AnHeirThatLeavesPassesOn) {
    Running& third = start();
    third.follow(1, table({{7, instance_.address}}));
    std::vector<Pair> pairs;
    for (int i = 0; i < 20; ++i) {
        pairs.push_back(connect(front_, instance_));
        ASSERT_TRUE(carries(pairs.back().client, *pairs.back().instance, "x"));
    }
    give(*old_, *fresh_);
    give(*fresh_, third);
    // It has nothing, and is given nothing yet.
    for (int i = 0; i < 3; ++i) fresh_->gateway->turn();
    EXPECT_FALSE(fresh_->gateway->finished());
    ASSERT_TRUE(passes());
    end(*old_);
    ASSERT_TRUE(until([&] { return fresh_->gateway->finished(); }));
    end(*fresh_);
    ASSERT_TRUE(until([&] { return third.totals().taken == 20; }));
    for (Pair& one : pairs) EXPECT_TRUE(carries(one.client, *one.instance, "y"));
}

// It has nothing to give now, and waits for what it is given: without turning all the while.
TEST_F(HandOver, AnHeirThatWaitsSleeps) {
    const Running& third = start();
    Running& waits = start(0, false);
    waits.follow(1, table({{7, instance_.address}}));
    auto in = sys::make_channel();
    waits.gateway->take(std::move(in->first));
    give(waits, third);
    EXPECT_TRUE(sleeps(waits));
    EXPECT_FALSE(waits.gateway->finished());
    // Its heir goes: that is news once, and no more.
    end(third);
    EXPECT_TRUE(sleeps(waits));
    EXPECT_FALSE(waits.gateway->finished());
    in->second.reset();
    EXPECT_TRUE(until([&] { return waits.gateway->finished(); }));
}

// It cannot take more now, and that nothing more comes is no news until it can.
TEST_F(HandOver, OneThatIsFullSleepsAlsoWhenItsGiverHasEnded) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit few{4, before.rlim_max};  // room for one connection
    const Listening door = listen_tcp();
    Running& full = start(0, false);
    std::map<std::string, sys::UniqueFd> listeners;
    listeners["web"] = door.copy();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    full.follow(1, table({{7, instance_.address}}), std::move(listeners));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    Pair pair = connect(door, instance_);
    ASSERT_EQ(full.totals().open, 1U);
    auto in = sys::make_channel();
    full.gateway->take(std::move(in->first));
    in->second.reset();
    EXPECT_TRUE(sleeps(full));
    // With room it learns that the giver is gone, and is done.
    pair.client.socket.reset();
    pair.instance->socket.reset();
    full.gateway->leave();
    EXPECT_TRUE(until([&] { return full.gateway->finished(); }));
}

}  // namespace
}  // namespace baton::gateway
