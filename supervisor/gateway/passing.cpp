#include "gateway/passing.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "base/gateway_limits.h"

namespace baton::gateway {
namespace {

std::string_view left_of(const Leg& leg) {
    return leg.unsent ? std::string_view(leg.unsent->bytes.data(), leg.unsent->bytes.size()).substr(leg.unsent->from) : std::string_view();
}

PassedHead head_of(const Passed& passed) {
    PassedHead head;
    head.endpoint = passed.endpoint;
    head.for_upstream = left_of(passed.upstream).size();
    head.for_client = left_of(passed.client).size();
    head.client_ended = passed.client.ended;
    head.client_told = passed.client.told;
    head.upstream_ended = passed.upstream.ended;
    head.upstream_told = passed.upstream.told;
    head.upstream_deaf = passed.upstream.deaf;
    head.address_size = passed.address.size;
    head.address_port = passed.address.port;
    head.address = passed.address.bytes;
    head.announced = passed.address.announced;
    head.to = passed.address.to;
    head.to_port = passed.address.to_port;
    head.kind = passed.kind;
    head.ends = passed.ends;
    return head;
}

template <class T>
std::string bytes_of(const T& message) {
    return {reinterpret_cast<const char*>(&message), sizeof(message)};
}

bool is_gone(const Error& error) { return error.code() == EPIPE || error.code() == ECONNRESET; }

}  // namespace

void Giver::add(Passed passed) { under_way_.push_back(std::move(passed)); }

bool Giver::full() const { return under_way_.size() >= limits::passed_under_way; }

Giver::Flushed Giver::flush() {
    while (sent_ < under_way_.size()) {
        const auto sent = send_next();
        if (sent) continue;
        if (is_gone(sent.error())) return Flushed::gone;
        // ETOOMANYREFS above all: too many descriptors are under way for this user, whoever has sent them.
        return sent.error().code() == EAGAIN ? Flushed::full : Flushed::later;
    }
    return Flushed::all;
}

// One message.
Result<void> Giver::send_next() {
    const Passed& passed = under_way_[sent_];
    const std::string_view for_upstream = left_of(passed.upstream);
    const std::string_view for_client = left_of(passed.client);
    if (!head_sent_) {
        std::vector<int> descriptors;
        for (const Leg* leg : {&passed.client, &passed.upstream}) {
            if (leg->stream.socket().valid()) descriptors.push_back(leg->stream.socket().get());
        }
        if (auto sent = sys::send_message(channel_, bytes_of(head_of(passed)) + passed.listener, descriptors); !sent) return sent;
        head_sent_ = true;
    } else {
        const bool first = pieces_ < for_upstream.size();
        const std::string_view rest = first ? for_upstream.substr(pieces_) : for_client.substr(pieces_ - for_upstream.size());
        const std::string_view piece = rest.substr(0, limits::passed_piece_bytes);
        if (auto sent = sys::send_message(channel_, piece); !sent) return sent;
        pieces_ += piece.size();
    }
    if (pieces_ < for_upstream.size() + for_client.size()) return {};
    ++sent_;
    head_sent_ = false;
    pieces_ = 0;
    return {};
}

Result<Giver::Answered> Giver::answered() {
    const auto received = sys::receive_message(channel_);
    if (!received) return received.error();
    if (received->bytes.empty()) return failed("the other worker has ended");
    PassedAnswer answer;
    std::memcpy(&answer, received->bytes.data(), std::min(received->bytes.size(), sizeof(answer)));
    Answered answered;
    // Nobody can know of more than was sent.
    for (std::size_t left = std::min<std::size_t>(answer.count, sent_); left > 0; --left) {
        Passed passed = std::move(under_way_.front());
        under_way_.pop_front();
        --sent_;
        if (left > 1 || answer.refused == 0) {
            answered.taken.push_back(std::move(passed));
        } else {
            passed.refused = true;
            answered.refused = std::move(passed);
        }
    }
    return answered;
}

std::deque<Passed> Giver::take_back() {
    sent_ = 0;
    head_sent_ = false;
    pieces_ = 0;
    return std::exchange(under_way_, {});
}

Result<std::size_t> Taker::confirm() {
    std::size_t mine = 0;
    while (!answers_.empty()) {
        const PassedAnswer& answer = answers_.front();
        if (const auto told = sys::send_message(channel_, bytes_of(answer)); !told) {
            if (!is_gone(told.error())) break;
            gone_ = true;
            answers_.clear();
            return told.error();
        }
        mine += answer.count - answer.refused;
        answers_.pop_front();
    }
    return mine;
}

void Taker::answer(bool refused) {
    if (answers_.empty() || answers_.back().refused != 0) answers_.emplace_back();
    ++answers_.back().count;
    answers_.back().refused = refused ? 1 : 0;
}

Result<std::optional<Passed>> Taker::take() {
    for (;;) {
        auto received = sys::receive_message(channel_);
        if (!received && received.error().code() == EAGAIN) return std::optional<Passed>();
        if (!received) return received.error();
        if (received->bytes.empty()) {
            gone_ = true;
            return failed("the giver has ended");
        }
        auto read = partial_ ? add_piece(received->bytes) : begin(std::move(*received));
        if (!read) return read.error();
        if (for_upstream_ > 0 || for_client_ > 0) continue;
        std::optional<Passed> whole = std::exchange(partial_, std::nullopt);
        answer(refuse_);
        if (!std::exchange(refuse_, false)) return whole;
    }
}

Result<void> Taker::begin(sys::Received received) {
    std::uint32_t size = 0;
    const std::string& bytes = received.bytes;
    if (bytes.size() >= sizeof(size)) std::memcpy(&size, bytes.data(), sizeof(size));
    if (size < offsetof(PassedHead, client_ended) || size > bytes.size()) return failed("a passed connection's head is malformed");
    PassedHead head;
    std::memcpy(&head, bytes.data(), std::min<std::size_t>(size, sizeof(head)));
    for_upstream_ = head.for_upstream;
    for_client_ = head.for_client;
    const bool is_connection = head.kind == PassedKind::connection;
    const std::size_t wanted = is_connection ? (head.endpoint == 0 ? 1 : 2) : (head.kind == PassedKind::flow ? 1 : 0);
    const std::size_t most = is_connection ? limits::passed_bytes : 0;
    const bool fits = head.for_upstream <= most && head.for_client <= most;
    const bool has_address = head.address_size == 0 || head.address_size == 4 || head.address_size == 16;
    Passed& passed = partial_.emplace();
    // Cut: there was no room for its descriptors here.
    refuse_ = received.cut || head.kind > PassedKind::flows_end || received.descriptors.size() != wanted || !fits || !has_address;
    if (refuse_) return {};
    passed.listener = bytes.substr(size);
    passed.kind = head.kind;
    passed.ends = head.ends;
    if (is_connection) passed.client.stream = Stream(std::move(received.descriptors[0]));
    if (wanted == 2 || head.kind == PassedKind::flow) passed.upstream.stream = Stream(std::move(received.descriptors.back()));
    passed.endpoint = head.endpoint;
    passed.address = ClientAddress(std::span(head.address).first(head.address_size), head.address_port);
    passed.address.announced = head.announced != 0;
    passed.address.to = head.to;
    passed.address.to_port = head.to_port;
    passed.upstream.deaf = head.upstream_deaf != 0;
    passed.client.ended = head.client_ended != 0;
    passed.client.told = head.client_told != 0;
    passed.upstream.ended = head.upstream_ended != 0;
    passed.upstream.told = head.upstream_told != 0;
    return {};
}

Result<void> Taker::add_piece(const std::string& bytes) {
    std::uint64_t& left = for_upstream_ > 0 ? for_upstream_ : for_client_;
    Leg& leg = for_upstream_ > 0 ? partial_->upstream : partial_->client;
    if (bytes.size() > left) return failed("a passed connection has too many bytes");
    left -= bytes.size();
    if (refuse_) return {};
    if (!leg.unsent) leg.unsent = std::make_unique<Unsent>();
    leg.unsent->bytes.insert(leg.unsent->bytes.end(), bytes.begin(), bytes.end());
    return {};
}

}  // namespace baton::gateway
