// Small writes of one turn that are made together at its end, with one system call: a worker under load makes as many
// writes as it has events, and made one by one they cost a sixth more.
//
// Who posts goes on as if the stream had taken the bytes, which it nearly always does. Where it does not, who owns the
// stream hears of it at the end of the turn. Whoever does anything else with the stream before that settles it first.
//
//          post                    flush, at the end of the turn
//   free ────────▶ posted ────────────────────────────────────────▶ free
//                    │ settled: its owner writes it by itself          ▲
//                    │ the stream ends: nobody writes it               │
//                    └─────────────────────────────────────────────────┘
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/gateway_limits.h"
#include "sys/descriptor.h"
#include "sys/send_batch.h"

namespace baton::gateway {

class Outbox {
    struct Place;

  public:
    // A stream's place here, which moves with it.
    class Posted {
      public:
        Posted() = default;
        Posted(Posted&& other) noexcept : place_(std::exchange(other.place_, nullptr)) { follow(); }
        Posted& operator=(Posted&& other) noexcept;
        ~Posted() { take(); }

        explicit operator bool() const { return place_ != nullptr; }
        // It is not posted any more; what was is good until the end of the turn.
        std::string_view take();

      private:
        friend class Outbox;
        void follow();

        Place* place_ = nullptr;
    };

    // Without a batch nothing can be posted.
    explicit Outbox(std::optional<sys::SendBatch> batch);
    ~Outbox();
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;

    // After what was posted there before. `token`: who hears of what was not taken. False: it does not fit; nothing is
    // changed, and it is to be written by itself.
    bool post(Posted& posted, const sys::UniqueFd& socket, std::uint64_t token, std::span<const std::string_view> pieces);
    // Writes all there is. `late` is called for each stream that did not take everything, and settles it: what it has
    // not taken is still posted. It may post on others.
    void flush(const std::function<void(std::uint64_t token)>& late);

  private:
    void write(std::size_t from, std::size_t to);

    std::optional<sys::SendBatch> batch_;
    std::vector<Place> places_;
    std::unique_ptr<char[]> bytes_;  // limits::posted_bytes for each place
    std::size_t used_ = 0;           // the first so many, since the last flush
};

}  // namespace baton::gateway
