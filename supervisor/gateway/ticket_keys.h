// The keys of the tickets by which clients of TLS take their sessions up again. A master makes them and hands them to
// all its workers, so that each of them opens what any has sealed, also before and after an upgrade.
//
//             a turn              a turn                a turn
//   (new) next ─────▶ current ────────────▶ previous ─────────▶ (forgotten)
//   opens              seals and opens        opens; the client
//                                             gets another ticket
//
// The keys are in memory only. A value; they are wiped with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/time.h"
#include "sys/descriptor.h"

namespace baton::gateway {

inline constexpr std::size_t ticket_name_bytes = 16;
inline constexpr std::size_t ticket_secret_bytes = 32;

struct TicketKey {
    std::array<unsigned char, ticket_name_bytes> name{};  // stands in each ticket for all to see
    std::array<unsigned char, ticket_secret_bytes> cipher{};
    std::array<unsigned char, ticket_secret_bytes> mac{};
};

class TicketKeys {
  public:
    // New ones. `now`: monotonic, as in all that follows.
    static TicketKeys make(Millis now);
    // What save() wrote, in this process or in another one of this host. An Error: it is none, or of another version.
    static Result<TicketKeys> load(const sys::UniqueFd& file);
    // In a sealed memory file.
    Result<sys::UniqueFd> save() const;

    TicketKeys(const TicketKeys&) = default;
    TicketKeys& operator=(const TicketKeys&) = default;
    ~TicketKeys();

    // The turns that are due since the last one; false: none was.
    bool turn(Millis now);
    Millis due() const;
    // Other keys have another one. It tells no secret, and is never 0.
    std::uint64_t id() const;

    const TicketKey& current() const { return keys_[1]; }
    // Null: there is none of this name (any more).
    const TicketKey* find(std::span<const unsigned char, ticket_name_bytes> name) const;
    bool is_old(const TicketKey& key) const { return &key == &keys_[2]; }

  private:
    TicketKeys() = default;

    Millis turned_ = 0;
    std::array<TicketKey, 3> keys_;  // next, current, previous
};

}  // namespace baton::gateway
