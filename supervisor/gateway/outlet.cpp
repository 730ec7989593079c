#include "gateway/outlet.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace baton::gateway {

bool Outlet::put(Stream& stream, std::string_view data, std::string_view before, std::string_view after) {
    const std::array<std::string_view, 4> pieces{held_, before, data, after};
    const bool sound = send(stream, pieces);
    std::string().swap(held_);
    return sound;
}

bool Outlet::post(Outbox& outbox, std::uint64_t token, Stream& stream, std::string_view data, std::string_view before, std::string_view after) {
    const std::array<std::string_view, 4> pieces{held_, before, data, after};
    if (unsent_ || !stream.post(outbox, token, pieces)) return put(stream, data, before, after);
    for (const std::string_view piece : pieces) sent_ += piece.size();
    std::string().swap(held_);
    return true;
}

bool Outlet::settle(Stream& stream) {
    const Stream::Late late = stream.settle();
    sent_ -= late.rest.size();
    if (late.error == 0) keep(late.rest);
    return late.error == 0;
}

bool Outlet::flush(Stream& stream) {
    if (!settle(stream)) return false;
    if (unsent_) {
        auto& [bytes, from] = *unsent_;
        const sys::Transfer put = stream.write(std::string_view(bytes.data(), bytes.size()).substr(from));
        if (put.error == EAGAIN) return true;
        if (put.error != 0) return false;
        sent_ += put.bytes;
        from += put.bytes;
        if (from < bytes.size()) return true;
        unsent_.reset();
    }
    return held_.empty() || put(stream, {});
}

bool Outlet::send(Stream& stream, std::span<const std::string_view> pieces) {
    if (!settle(stream)) return false;
    std::size_t taken = 0;
    if (!unsent_) {
        const sys::Transfer put = stream.write(pieces);
        if (put.error != 0 && put.error != EAGAIN) return false;
        taken = put.bytes;
        sent_ += taken;
    }
    for (std::string_view piece : pieces) {
        const std::size_t gone = std::min(taken, piece.size());
        taken -= gone;
        piece.remove_prefix(gone);
        keep(piece);
    }
    return true;
}

void Outlet::keep(std::string_view bytes) {
    if (bytes.empty()) return;
    if (!unsent_) unsent_ = std::make_unique<Unsent>();
    unsent_->bytes.insert(unsent_->bytes.end(), bytes.begin(), bytes.end());
}

std::unique_ptr<Unsent> Outlet::take_unsent() {
    keep(held_);
    std::string().swap(held_);
    return std::move(unsent_);
}

}  // namespace baton::gateway
