// Steering: the tables, and what the program in the real kernel makes of them.
#include "sys/steering.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "network.h"
#include "steering_fixture.h"
#include "sys/listen.h"

namespace baton::sys {
namespace {

using model::Family;
using model::ListenerSpec;
using model::Protocol;
using sys_test::connect_to;
using sys_test::free_listener;
using sys_test::SteeringKernel;
using sys_test::tcp4;

std::string letters(const std::vector<std::uint32_t>& table) {
    std::string text;
    for (const auto place : table) text += static_cast<char>('a' + place);
    return text;
}

std::map<std::uint32_t, std::size_t> counts(const std::vector<std::uint32_t>& table) {
    std::map<std::uint32_t, std::size_t> result;
    for (const auto place : table) ++result[place];
    return result;
}

TEST(steering_table, is_nginx_smooth_order) {
    EXPECT_EQ(letters(build_table(Mode::round_robin, std::vector<Weighted>{{0, 5}, {1, 1}, {2, 1}})),
              "aabacaa");
    EXPECT_EQ(letters(build_table(Mode::round_robin, std::vector<Weighted>{{0, 4}, {1, 2}, {2, 1}})),
              "abacaba");
    EXPECT_EQ(letters(build_table(Mode::round_robin, std::vector<Weighted>{{0, 19}, {1, 1}})),
              "aaaaaaaaaabaaaaaaaaa");
    EXPECT_EQ(letters(build_table(Mode::round_robin, std::vector<Weighted>{{0, 100}, {1, 100}, {2, 0}})),
              "ab");
    EXPECT_EQ(letters(build_table(Mode::round_robin, std::vector<Weighted>{{3, 7}})), "d");
    EXPECT_TRUE(build_table(Mode::round_robin, {}).empty());
    EXPECT_TRUE(build_table(Mode::client_hash, std::vector<Weighted>{{0, 0}}).empty());
}

TEST(steering_table, too_long_a_round_is_scaled_and_leaves_nobody_out) {
    for (const auto mode : {Mode::round_robin, Mode::client_hash}) {
        const std::vector<Weighted> members{{0, 1000}, {1, 999}, {2, 500}, {3, 1}};
        const auto table = build_table(mode, members);
        ASSERT_LE(table.size(), limits::steering_places);
        auto count = counts(table);
        for (const auto& member : members) {
            const double share = static_cast<double>(count[member.place]) / static_cast<double>(table.size());
            EXPECT_GE(count[member.place], 1U);
            EXPECT_NEAR(share, member.weight / 2500.0, 0.025);
        }
    }
    std::vector<Weighted> many;
    for (std::uint32_t i = 0; i < limits::steering_places; ++i)
        many.push_back({i, i % 3 == 0 ? limits::weight_max : 1});
    for (const auto mode : {Mode::round_robin, Mode::flow_hash}) {
        EXPECT_EQ(counts(build_table(mode, many)).size(), limits::steering_places);
    }
}

TEST(steering_table, a_member_that_leaves_moves_hardly_any_key_but_its_own) {
    std::vector<Weighted> members;
    for (std::uint32_t i = 0; i < 10; ++i) members.push_back({100 + i, 1});
    const auto before = build_table(Mode::client_hash, members);
    for (const auto& [place, count] : counts(before)) {
        EXPECT_LE(static_cast<double>(count), 1.06 * static_cast<double>(before.size()) / 10) << place;
    }
    for (std::size_t gone = 0; gone < members.size(); ++gone) {
        auto fewer = members;
        fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(gone));
        const auto after = build_table(Mode::client_hash, fewer);
        ASSERT_EQ(after.size(), before.size());
        std::size_t moved = 0;
        for (std::size_t i = 0; i < before.size(); ++i) moved += before[i] != after[i] ? 1 : 0;
        EXPECT_LE(static_cast<double>(moved), 0.13 * static_cast<double>(before.size()));
    }
}

TEST(steering_table, a_successor_with_the_same_key_keeps_the_clients) {
    std::vector<Weighted> members;
    for (std::uint32_t i = 0; i < 5; ++i) members.push_back({i, 1, i + 1});
    const auto before = build_table(Mode::client_hash, members);
    members[2].place = 77;
    auto after = build_table(Mode::client_hash, members);
    std::replace(after.begin(), after.end(), 77U, 2U);
    EXPECT_EQ(before, after);
}

TEST(steering_table, udp_flows_stay_together) {
    EXPECT_EQ(mode_for({"dns", {}, Protocol::udp}, "round_robin"), Mode::flow_hash);
    EXPECT_EQ(mode_for({"web", {}, Protocol::http}, "round_robin"), Mode::round_robin);
    EXPECT_EQ(mode_for({"web", {}, Protocol::tcp}, "ip_hash"), Mode::client_hash);
}

TEST_F(SteeringKernel, follows_the_weights_exactly) {
    for (const auto& listener : {tcp4(), free_listener(Family::inet6, "::1", Protocol::tcp),
                                 free_listener(Family::inet4, "0.0.0.0", Protocol::tcp),
                                 free_listener(Family::inet6, "::", Protocol::tcp)}) {
        SCOPED_TRACE(model::identity(listener));
        clear();
        for (int i = 0; i < 3; ++i) add(listener);
        publish(listener, Mode::round_robin, {{0, 5}, {1, 1}, {2, 1}});
        EXPECT_EQ(arrivals(listener, 21), "aabacaaaabacaaaabacaa");
    }
}

TEST_F(SteeringKernel, nineteen_to_one_is_one_in_twenty) {
    const auto listener = tcp4();
    add(listener);
    add(listener);
    publish(listener, Mode::round_robin, {{0, 19}, {1, 1}});
    const auto seen = arrivals(listener, 2000);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 'b'), 100);
    for (std::size_t i = 0; i < seen.size(); i += 20) EXPECT_EQ(seen.substr(i, 20), "aaaaaaaaaabaaaaaaaaa");
}

