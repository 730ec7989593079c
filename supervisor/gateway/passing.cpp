#include "gateway/passing.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/gateway_limits.h"

namespace baton::gateway {

void Giver::add(Passed passed) {
    PassedHead head;
    head.endpoint = passed.endpoint;
    const auto left = [](const Leg& leg) { return leg.unsent ? leg.unsent->bytes.size() - leg.unsent->from : 0; };
    head.for_upstream = left(passed.upstream);
    head.for_client = left(passed.client);
    head.client_ended = passed.client.ended;
    head.client_told = passed.client.told;
    head.upstream_ended = passed.upstream.ended;
    head.upstream_told = passed.upstream.told;
    head.upstream_deaf = passed.upstream.deaf;
    head.address_size = passed.address.size;
    head.address_port = passed.address.port;
    head.address = passed.address.bytes;
    head.kind = passed.kind;
    head.ends = passed.ends;
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof(head));
    messages_.push_back({bytes + passed.listener, passed.client.stream.take_socket(), passed.upstream.stream.take_socket()});
    if (passed.upstream.unsent) add_pieces(*passed.upstream.unsent);
    if (passed.client.unsent) add_pieces(*passed.client.unsent);
}

void Giver::add_pieces(const Unsent& unsent) {
    for (std::size_t at = unsent.from; at < unsent.bytes.size(); at += limits::passed_piece_bytes) {
        const std::size_t size = std::min(limits::passed_piece_bytes, unsent.bytes.size() - at);
        messages_.push_back({std::string(unsent.bytes.data() + at, size), {}, {}});
    }
}

Result<void> Giver::flush() {
    while (!messages_.empty()) {
        const Message& message = messages_.front();
        std::vector<int> descriptors;
        if (message.client.valid()) descriptors.push_back(message.client.get());
        if (message.upstream.valid()) descriptors.push_back(message.upstream.get());
        if (auto sent = sys::send_message(channel_, message.bytes, descriptors); !sent) {
            // Too many descriptors are under way for this user: as if there were no room.
            return sent.error().code() == ETOOMANYREFS ? Error::system("pass a connection", EAGAIN) : sent.error();
        }
        messages_.pop_front();
    }
    return {};
}

Result<std::uint32_t> Giver::taken() {
    const auto received = sys::receive_message(channel_);
    if (!received) return received.error();
    std::uint32_t count = 0;
    if (received->bytes.size() < sizeof(count)) return failed("the other worker has ended");
    std::memcpy(&count, received->bytes.data(), sizeof(count));
    return count;
}

Result<void> Taker::confirm(std::size_t count) {
    const auto number = static_cast<std::uint32_t>(count);
    return sys::send_message(channel_, std::string(reinterpret_cast<const char*>(&number), sizeof(number)));
}

Result<std::optional<Passed>> Taker::take() {
    for (;;) {
        auto received = sys::receive_message(channel_);
        if (!received && received.error().code() == EAGAIN) return std::optional<Passed>();
        if (!received) return received.error();
        if (received->bytes.empty()) {
            ended_ = !partial_;
            return failed("the giver has ended");
        }
        auto read = partial_ ? add_piece(received->bytes) : begin(std::move(*received));
        if (!read) return read.error();
        if (for_upstream_ > 0 || for_client_ > 0) continue;
        std::optional<Passed> whole = std::move(partial_);
        partial_.reset();
        return whole;
    }
}

Result<void> Taker::begin(sys::Received received) {
    std::uint32_t size = 0;
    const std::string& bytes = received.bytes;
    if (bytes.size() >= sizeof(size)) std::memcpy(&size, bytes.data(), sizeof(size));
    if (received.cut) return failed("there was no room for a passed connection's descriptors");
    if (size < offsetof(PassedHead, client_ended) || size > bytes.size()) return failed("a passed connection's head is malformed");
    PassedHead head;
    std::memcpy(&head, bytes.data(), std::min<std::size_t>(size, sizeof(head)));
    if (head.kind > PassedKind::flows_end) return failed("what is passed is of an unknown kind");
    const bool is_connection = head.kind == PassedKind::connection;
    const std::size_t wanted = is_connection ? (head.endpoint == 0 ? 1 : 2) : (head.kind == PassedKind::flow ? 1 : 0);
    const std::size_t most = is_connection ? limits::relay_buffer_bytes : 0;
    const bool fits = head.for_upstream <= most && head.for_client <= most;
    if (received.descriptors.size() != wanted || !fits) return failed("a passed connection is malformed");
    if (head.address_size != 0 && head.address_size != 4 && head.address_size != 16) return failed("a passed connection's address is malformed");
    Passed& passed = partial_.emplace();
    passed.listener = bytes.substr(size);
    passed.kind = head.kind;
    passed.ends = head.ends;
    if (is_connection) passed.client.stream = Stream(std::move(received.descriptors[0]));
    if (wanted == 2 || head.kind == PassedKind::flow) passed.upstream.stream = Stream(std::move(received.descriptors.back()));
    passed.endpoint = head.endpoint;
    passed.address = ClientAddress(std::span(head.address).first(head.address_size), head.address_port);
    passed.upstream.deaf = head.upstream_deaf != 0;
    passed.client.ended = head.client_ended != 0;
    passed.client.told = head.client_told != 0;
    passed.upstream.ended = head.upstream_ended != 0;
    passed.upstream.told = head.upstream_told != 0;
    for_upstream_ = head.for_upstream;
    for_client_ = head.for_client;
    return {};
}

Result<void> Taker::add_piece(const std::string& bytes) {
    std::uint64_t& left = for_upstream_ > 0 ? for_upstream_ : for_client_;
    Leg& leg = for_upstream_ > 0 ? partial_->upstream : partial_->client;
    if (bytes.size() > left) return failed("a passed connection has too many bytes");
    if (!leg.unsent) leg.unsent = std::make_unique<Unsent>();
    leg.unsent->bytes.insert(leg.unsent->bytes.end(), bytes.begin(), bytes.end());
    left -= bytes.size();
    return {};
}

}  // namespace baton::gateway
