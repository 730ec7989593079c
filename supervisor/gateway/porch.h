// Connections that were accepted and whose beginning is awaited, before they enter a plane: the PROXY header that
// says who the client is, and the handshake of TLS, where their listener has them.
//
//            the whole header            the handshake is over
//   header ───────────────────▶ handshake ───────────────────▶ (enters its plane)
//      │ malformed, or its time is over      │ it failed, or its time is over
//      └──────────────────▶ closed ◀─────────┘
//
// One thread; it owns them until they enter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "gateway/core.h"
#include "gateway/door.h"
#include "gateway/stream.h"

namespace baton::gateway {

class Porch {
  public:
    using Enter = std::function<void(const std::shared_ptr<Door>&, Stream, const ClientAddress&)>;
    Porch(Core& core, Enter enter);
    ~Porch();

    // Whether connections of this listener begin here.
    static bool is_for(const Door& door) { return door.entrance.proxy_protocol || door.entrance.tls.has_value(); }
    void add(const std::shared_ptr<Door>& door, sys::UniqueFd socket, const ClientAddress& address);
    std::size_t count() const { return arrivals_.size(); }

  private:
    class Arrival;

    void enter(Arrival& arrival);
    void refuse(Arrival& arrival, std::string_view why);
    std::unique_ptr<Arrival> take(Arrival& arrival);

    Core& core_;
    Enter enter_;
    std::vector<std::unique_ptr<Arrival>> arrivals_;
    std::uint64_t refused_ = 0;  // since it was said
    Millis said_ = 0;
};

}  // namespace baton::gateway
