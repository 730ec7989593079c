// Where bodies end, and the reading of chunked ones however they are cut.
#include "http/framing.h"

#include <gtest/gtest.h>

#include "base/http_limits.h"

namespace baton::http {
namespace {

using Kind = Framing::Kind;
using State = ChunkReader::State;

FramingResult request(std::vector<Field> fields, int minor = 1) {
    RequestHead head;
    head.minor = minor;
    head.fields = std::move(fields);
    return framing_of(head);
}

FramingResult response(int status, std::vector<Field> fields, std::string_view method = "GET", int minor = 1) {
    ResponseHead head;
    head.status = status;
    head.minor = minor;
    head.fields = std::move(fields);
    return framing_of(head, method);
}

TEST(Framing, OfRequests) {
    EXPECT_EQ(request({}).framing.kind, Kind::none);
    EXPECT_EQ(request({{"content-LENGTH", "12"}}).framing.length, 12U);
    EXPECT_EQ(request({{"Transfer-Encoding", "Chunked"}}).framing.kind, Kind::chunked);
}

TEST(Framing, WhatIsAmbiguousIsRefused) {
    const std::vector<std::pair<std::vector<Field>, int>> cases{
        {{{"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}}, 400},
        {{{"Transfer-Encoding", "chunked"}, {"Content-Length", "1"}}, 400},
        {{{"Content-Length", "1"}, {"Content-Length", "1"}}, 400},
        {{{"Content-Length", "1, 1"}}, 400},
        {{{"Content-Length", "+1"}}, 400},
        {{{"Content-Length", "-1"}}, 400},
        {{{"Content-Length", "0x1"}}, 400},
        {{{"Content-Length", "1 "}}, 400},
        {{{"Content-Length", ""}}, 400},
        {{{"Content-Length", "99999999999999999999"}}, 400},
        {{{"Content-Length", "9223372036854775808"}}, 400},
        {{{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}, 400},
        {{{"Transfer-Encoding", "gzip, chunked"}}, 501},
        {{{"Transfer-Encoding", "chunked, identity"}}, 501},
        {{{"Transfer-Encoding", "xchunked"}}, 501},
        {{{"Transfer-Encoding", "\"chunked\""}}, 501},
        {{{"Transfer-Encoding", ""}}, 501},
    };
    for (const auto& [fields, status] : cases) {
        EXPECT_EQ(request(fields).refused, status) << fields.front().name << ": " << fields.front().value;
        EXPECT_EQ(response(200, fields).refused, 502) << fields.front().value;
    }
    EXPECT_EQ(request({{"Transfer-Encoding", "chunked"}}, 0).refused, 400);
}

TEST(Framing, OfResponses) {
    EXPECT_EQ(response(200, {}).framing.kind, Kind::until_close);
    EXPECT_EQ(response(200, {{"Content-Length", "5"}}).framing.length, 5U);
    EXPECT_EQ(response(200, {{"Content-Length", "5"}}, "HEAD").framing.kind, Kind::none);
    EXPECT_EQ(response(204, {}).framing.kind, Kind::none);
    EXPECT_EQ(response(304, {{"Content-Length", "5"}}).framing.kind, Kind::none);
    EXPECT_EQ(response(100, {}).framing.kind, Kind::none);
}

struct Read {
    State state = State::more;
    std::string data;
    std::string rest;
    std::string trailer;
};

// In pieces of `step` bytes.
Read read(const std::string& bytes, std::size_t step) {
    ChunkReader reader;
    Read read;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        std::string_view piece = std::string_view(bytes).substr(at, step);
        std::string_view data;
        while ((read.state = reader.next(piece, data)) == State::data) read.data += data;
        if (read.state == State::more) continue;
        if (read.state == State::end) read.rest = std::string(piece) + bytes.substr(std::min(bytes.size(), at + step));
        break;
    }
    read.trailer = reader.trailer();
    return read;
}

TEST(Chunks, AreReadHoweverTheyAreCut) {
    const std::string bytes = "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 1\r\n\r\nGET /";
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
        const Read got = read(bytes, step);
        ASSERT_EQ(got.state, State::end) << step;
        EXPECT_EQ(got.data, "hello world");
        EXPECT_EQ(got.rest, "GET /");
        EXPECT_EQ(got.trailer, "X-Sum: 1\r\n");
    }
}

TEST(Chunks, WhatIsMalformedIsRefused) {
    for (const std::string bytes : {"5\nhello\r\n", "5\r\nhelloX\r\n", "5\r\nhello\n", "\r\n", "g\r\n", "-1\r\n", "+5\r\n", "0x5\r\n", " 5\r\n", "5 \r\n",
                                    "5\rhello", "ffffffffffffffff\r\n", "10000000000000000\r\n", "0\r\nX: a\n\r\n", "0\r\nX: a\rb\r\n\r\n", ";a\r\n"}) {
        for (const std::size_t step : {std::size_t{1}, bytes.size()}) EXPECT_EQ(read(bytes, step).state, State::bad) << bytes;
    }
}

TEST(Chunks, LinesHaveALimit) {
    EXPECT_EQ(read("5;" + std::string(limits::http_chunk_line_bytes, 'a'), 7).state, State::bad);
    std::string trailer = "0\r\n";
    for (std::size_t i = 0; i < limits::http_trailer_bytes / 4; ++i) trailer += "a:b\r\n";
    EXPECT_EQ(read(trailer, 1000).state, State::bad);
}

TEST(BodyReader, OfALengthKnowsItsEnd) {
    BodyReader reader({Kind::length, 5});
    std::string_view bytes = "helloGET";
    std::string_view data;
    EXPECT_FALSE(reader.over());
    EXPECT_EQ(reader.next(bytes, data), State::data);
    EXPECT_EQ(data, "hello");
    EXPECT_TRUE(reader.over());
    EXPECT_EQ(bytes, "GET");
    EXPECT_TRUE(BodyReader({Kind::length, 0}).over());
    EXPECT_TRUE(BodyReader().over());
    EXPECT_FALSE(BodyReader({Kind::until_close, 0}).over());
}

}  // namespace
}  // namespace baton::http