TEST_F(SteeringKernel, a_new_table_goes_on_where_the_old_one_was) {
    const auto listener = tcp4();
    for (int i = 0; i < 3; ++i) add(listener);
    std::string seen;
    for (int i = 0; i < 30; ++i) {
        publish(listener, Mode::round_robin, {{0, 1}, {1, 1}, {2, 1}});
        seen += arrivals(listener, 1);
    }
    EXPECT_EQ(seen, "abcabcabcabcabcabcabcabcabcabc");
}

TEST_F(SteeringKernel, groups_do_not_know_one_another) {
    auto first = tcp4();
    auto second = tcp4();
    const auto a = add(first);
    auto other = open_listener(second, Sharing::group, true);
    ASSERT_TRUE(other) << other.error().message();
    ASSERT_TRUE(steering_->attach(*other));
    const auto b = next_place_++;
    ASSERT_TRUE(steering_->set_socket(b, *other));
    sockets_[b] = std::move(*other);
    // A table that names the other group's place falls back on its own group.
    publish(first, Mode::round_robin, {{a, 1}, {b, 1}});
    publish(second, Mode::round_robin, {{b, 1}});
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(arrival(first), a);
        EXPECT_EQ(arrival(second), b);
    }
}

TEST_F(SteeringKernel, a_client_stays_with_its_instance) {
    for (const auto mode : {Mode::client_hash, Mode::flow_hash}) {
        const auto listener = free_listener(Family::inet4, "0.0.0.0", Protocol::tcp);
        clear();
        std::vector<Weighted> members;
        for (int i = 0; i < 10; ++i) members.push_back({add(listener), 1});
        publish(listener, mode, members);
        if (mode == Mode::flow_hash) {
            std::set<std::uint32_t> reached;
            for (int i = 0; i < 200; ++i) reached.insert(arrival(listener, "127.0.0.9"));
            EXPECT_EQ(reached.size(), 10U) << "one client's flows are spread";
            continue;
        }
        constexpr int clients = 1000;
        const auto source = [](int i) {
            return "127.1." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250);
        };
        std::map<int, std::uint32_t> home;
        std::map<std::uint32_t, int> load;
        for (int i = 0; i < clients; ++i) ++load[home[i] = arrival(listener, source(i))];
        for (int i = 0; i < clients; i += 7) EXPECT_EQ(arrival(listener, source(i)), home[i]) << source(i);
        ASSERT_EQ(load.size(), 10U);
        // 100 each is the mean; five standard deviations are 47.
        for (const auto& [place, count] : load) EXPECT_NEAR(count, 100, 55) << place;

        const std::uint32_t gone = 4;
        members.erase(members.begin() + gone);
        publish(listener, mode, members);
        int moved = 0;
        for (int i = 0; i < clients; ++i) {
            const auto now = arrival(listener, source(i));
            EXPECT_NE(now, gone);
            moved += now != home[i] ? 1 : 0;
        }
        EXPECT_GE(moved, load[gone]);
        EXPECT_LE(moved, load[gone] + clients * 3 / 100) << "needless moves";
    }
}

