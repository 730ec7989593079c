// How a connection goes from one worker to another: its descriptors, and the bytes that were read from one
// side and not yet taken by the other. A flow of datagrams goes the same way, with the socket towards its instance. Workers of different versions speak it, so its head may only grow
// at its end, and a shorter one takes the defaults.
//
// What has arrived is confirmed by messages with a count (u32): only then does the giver forget it.
//
// One message with the head, the pool's name and the descriptors (client, instance), then the bytes in
// pieces of at most limits::passed_piece_bytes: those for the instance first.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "gateway/session.h"
#include "sys/channel.h"
#include "sys/datagram_batch.h"

namespace baton::gateway {

// flows_end: of this listener there are no more flows; `endpoint` is the id of the worker that has given them.
enum class PassedKind : std::uint32_t { connection, flow, flows_end };

struct PassedHead {
    std::uint32_t size = sizeof(PassedHead);
    std::uint32_t version = 1;
    std::uint64_t endpoint = 0;           // 0: no instance was picked yet, and there is one descriptor
    std::uint64_t for_upstream = 0;       // bytes that follow
    std::uint64_t for_client = 0;
    std::uint32_t client_ended = 0;       // flags, as in Leg
    std::uint32_t client_told = 0;
    std::uint32_t upstream_ended = 0;
    std::uint32_t upstream_told = 0;
    std::uint32_t upstream_deaf = 0;
    std::uint16_t address_size = 0;       // the client's, which a PROXY header may have told
    std::uint16_t address_port = 0;
    std::array<std::uint8_t, 16> address{};
    PassedKind kind = PassedKind::connection;
    sys::DatagramEnds ends;
    std::uint32_t unused = 0;
};
static_assert(sizeof(PassedHead) == 128);

// What goes over. Of an HTTP client that waits for nothing there is no instance, and what was read of it is
// what is not sent to one yet.
struct Passed {
    PassedKind kind = PassedKind::connection;
    std::string listener;        // the name of the listening socket
    std::uint64_t endpoint = 0;  // 0: no instance was picked yet
    Leg client;
    Leg upstream;
    ClientAddress address;
    sys::DatagramEnds ends;  // of a flow, whose socket is the upstream's
};

// The side that gives. Nothing is lost when the other one is slow: flush() again when there is room.
class Giver {
  public:
    explicit Giver(sys::UniqueFd channel) : channel_(std::move(channel)) {}
    const sys::UniqueFd& channel() const { return channel_; }

    // The connection is the other's from here on.
    void add(Passed passed);
    bool empty() const { return messages_.empty(); }
    // An Error with code() EAGAIN: there is no room now. Any other: the other side is gone.
    Result<void> flush();
    // So many connections more were taken by the other side. An Error with code() EAGAIN: no news. Any other: it
    // is gone.
    Result<std::uint32_t> taken();

  private:
    struct Message {
        std::string bytes;
        sys::UniqueFd client;
        sys::UniqueFd upstream;
    };
    void add_pieces(const Unsent& unsent);

    sys::UniqueFd channel_;
    std::deque<Message> messages_;
};

// The side that takes.
class Taker {
  public:
    explicit Taker(sys::UniqueFd channel) : channel_(std::move(channel)) {}
    const sys::UniqueFd& channel() const { return channel_; }

    // Tells the giver that so many have arrived.
    Result<void> confirm(std::size_t count);
    // Why take() failed: the giver has given everything and ended.
    bool ended() const { return ended_; }
    bool paused = false;  // there is no room for more connections
    // The next whole connection; none: not now. An Error: the giver has ended, or does not speak properly.
    Result<std::optional<Passed>> take();

  private:
    Result<void> begin(sys::Received received);
    Result<void> add_piece(const std::string& bytes);

    sys::UniqueFd channel_;
    bool ended_ = false;
    std::optional<Passed> partial_;
    std::uint64_t for_upstream_ = 0;  // bytes that are still to come
    std::uint64_t for_client_ = 0;
};

}  // namespace baton::gateway
