#include "engine/anchors.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "sys/listen.h"

namespace baton::engine {
namespace {

sys::UniqueFd listening(const std::string& host, model::Protocol protocol, std::string& identity) {
    model::ListenerSpec listener;
    listener.name = "test";
    listener.protocol = protocol;
    listener.address = {model::Family::unix_abstract, host, 0};
    auto opened = sys::open_listener(listener, sys::Sharing::single, true);
    EXPECT_TRUE(opened) << opened.error().message();
    identity = model::identity(listener);
    return std::move(*opened);
}

TEST(Anchors, AreKnownByIdentityAndToldApartByTheStoresName) {
    std::string given, stored;
    std::vector<sys::Inherited> inherited;
    inherited.push_back({"whatever", listening("baton-anchors-1", model::Protocol::tcp, given)});
    inherited.push_back({"x", listening("baton-anchors-2", model::Protocol::tcp, stored)});
    inherited.back().name = store_name(stored);
    inherited.push_back({"file", std::move(*sys::sealed_memory("x", "x"))});

    std::vector<std::string> remarks;
    auto held = name_inherited(std::move(inherited), remarks);
    ASSERT_EQ(remarks.size(), 1U);
    EXPECT_NE(remarks.front().find("\"file\""), std::string::npos) << remarks.front();
    held.emplace("socket/00001/tcp4:127.0.0.1:80", sys::UniqueFd());

    const Anchors anchors = take_anchors(held);
    ASSERT_EQ(anchors.size(), 2U);
    EXPECT_TRUE(anchors.at(given).given);
    EXPECT_FALSE(anchors.at(stored).given);
    EXPECT_EQ(anchors.at(given).place, limits::steering_sockets - 1);
    EXPECT_EQ(anchors.at(stored).place, limits::steering_sockets - 2);
    EXPECT_EQ(free_place(anchors, {limits::steering_sockets - 3}), limits::steering_sockets - 4);
    for (const auto& [identity, anchor] : anchors) EXPECT_TRUE(held.contains(held_name(identity, anchor)));
}

TEST(Anchors, AStoresNameHasNothingThatSystemdForbids) {
    EXPECT_EQ(store_name("tcp4:127.0.0.1:80"), "tcp4%3A127.0.0.1%3A80");
    EXPECT_EQ(store_name("unix:/run/a b%"), "unix%3A/run/a%20b%25");
}

TEST(Anchors, NoPlaceOfAnInstanceIsAnAnchors) {
    EXPECT_EQ(limits::instance_places + limits::listeners, limits::steering_sockets);
}

}  // namespace
}  // namespace baton::engine
