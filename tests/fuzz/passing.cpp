// Any bytes from a worker that gives its connections: refused, or taken as connections that are whole. Of
// the input, the first byte is how many descriptors come with the first message, the second how long that
// is, the third how long the others are.
#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/gateway_limits.h"
#include "gateway/passing.h"
#include "sys/channel.h"

namespace {

using namespace baton;

void look_at(const gateway::Passed& taken) {
    const bool is_connection = taken.kind == gateway::PassedKind::connection;
    const bool has_upstream = is_connection ? taken.endpoint != 0 : taken.kind == gateway::PassedKind::flow;
    CHECK(taken.client.stream.socket().valid() == is_connection);
    CHECK(taken.upstream.stream.socket().valid() == has_upstream);
    for (const gateway::Leg* leg : {&taken.client, &taken.upstream}) {
        CHECK(!leg->unsent || (leg->unsent->bytes.size() <= limits::passed_bytes && leg->unsent->from == 0));
    }
}

// False: the taker has had enough.
bool take_all(gateway::Taker& taker) {
    for (;;) {
        auto taken = taker.take();
        if (!taken) return false;
        if (!*taken) return true;
        look_at(**taken);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) return 0;
    auto channel = sys::make_channel();
    CHECK(channel.has_value());
    gateway::Taker taker(std::move(channel->second));
    const sys::UniqueFd any(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const std::vector<int> descriptors(data[0] % 5U, any.get());
    const std::size_t first = data[1];
    const std::size_t other = data[2] + 1U;
    std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
    bool begins = true;
    while (!bytes.empty()) {
        const std::string_view message = bytes.substr(0, std::min(bytes.size(), begins ? std::max<std::size_t>(first, 1) : other));
        bytes.remove_prefix(message.size());
        CHECK(sys::send_message(channel->first, message, begins ? descriptors : std::vector<int>()).has_value());
        begins = false;
        if (!take_all(taker)) return 0;
        CHECK(taker.confirm().has_value());
    }
    channel->first.reset();
    CHECK(!take_all(taker));
    return 0;
}
