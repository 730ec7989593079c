#include "sys/client_ports.h"

#include <gtest/gtest.h>

namespace baton::sys {
namespace {

constexpr PortRange ours{20'000, 31'999};

std::optional<PortRange> shared(const std::string& range, const std::string& reserved) {
    return given_to_clients(ours, range, reserved);
}

TEST(ClientPorts, WhatLiesInTheKernelsRangeIsToldOf) {
    EXPECT_EQ(shared("32768\t60999\n", "\n"), std::nullopt);
    EXPECT_EQ(shared("32000\t60999\n", "\n"), std::nullopt);
    EXPECT_EQ(shared("31999\t60999\n", "\n"), (PortRange{31'999, 31'999}));
    EXPECT_EQ(shared("1024\t65535\n", "\n"), ours);
    EXPECT_EQ(shared("1024\t20000\n", "\n"), (PortRange{20'000, 20'000}));
    EXPECT_EQ(shared("25000\t26000\n", "\n"), (PortRange{25'000, 26'000}));
}

TEST(ClientPorts, WhatIsReservedIsKeptFromClients) {
    EXPECT_EQ(shared("1024\t65535\n", "80,20000-31999\n"), std::nullopt);
    EXPECT_EQ(shared("1024\t65535\n", "10000-40000\n"), std::nullopt);
    EXPECT_EQ(shared("31999\t65535\n", "8080,31999,40000\n"), std::nullopt);
    EXPECT_EQ(shared("1024\t65535\n", "20000-31998\n"), ours);
}

TEST(ClientPorts, WhatCannotBeReadSaysNothing) {
    EXPECT_EQ(shared("", ""), std::nullopt);
    EXPECT_EQ(shared("many", ""), std::nullopt);
    EXPECT_EQ(shared("60999\t1024\n", ""), std::nullopt);
    EXPECT_EQ(shared("1024\t65536\n", ""), std::nullopt);
    EXPECT_EQ(shared("1024\t65535\n", "x,,9-,-"), ours);
}

}  // namespace
}  // namespace baton::sys
