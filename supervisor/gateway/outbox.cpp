#include "gateway/outbox.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"

namespace baton::gateway {

struct Outbox::Place {
    Posted* owner = nullptr;  // null: it was taken
    int socket = -1;
    std::uint64_t token = 0;
    char* bytes = nullptr;
    std::size_t size = 0;
    std::size_t done = 0;  // of them, the first

    std::string_view text() const { return {bytes + done, size - done}; }
};

Outbox::Posted& Outbox::Posted::operator=(Posted&& other) noexcept {
    take();
    place_ = std::exchange(other.place_, nullptr);
    follow();
    return *this;
}

void Outbox::Posted::follow() {
    if (place_ != nullptr) place_->owner = this;
}

std::string_view Outbox::Posted::take() {
    if (place_ == nullptr) return {};
    place_->owner = nullptr;
    return std::exchange(place_, nullptr)->text();
}

Outbox::Outbox(std::optional<sys::SendBatch> batch) : batch_(std::move(batch)) {
    if (!batch_) return;
    places_.resize(limits::posted_writes);
    // Not touched before it is used.
    bytes_ = std::make_unique_for_overwrite<char[]>(limits::posted_writes * limits::posted_bytes);
    for (std::size_t i = 0; i < places_.size(); ++i) places_[i].bytes = bytes_.get() + i * limits::posted_bytes;
}

Outbox::~Outbox() {
    for (std::size_t i = 0; i < used_; ++i) {
        if (places_[i].owner != nullptr) places_[i].owner->take();
    }
}

bool Outbox::post(Posted& posted, const sys::UniqueFd& socket, std::uint64_t token, std::span<const std::string_view> pieces) {
    std::size_t size = 0;
    for (const std::string_view piece : pieces) size += piece.size();
    if (size == 0) return true;
    if (!batch_ || (posted ? posted.place_->size : 0) + size > limits::posted_bytes) return false;
    if (!posted) {
        if (used_ == places_.size()) return false;
        Place& place = places_[used_++];
        place.size = place.done = 0;
        place.owner = &posted;
        posted.place_ = &place;
    }
    Place& place = *posted.place_;
    place.socket = socket.get();
    place.token = token;
    for (const std::string_view piece : pieces) {
        std::copy(piece.begin(), piece.end(), place.bytes + place.size);
        place.size += piece.size();
    }
    return true;
}

void Outbox::flush(const std::function<void(std::uint64_t token)>& late) {
    // Those who are told may post again, which makes another round.
    for (std::size_t from = 0; from < used_;) {
        const std::size_t to = used_;
        write(from, to);
        for (; from < to; ++from) {
            if (places_[from].owner != nullptr) late(places_[from].token);
            CHECK(places_[from].owner == nullptr);
        }
    }
    used_ = 0;
}

// What was taken whole is not posted any more; of anything else, what is left is.
void Outbox::write(std::size_t from, std::size_t to) {
    std::array<Place*, limits::posted_writes> written{};
    std::size_t count = 0;
    for (Place& place : std::span(places_).subspan(from, to - from)) {
        if (place.owner == nullptr) continue;
        batch_->add(place.socket, place.text());
        written[count++] = &place;
    }
    const std::span<const sys::Transfer> outcomes = batch_->send();
    for (std::size_t i = 0; i < count; ++i) {
        Place& place = *written[i];
        place.done += outcomes[i].bytes;
        if (place.done == place.size) place.owner->take();
    }
    // Without it all is written one by one from here on.
    if (std::any_of(outcomes.begin(), outcomes.end(), [](const sys::Transfer& one) { return one.error == ECANCELED; })) batch_.reset();
}

}  // namespace baton::gateway
