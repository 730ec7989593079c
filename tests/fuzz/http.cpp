// Any bytes from a client, an instance, or a balancer in front: heads, bodies and PROXY headers are found at the
// same place however the bytes are cut, and what is read of them can be sent on and read again. Of the input the
// first byte is the size of the pieces.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "gateway/proxy_header.h"
#include "http/forward.h"
#include "http/framing.h"
#include "http/head.h"

namespace {

using namespace baton;
using http::HeadEnd;
using State = http::ChunkReader::State;

HeadEnd end_of(std::string_view bytes, std::size_t step) {
    http::Scan scan;
    for (std::size_t size = std::min(step, bytes.size());; size = std::min(size + step, bytes.size())) {
        const HeadEnd end = http::find_end(bytes.substr(0, size), scan);
        if (end.kind != HeadEnd::Kind::more || size == bytes.size()) return end;
    }
}

struct Body {
    State state = State::more;
    std::string data;
    std::size_t taken = 0;
};

Body body_of(http::Framing framing, std::string_view bytes, std::size_t step) {
    http::BodyReader reader(framing);
    Body body;
    while (body.taken < bytes.size()) {
        std::string_view piece = bytes.substr(body.taken, step);
        const std::size_t before = piece.size();
        std::string_view data;
        while ((body.state = reader.next(piece, data)) == State::data) body.data += data;
        body.taken += before - piece.size();
        if (body.state != State::more) break;
        CHECK(piece.empty());
    }
    return body;
}

void look_at_body(const http::FramingResult& result, std::string_view rest, std::size_t step) {
    if (result.refused != 0) return;
    const Body whole = body_of(result.framing, rest, rest.size() + 1);
    const Body cut = body_of(result.framing, rest, step);
    CHECK(whole.state == cut.state);
    if (whole.state != State::bad) CHECK(whole.data == cut.data && whole.taken == cut.taken);
}

// What is sent on is itself a message that is understood, and means the same.
void look_at_request(const http::RequestHead& head, const http::Framing& framing) {
    std::string out;
    http::write_request(out, head, framing, http::options_of(head), {.address = "192.0.2.1", .trusted = true});
    http::RequestHead again;
    const int status = http::read(out, again);
    CHECK(status == 0 || (status == 431 && head.fields.size() + 5 > again.fields.size()));
    if (status != 0) return;
    CHECK(again.method == head.method && again.path == head.path && again.authority == head.authority);
    const auto framed = http::framing_of(again);
    CHECK(framed.refused == 0 && framed.framing.kind == framing.kind && framed.framing.length == framing.length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t step = data[0] + 1U;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto header = gateway::read_proxy_header(bytes);
    CHECK(header.kind != gateway::ProxyHeader::Kind::whole || header.size <= bytes.size());

    http::Scan scan;
    const HeadEnd end = http::find_end(bytes, scan);
    const HeadEnd cut = end_of(bytes, step);
    CHECK(end.kind == cut.kind && end.size == cut.size);
    if (end.kind != HeadEnd::Kind::whole) return 0;
    const std::string_view rest = bytes.substr(end.size);
    http::RequestHead request;
    if (http::read(bytes.substr(0, end.size), request) == 0) {
        const auto framing = http::framing_of(request);
        look_at_body(framing, rest, step);
        if (framing.refused == 0) look_at_request(request, framing.framing);
    }
    http::ResponseHead response;
    if (http::read(bytes.substr(0, end.size), response)) look_at_body(http::framing_of(response, "GET"), rest, step);
    return 0;
}