TEST_F(SteeringKernel, ipv6_clients_are_told_apart_by_the_whole_address) {
    const auto listener = free_listener(Family::inet6, "::1", Protocol::tcp);
    add(listener);
    add(listener);
    publish(listener, Mode::client_hash, {{0, 1}, {1, 1}});
    const auto home = arrival(listener);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(arrival(listener), home);
}

TEST_F(SteeringKernel, a_probe_reaches_its_place_and_no_other) {
    for (const auto& listener : {tcp4(), free_listener(Family::inet6, "::", Protocol::tcp)}) {
        SCOPED_TRACE(model::identity(listener));
        clear();
        for (int i = 0; i < 4; ++i) add(listener);
        publish(listener, Mode::round_robin, {{0, 1}, {1, 1}});
        const auto probe = [&](std::uint32_t place) {
            model::Address source;
            const auto socket = probe_socket(listener.address, source);
            EXPECT_TRUE(socket) << socket.error().message();
            EXPECT_TRUE(steering_->add_probe(source, place));
            const bool connected = sys_test::connect_with(*socket, reachable(listener.address));
            EXPECT_TRUE(steering_->remove_probe(source));
            return connected ? taker() : nowhere;
        };
        for (int round = 0; round < 25; ++round) {
            for (const std::uint32_t place : {3U, 0U, 2U, 1U}) EXPECT_EQ(probe(place), place);
            EXPECT_LT(arrival(listener), 2U);
        }
        ASSERT_TRUE(steering_->close_group(listener));
        EXPECT_EQ(arrival(listener), nowhere);
        EXPECT_EQ(probe(2), 2U) << "in a closed group too";
        EXPECT_EQ(probe(1000), nowhere) << "no other may answer for a socket that is not there";
        publish(listener, Mode::round_robin, {{0, 1}, {1, 1}});
        EXPECT_LT(arrival(listener), 2U) << "a table opens the group again";
    }
}

TEST_F(SteeringKernel, forgotten_probes_steer_nobody) {
    const auto listener = tcp4();
    add(listener);
    add(listener);
    publish(listener, Mode::round_robin, {{0, 1}});
    std::vector<UniqueFd> probes;
    for (int i = 0; i < 20; ++i) {
        model::Address source;
        probes.push_back(std::move(*probe_socket(listener.address, source)));
        ASSERT_TRUE(steering_->add_probe(source, 1));
    }
    ASSERT_TRUE(sys_test::connect_with(probes[0], listener.address));
    EXPECT_EQ(taker(), 1U);
    ASSERT_TRUE(steering_->forget_probes());
    for (std::size_t i = 1; i < probes.size(); ++i) {
        ASSERT_TRUE(sys_test::connect_with(probes[i], listener.address));
        EXPECT_EQ(taker(), 0U);
    }
}

TEST_F(SteeringKernel, a_socket_that_leaves_the_table_gets_nothing_new) {
    const auto listener = tcp4();
    for (int i = 0; i < 3; ++i) add(listener);
    publish(listener, Mode::round_robin, {{0, 1}, {1, 1}, {2, 1}});
    EXPECT_EQ(arrivals(listener, 3), "abc");
    publish(listener, Mode::round_robin, {{0, 1}, {2, 1}});
    EXPECT_EQ(arrivals(listener, 200).find('b'), std::string::npos);
    publish(listener, Mode::round_robin, {{0, 1}, {1, 0}, {2, 1}});
    EXPECT_EQ(arrivals(listener, 200).find('b'), std::string::npos) << "no weight is no place";
}

