// Where bodies end, and the reading of chunked ones however they are cut.
#include "http/framing.h"

#include <gtest/gtest.h>

#include "base/http_limits.h"
#include "corpus.h"

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

// What is refused of a client is refused of an instance.
TEST(Framing, WhatIsAmbiguousIsRefused) {
    int judged = 0;
    for (const Judged& one : read_corpus("http/corpus.txt", "head")) {
        RequestHead head;
        Scan scan;
        const HeadEnd end = find_end(one.bytes, scan);
        if (end.kind != HeadEnd::Kind::whole || read(std::string_view(one.bytes).substr(0, end.size), head) != 0) continue;
        EXPECT_EQ(std::to_string(framing_of(head).refused), one.verdict) << one.name;
        EXPECT_EQ(response(200, head.fields, "GET", head.minor).refused, 502) << one.name;
        ++judged;
    }
    EXPECT_GE(judged, 30);
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
    for (const Judged& one : read_corpus("http/corpus.txt", "body")) {
        const std::string body = one.bytes.substr(one.bytes.find("\r\n\r\n") + 4) + behind;
        for (const std::size_t step : {std::size_t{1}, std::size_t{7}, body.size()}) {
            Read got = read(body, step);
            EXPECT_TRUE(got.state == State::bad || (got.state == State::end && purge_trailer(got.trailer))) << one.name;
        }
    }
}

TEST(Chunks, WhatMayNotTrailIsLeftOut) {
    std::string trailer = "X-Sum: 1\r\nContent-Length: 3\r\nX-Forwarded-Host: b\r\nX-Other:2\r\n";
    EXPECT_TRUE(purge_trailer(trailer));
    EXPECT_EQ(trailer, "X-Sum: 1\r\nX-Other: 2\r\n");
    EXPECT_FALSE(purge_trailer(trailer));
    EXPECT_EQ(trailer, "X-Sum: 1\r\nX-Other: 2\r\n");
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
