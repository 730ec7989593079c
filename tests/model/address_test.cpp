#include "model/address.h"

#include <gtest/gtest.h>

#include "model/listener.h"

namespace baton::model {
namespace {

struct Good {
    std::string text;
    std::string canonical;
    Family family;
};

class GoodAddress : public testing::TestWithParam<Good> {};

TEST_P(GoodAddress, IsReadAndWritten) {
    const auto address = parse_address(GetParam().text);
    ASSERT_TRUE(address) << address.error().message();
    EXPECT_EQ(address->family, GetParam().family);
    EXPECT_EQ(to_string(*address), GetParam().canonical);
    EXPECT_EQ(is_unix(*address), address->family == Family::unix_path || address->family == Family::unix_abstract);
    const auto again = parse_address(GetParam().canonical);
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, *address);
}

INSTANTIATE_TEST_SUITE_P(Model, GoodAddress,
                         testing::Values(Good{"127.0.0.1:80", "127.0.0.1:80", Family::inet4}, Good{"0.0.0.0:65535", "0.0.0.0:65535", Family::inet4},
                                         Good{"*:8080", "0.0.0.0:8080", Family::inet4}, Good{"localhost:1", "127.0.0.1:1", Family::inet4},
                                         Good{"[::1]:80", "[::1]:80", Family::inet6}, Good{"[0:0:0:0:0:0:0:1]:80", "[::1]:80", Family::inet6},
                                         Good{"[2001:DB8::A]:443", "[2001:db8::a]:443", Family::inet6},
                                         Good{"[::ffff:192.0.2.1]:5", "[::ffff:192.0.2.1]:5", Family::inet6}, Good{"[::]:53", "[::]:53", Family::inet6},
                                         Good{"unix:/run/x.sock", "unix:/run/x.sock", Family::unix_path},
                                         Good{"unix:@name", "unix:@name", Family::unix_abstract},
                                         Good{"unix:@a:80", "unix:@a:80", Family::unix_abstract},
                                         Good{"unix:" + std::string(107, 'p'), "unix:" + std::string(107, 'p'), Family::unix_path},
                                         Good{"unix:@" + std::string(106, 'n'), "unix:@" + std::string(106, 'n'), Family::unix_abstract}));

class BadAddress : public testing::TestWithParam<std::string> {};

TEST_P(BadAddress, IsRefusedAndNamed) {
    const auto address = parse_address(GetParam());
    ASSERT_FALSE(address);
    EXPECT_NE(address.error().message().find("'" + GetParam() + "'"), std::string::npos) << address.error().message();
}

INSTANTIATE_TEST_SUITE_P(Model, BadAddress,
                         testing::Values("", ":", "80", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1",
                                         "127.0.0.1:+80", "127.0.0.1:80x", "127.0.0.1: 80", "127.0.0.1:99999999999999999999", "256.0.0.1:80",
                                         "1.2.3:80", "01.2.3.4:80", "example.org:80", "::1:80", "[::1]", "[::1]:", "[127.0.0.1]:80", "[::1:80", "::1]:80",
                                         "[]:80", "[::g]:80", "[fe80::1%lo]:80", "unix:", "unix:@", "unix:" + std::string(108, 'p'),
                                         "unix:@" + std::string(107, 'n')));

TEST(ListenerIdentity, TellsTheSocketAndNothingElse) {
    ListenerSpec listener;
    listener.name = "web";
    listener.address = *parse_address("127.0.0.1:80");
    EXPECT_EQ(identity(listener), "tcp4:127.0.0.1:80");
    listener.protocol = Protocol::http;
    listener.name = "other";
    EXPECT_EQ(identity(listener), "tcp4:127.0.0.1:80");
    listener.protocol = Protocol::udp;
    EXPECT_EQ(identity(listener), "udp4:127.0.0.1:80");
    EXPECT_TRUE(can_steer(listener));
    listener.address = *parse_address("[::1]:80");
    EXPECT_EQ(identity(listener), "udp6:[::1]:80");
    listener.address = *parse_address("unix:@x");
    listener.protocol = Protocol::tcp;
    EXPECT_EQ(identity(listener), "unix:@x");
    EXPECT_FALSE(can_steer(listener));
}

}  // namespace
}  // namespace baton::model
