// What keeper and masters say to each other, byte for byte; and what is not a message is refused.
#include <functional>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "golden.h"
#include "keeper/message.h"

namespace baton::keeper {
namespace {

// Padding would carry whatever was on the stack.
template <class... Bodies>
constexpr bool all_padded_by_hand = (std::has_unique_object_representations_v<Bodies> && ...);
static_assert(all_padded_by_hand<Header, Hello, Beat, Ready, Hold, Release, ListHeld, ListChildren, Spawn, Signal, Forget, Note, StartMaster,
                                 SignalMaster, Transfer, Leave, Tell, ReplaceKeeper, Welcome, HeldPage, ChildrenPage, ChildRecord, SpawnDone,
                                 Exited, Owner, MasterStarted, MasterReady, MasterGone, Told, Signalled, Resync, Refused, KeeperReplaced>);

struct Sample {
    std::string name;
    std::string bytes;
};

std::string children_page() {
    const ChildRecord lives{7, 4242, 0, 0, 0};
    const ChildRecord exited{8, 4243, 256, 1, 0};
    return pack(ChildrenPage{2, 1}, 9, Tail().add_raw(&lives, sizeof(lives)).add_raw(&exited, sizeof(exited)));
}

std::vector<Sample> samples() {
    const Spawn spawn{0x0102030405060708, 1024, 33, 34, 027, 2, 2, 1, 1, 0};
    const Tail program = Tail().add("/usr/bin/env").add("/srv").add("env").add("-i").add("A=b").add("4").add("24");
    return {
        {"hello", pack(Hello{5000})},
        {"beat", pack(Beat{})},
        {"ready", pack(Ready{})},
        {"hold", pack(Hold{}, 9, Tail().add("listener/tcp4:127.0.0.1:80#3"))},
        {"release", pack(Release{}, 9, Tail().add("notify/17"))},
        {"list_held", pack(ListHeld{}, 9, Tail().add("notify/17"))},
        {"list_children", pack(ListChildren{0x1122334455667788}, 9)},
        {"spawn", pack(spawn, 9, program)},
        {"signal", pack(Signal{7, 15, 1}, 9)},
        {"forget", pack(Forget{7}, 9)},
        {"note", pack(Note{}, 9, Tail().add(R"({"phase":"idle"})"))},
        {"start_master", pack(StartMaster{}, 9, Tail().add("/usr/sbin/batond"))},
        {"signal_master", pack(SignalMaster{2, 9}, 9)},
        {"transfer", pack(Transfer{2}, 9)},
        {"leave", pack(Leave{}, 9)},
        {"tell", pack(Tell{1}, 9, Tail().add("configuration: baton.toml:3: unknown key"))},
        {"replace_keeper", pack(ReplaceKeeper{}, 9)},
        {"welcome", pack(Welcome{2, 1, 1, 1, 4241, 1}, 0, Tail().add("note").add("/usr/sbin/batond").add("-c").add("/etc/baton/baton.toml"))},
        {"held_page", pack(HeldPage{2, 1}, 0, Tail().add("a").add("b"))},
        {"children_page", children_page()},
        {"spawn_done", pack(SpawnDone{7, 0, 2}, 0, Tail().add("exec /srv/x: no such file or directory"))},
        {"exited", pack(Exited{7, 4242, 256})},
        {"owner", pack(Owner{2, 10})},
        {"master_started", pack(MasterStarted{2, 4244, 0, 0}, 0, Tail().add("/usr/sbin/batond"))},
        {"master_ready", pack(MasterReady{2})},
        {"master_gone", pack(MasterGone{2, 9, 1, 0})},
        {"told", pack(Told{2}, 0, Tail().add("it cannot serve"))},
        {"signalled", pack(Signalled{1})},
        {"resync", pack(Resync{})},
        {"refused", pack(Refused{8}, 0, Tail().add("not the owner"))},
        {"keeper_replaced", pack(KeeperReplaced{22}, 0, Tail().add("it did not pass its check"))},
    };
}

class Golden : public testing::TestWithParam<Sample> {};

TEST_P(Golden, IsAsPublished) {
    EXPECT_EQ(test::differs_from_golden_bytes("keeper_" + GetParam().name, GetParam().bytes), "");
    const auto message = Message::open(GetParam().bytes);
    ASSERT_TRUE(message) << message.error().message();
}

// Every beginning of a message is refused, or has its body cut.
TEST_P(Golden, CutShortIsRefused) {
    const std::string& bytes = GetParam().bytes;
    Header header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    for (std::size_t size = 0; size < sizeof(Header) + header.body_bytes; ++size) {
        EXPECT_FALSE(Message::open(std::string_view(bytes).substr(0, size))) << size << " bytes";
    }
}

INSTANTIATE_TEST_SUITE_P(Messages, Golden, testing::ValuesIn(samples()), [](const auto& sample) { return sample.param.name; });

TEST(Message, GivesBackWhatWasPacked) {
    const Spawn spawn{7, 1024, 33, 34, 027, 2, 2, 1, 1, 0};
    const std::string bytes = pack(spawn, 9, Tail().add("/bin/true").add("").add("true"));
    const auto message = Message::open(bytes);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->type(), Spawn::type);
    EXPECT_EQ(message->fence(), 9U);
    const auto body = message->body<Spawn>();
    ASSERT_TRUE(body);
    EXPECT_EQ(body->id, 7U);
    EXPECT_EQ(body->uid, 33U);
    EXPECT_EQ(body->umask, 027U);
    EXPECT_EQ(body->has_cgroup, 1U);
    const auto strings = message->strings();
    ASSERT_TRUE(strings);
    EXPECT_EQ(*strings, (std::vector<std::string>{"/bin/true", "", "true"}));
}

TEST(Message, IsOfOneTypeOnly) {
    const std::string bytes = pack(Transfer{2}, 9);
    const auto message = Message::open(bytes);
    ASSERT_TRUE(message);
    EXPECT_FALSE(message->body<Leave>());
    EXPECT_TRUE(message->body<Transfer>());
}

std::string with(const std::string& bytes, const std::function<void(Header&)>& change) {
    Header header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    change(header);
    std::string changed = bytes;
    std::memcpy(changed.data(), &header, sizeof(header));
    return changed;
}

TEST(Message, OfSomebodyElseIsRefused) {
    const std::string bytes = pack(Hello{5000});
    EXPECT_FALSE(Message::open(with(bytes, [](Header& h) { h.magic ^= 1; })));
    EXPECT_FALSE(Message::open(with(bytes, [](Header& h) { h.version = 0; })));
    EXPECT_FALSE(Message::open(with(bytes, [](Header& h) { h.body_bytes = 5; })));
    EXPECT_FALSE(Message::open(with(bytes, [](Header& h) { h.body_bytes = UINT32_MAX; })));
    EXPECT_FALSE(Message::open(std::string(limits::message_bytes + 1, 'x')));
    EXPECT_FALSE(Message::open(""));
}

// What an earlier version did not send has its default.
TEST(Message, WithAShorterBodyIsRead) {
    const std::string bytes = with(pack(Owner{2, 10}), [](Header& h) { h.body_bytes = 4; });
    const auto message = Message::open(bytes);
    ASSERT_TRUE(message);
    const auto body = message->body<Owner>();
    ASSERT_TRUE(body);
    EXPECT_EQ(body->generation, 2U);
    EXPECT_EQ(body->fence, 0U);
    const std::string empty = with(pack(Owner{2, 10}), [](Header& h) { h.body_bytes = 0; });
    EXPECT_FALSE(Message::open(empty)->body<Owner>());
}

TEST(Message, OfALaterVersionIsRead) {
    const std::string bytes = with(pack(Owner{2, 10}), [](Header& h) { h.version = 7; });
    const auto message = Message::open(bytes);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->body<Owner>()->fence, 10U);
}

// A later version's body only grows at its end.
TEST(Message, WithALongerBodyIsRead) {
    const std::string bytes = with(pack(Owner{2, 10}) + "more", [](Header& h) { h.body_bytes += 4; });
    const auto message = Message::open(bytes);
    ASSERT_TRUE(message);
    const auto body = message->body<Owner>();
    ASSERT_TRUE(body);
    EXPECT_EQ(body->fence, 10U);
    EXPECT_EQ(message->tail(), "");
}

TEST(Message, WithAStringThatDoesNotEndIsRefused) {
    const std::string bytes = pack(Note{}, 0, Tail().add("one")) + "two";
    const auto message = Message::open(bytes);
    ASSERT_TRUE(message);
    EXPECT_FALSE(message->strings());
}

}  // namespace
}  // namespace baton::keeper
