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

bool Outlet::flush(Stream& stream) {
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
        if (piece.empty()) continue;
        if (!unsent_) unsent_ = std::make_unique<Unsent>();
        unsent_->bytes.insert(unsent_->bytes.end(), piece.begin(), piece.end());
    }
    return true;
}

std::unique_ptr<Unsent> Outlet::take_unsent() {
    if (!held_.empty()) {
        if (!unsent_) unsent_ = std::make_unique<Unsent>();
        unsent_->bytes.insert(unsent_->bytes.end(), held_.begin(), held_.end());
        std::string().swap(held_);
    }
    return std::move(unsent_);
}

}  // namespace baton::gateway