TEST_F(SteeringKernel, nobody_is_refused_while_a_socket_lives) {
    const auto listener = tcp4();
    for (int i = 0; i < 4; ++i) add(listener);
    EXPECT_NE(arrival(listener), nowhere) << "never published: the kernel's hash";

    publish(listener, Mode::round_robin, {{0, 1}, {1, 2}, {3, 1}});
    sockets_.erase(1);
    EXPECT_EQ(arrivals(listener, 100).find_first_not_of("ad"), std::string::npos)
        << "closed behind the table's back";
    ASSERT_TRUE(steering_->clear_socket(0));
    ASSERT_TRUE(steering_->clear_socket(0));
    EXPECT_EQ(arrivals(listener, 100).find_first_not_of("d"), std::string::npos);
    sockets_.erase(3);
    EXPECT_EQ(arrivals(listener, 100).find_first_not_of("ac"), std::string::npos) << "whoever is left";

    publish(listener, Mode::round_robin, {});
    EXPECT_NE(arrival(listener), nowhere);
    ASSERT_TRUE(steering_->forget_group(listener));
    ASSERT_TRUE(steering_->forget_group(listener));
    EXPECT_NE(arrival(listener), nowhere);
}

TEST_F(SteeringKernel, a_long_table_of_dead_places_is_got_past) {
    const auto listener = tcp4();
    add(listener);
    std::vector<Weighted> members;
    for (std::uint32_t i = 1; i <= 900; ++i) members.push_back({i, 1});
    members.push_back({0, 100});
    for (const auto mode : {Mode::round_robin, Mode::client_hash, Mode::flow_hash}) {
        publish(listener, mode, members);
        EXPECT_EQ(arrivals(listener, 50), std::string(50, 'a'));
    }
}

TEST_F(SteeringKernel, places_are_kept_in_order) {
    const auto listener = tcp4();
    const auto place = add(listener);
    EXPECT_TRUE(steering_->set_socket(place, sockets_[place])) << "again the same";
    EXPECT_FALSE(steering_->set_socket(place + 1, sockets_[place])) << "a socket has one place";
    auto second = open_listener(listener, Sharing::group, false);
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_TRUE(steering_->set_socket(place, *second)) << "replaced";
    EXPECT_TRUE(steering_->set_socket(place + 1, sockets_[place])) << "free to take another";

    EXPECT_FALSE(steering_->set_socket(limits::steering_sockets, *second));
    EXPECT_FALSE(steering_->publish(listener, Mode::round_robin,
                                    std::vector<Weighted>{{limits::steering_sockets, 1}}));
    const auto alone = open_listener(tcp4(), Sharing::single, true);
    const auto refused = steering_->set_socket(place + 2, *alone);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(),
              "set the socket of steering place 2: the socket does not listen, or is in no group");
    std::vector<Weighted> many(limits::steering_places + 1);
    EXPECT_FALSE(steering_->publish(listener, Mode::round_robin, many));
    const ListenerSpec local{"web", {Family::unix_abstract, "x", 0}};
    EXPECT_FALSE(steering_->publish(local, Mode::round_robin, std::vector<Weighted>{{0, 1}}));
}

TEST_F(SteeringKernel, a_socket_shut_down_by_its_holder_listens_again_in_its_group) {
    const auto listener = tcp4();
    add(listener);
    add(listener);
    publish(listener, Mode::round_robin, {{0, 1}, {1, 1}});
    ASSERT_EQ(::shutdown(sockets_[0].get(), SHUT_RDWR), 0);
    EXPECT_EQ(arrivals(listener, 10), std::string(10, 'b'));
    ASSERT_TRUE(listen_again(sockets_[0], 16));
    EXPECT_EQ(arrivals(listener, 10), std::string(10, 'b')) << "it lost its place";
    ASSERT_TRUE(steering_->set_socket(0, sockets_[0]));
    const auto seen = arrivals(listener, 10);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 'a'), 5);

    // All of them: the group comes back with its program.
    for (auto& [place, socket] : sockets_) ASSERT_EQ(::shutdown(socket.get(), SHUT_RDWR), 0);
    EXPECT_EQ(arrival(listener), nowhere);
    for (auto& [place, socket] : sockets_) {
        ASSERT_TRUE(listen_again(socket, 16));
        ASSERT_TRUE(steering_->attach(socket));
        ASSERT_TRUE(steering_->set_socket(place, socket));
    }
    const auto after = arrivals(listener, 10);
    EXPECT_EQ(std::count(after.begin(), after.end(), 'a'), 5);
}

}  // namespace
}  // namespace baton::sys
