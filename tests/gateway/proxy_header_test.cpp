// The PROXY header in both versions: read however it is cut, written as it is read, refused where it is malformed.
#include "gateway/proxy_header.h"

#include <gtest/gtest.h>

#include "corpus.h"

namespace baton::gateway {
namespace {

using Kind = ProxyHeader::Kind;
using model::ProxyProtocol;

ClientAddress address(model::Family family, const std::string& host, std::uint16_t port) {
    return ClientAddress(*sys::to_socket_address({family, host, port}));
}
const ClientAddress v4 = address(model::Family::inet4, "192.0.2.1", 4711);
const ClientAddress v4_here = address(model::Family::inet4, "192.0.2.2", 80);
const ClientAddress v6 = address(model::Family::inet6, "2001:db8::1", 4711);
const ClientAddress v6_here = address(model::Family::inet6, "2001:db8::2", 80);

TEST(ProxyHeader, IsWrittenAsPublished) {
    EXPECT_EQ(write_proxy_header(ProxyProtocol::none, v4, v4_here), "");
    EXPECT_EQ(write_proxy_header(ProxyProtocol::v1, v4, v4_here), "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n");
    EXPECT_EQ(write_proxy_header(ProxyProtocol::v1, v6, v6_here), "PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n");
    EXPECT_EQ(write_proxy_header(ProxyProtocol::v1, v4, v6_here), "PROXY UNKNOWN\r\n");
    EXPECT_EQ(write_proxy_header(ProxyProtocol::v2, v4, v4_here),
              std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x12\x67\0\x50", 28));
    EXPECT_EQ(write_proxy_header(ProxyProtocol::v2, ClientAddress(), v4_here), std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16));
}

TEST(ProxyHeader, IsReadHoweverItIsCut) {
    for (const auto& [from, to] : {std::pair(v4, v4_here), std::pair(v6, v6_here), std::pair(ClientAddress(), v4_here)}) {
        for (const ProxyProtocol version : {ProxyProtocol::v1, ProxyProtocol::v2}) {
            const std::string bytes = write_proxy_header(version, from, to) + "GET /";
            for (std::size_t size = 0; size < bytes.size() - 5; ++size) {
                ASSERT_EQ(read_proxy_header(bytes.substr(0, size)).kind, Kind::more) << size;
            }
            const ProxyHeader read = read_proxy_header(bytes);
            ASSERT_EQ(read.kind, Kind::whole);
            EXPECT_EQ(read.size, bytes.size() - 5);
            ASSERT_EQ(read.client.has_value(), from.size > 0);
            if (!read.client) continue;
            EXPECT_EQ(read.client->text, from.text);
            EXPECT_EQ(read.client->port, 4711);
            EXPECT_EQ(read.client->size, from.size);
            // What it told goes on to the next, in both versions, from whatever address it came.
            for (const ProxyProtocol next : {ProxyProtocol::v1, ProxyProtocol::v2}) {
                EXPECT_EQ(write_proxy_header(next, *read.client, address(model::Family::inet4, "127.0.0.1", 1)), write_proxy_header(next, from, to));
                EXPECT_EQ(write_proxy_header(next, *read.client, ClientAddress()), write_proxy_header(next, from, to));
            }
        }
    }
}

TEST(ProxyHeader, OptionsAreSkipped) {
    std::string bytes = write_proxy_header(ProxyProtocol::v2, v4, v4_here);
    bytes[15] = 12 + 4;
    EXPECT_EQ(read_proxy_header(bytes).kind, Kind::more);
    bytes += std::string("\x04\0\x01x", 4);
    EXPECT_EQ(read_proxy_header(bytes).size, bytes.size());
}

TEST(ProxyHeader, WhatIsMalformedIsRefused) {
    for (const http::Judged& one : http::read_corpus("gateway/proxy_headers.txt", "bad")) {
        EXPECT_EQ(read_proxy_header(one.bytes + http::behind).kind, Kind::bad) << one.name;
    }
}

}  // namespace
}  // namespace baton::gateway
