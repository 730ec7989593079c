// One proxied connection: the client's stream, the instance's, and what is between them.
//
//              an instance is picked       connected               both have sent their last
//   waiting ──────────────────────▶ connecting ─────▶ relaying ──────────────────────────────▶ closed
//      ▲                                │                 │ a side broke: so does the other      ▲
//      └────────────────────────────────┘                 └─────────────────────────────────────┘
//        no instance could be reached: again soon; closed when its time is over
//
// Idle, one costs its two descriptors and this record: what is read is written at once, from a buffer that
// all connections share; only what the other side did not take is kept here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "base/time.h"
#include "gateway/handler.h"
#include "gateway/pool.h"
#include "gateway/stream.h"
#include "gateway/unsent.h"

namespace baton::gateway {

class TcpPlane;

struct Leg {
    Stream stream;
    std::unique_ptr<Unsent> unsent;  // to be written to it
    bool readable = false;           // there may be something to read
    bool ending = false;             // the kernel said that nothing follows what is there to read
    bool ended = false;              // its last byte was read
    bool watched = false;            // its events are told
    bool told = false;               // it was told that it has got the last byte
    bool writing = false;            // it is watched for room to write
    bool careful = false;            // one short read may not be all that is there (urgent data, a unix client)
    bool deaf = false;               // it takes nothing more; what is meant for it is read and dropped
    bool again = false;              // it had its turn, and there is more
};

enum class SessionState : std::uint8_t { waiting, connecting, relaying, closed };
enum class Side : std::uint8_t { client = 1, upstream = 2 };
inline Side other(Side side) { return side == Side::client ? Side::upstream : Side::client; }

struct Session final : public Timed {
    void on_deadline() override;

    TcpPlane* plane = nullptr;
    Leg client;
    Leg upstream;
    std::shared_ptr<Pool> pool;
    std::uint64_t endpoint = 0;
    std::uint64_t* counter = nullptr;   // open connections of the endpoint
    std::unique_ptr<Pick> pick;         // what an instance is picked by, until there is one
    Millis since = 0;                   // when it was accepted
    std::int64_t picked_at = 0;         // its instance, us
    boost::intrusive::list_member_hook<AutoUnlink> waiting;
    std::uint32_t index = 0;            // in the list of all
    std::vector<std::uint64_t> tried;   // endpoints that could not be reached, in a row
    SessionState state = SessionState::waiting;
    std::uint8_t offers = 0;            // as in Guest
    bool refused = false;               // the worker that it was to go to could not take it; not offered for now

    Leg& leg(Side side) { return side == Side::client ? client : upstream; }
    Leg& other(Side side) { return side == Side::client ? upstream : client; }
};

// What the events of a leg carry: its session's address, and in bits that the alignment leaves free, which
// side it is.
inline std::uint64_t token_of(const Session& session, Side side) {
    return reinterpret_cast<std::uint64_t>(&session) | static_cast<std::uint64_t>(side);
}

}  // namespace baton::gateway
