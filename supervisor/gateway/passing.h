// How a connection goes from one worker to another: its descriptors, and the bytes that were read from one
// side and not yet taken by the other. A flow of datagrams goes the same way, with the socket towards its
// instance. Workers of different versions speak it, so its messages may only grow at their ends, and a shorter one
// takes the defaults.
//
// One message with the head, the pool's name and the descriptors (client, instance), then the bytes in
// pieces of at most limits::passed_piece_bytes: those for the instance first. It is answered by PassedAnswer.
//
//             sent, both have its descriptors     the taker confirms           the giver reads that
//   giver's ──────────────────────────────▶ under way ────────────▶ the taker's ───────────────────▶ forgotten
//      ▲                                        │
//      └────────────────────────────────────────┘
//        refused, or the taker's end of the channel is gone and no confirmation is in it
//
// A connection has one owner at any time. Until it is confirmed nobody reads or writes it, and the giver keeps all
// of it, as a taker that dies must cost nothing; that is why few are under way at a time
// (limits::passed_under_way). The taker moves its first byte only once its confirmation is in the channel, where
// the giver finds it also when the taker has died since: what was confirmed is gone with the taker. As a giver that
// lives closes the channel only after the taker's end of it, a taker that finds it closed knows that the giver has
// died, and what is under way is its own.
//
// What a taker cannot use (it has no room for the descriptors, or does not understand the head) is that one item's
// matter. It refuses it: a connection goes on at the giver, who offers it again later or to somebody else; a flow
// ends, as the next datagram of its client makes another where the listener is read now. Only what leaves unclear
// where the next item begins ends the channel.
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
    std::uint32_t announced = 0;          // a flag: a PROXY header has told the address, and what follows
    std::array<std::uint8_t, 16> to{};    // where the client had connected to
    std::uint16_t to_port = 0;
    std::array<std::uint16_t, 3> unused{};
};
static_assert(sizeof(PassedHead) == 152);

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
    // Not passed. The endpoint's open connections, among which it counts for as long as it is this worker's.
    std::uint64_t* counter = nullptr;
    bool refused = false;  // another worker could not take it
};

// `count` more of what was given has been dealt with, in the order in which it was given. `refused`: the last of them
// was refused, the others are the taker's. Those who know only the count forget that one.
struct PassedAnswer {
    std::uint32_t count = 0;
    std::uint32_t refused = 0;
};

// The side that gives.
class Giver {
  public:
    // `heir`: the id of the worker at the other end.
    Giver(sys::UniqueFd channel, std::uint64_t heir) : channel_(std::move(channel)), heir_(heir) {}
    const sys::UniqueFd& channel() const { return channel_; }
    std::uint64_t heir() const { return heir_; }
    // Where nothing was given yet.
    sys::UniqueFd take_channel() { return std::move(channel_); }

    // Nobody reads or writes it from here on, until it is told what became of it.
    void add(Passed passed);
    // As many are under way as may be.
    bool full() const;
    bool empty() const { return under_way_.empty(); }
    // full: there is no room, which the channel is watched for. later: there is none either, and nothing tells when
    // there is. gone: so is the other side; what it has answered is still to be read.
    enum class Flushed { all, full, later, gone };
    Flushed flush();
    // What the other side has decided about since. An Error with code() EAGAIN: no news. Any other: it is gone, and all
    // that it has answered was read.
    struct Answered {
        std::vector<Passed> taken;
        std::optional<Passed> refused;
    };
    Result<Answered> answered();
    // What nobody has confirmed, once the other side is gone.
    std::deque<Passed> take_back();
    bool waits_for_room = false;  // the channel is watched for it

  private:
    Result<void> send_next();

    sys::UniqueFd channel_;
    std::uint64_t heir_;
    std::deque<Passed> under_way_;
    std::size_t sent_ = 0;     // so many of them are sent whole
    bool head_sent_ = false;   // of the one after those
    std::size_t pieces_ = 0;   // and so many of its bytes
};

// The side that takes.
class Taker {
  public:
    explicit Taker(sys::UniqueFd channel) : channel_(std::move(channel)) {}
    const sys::UniqueFd& channel() const { return channel_; }

    // The next whole connection; none: not now. It is this worker's once it is confirmed. An Error: the giver has ended,
    // or does not speak properly.
    Result<std::optional<Passed>> take();
    // Why take() failed: the giver has given everything and ended.
    bool ended() const { return gone_ && !partial_; }
    // Tells the giver what became of all that was taken. So many of them, the first ones, are this worker's from here
    // on; where that is not all, there is no room to tell the rest now. An Error: the giver has ended, and all of them are.
    Result<std::size_t> confirm();

    bool paused = false;         // there is no room for more connections
    bool waits_for_room = false; // for answers, in the channel
    std::deque<Passed> taken;    // not confirmed yet: they count here, and nobody serves them

  private:
    Result<void> begin(sys::Received received);
    Result<void> add_piece(const std::string& bytes);
    void answer(bool refused);

    sys::UniqueFd channel_;
    bool gone_ = false;
    std::optional<Passed> partial_;
    bool refuse_ = false;             // what has begun
    std::uint64_t for_upstream_ = 0;  // bytes that are still to come
    std::uint64_t for_client_ = 0;
    std::deque<PassedAnswer> answers_;  // not told yet
};

}  // namespace baton::gateway
