// Datagrams in one worker. A flow is a client's address at a listener: its first datagram picks an instance, to
// which a socket of the flow's own is connected; what comes back there goes to the client from the listener's
// address. It ends when nothing was sent either way for timeouts.idle.
//
//             an instance is picked
//   (none) ────────────────────────▶ bound ──▶ ended: idle for its time, or its place is another's
//                                    │   ▲
//       nobody is at the other end   ▼   │ its next datagram, to another instance
//                                   unbound
//
// A flow stays with its instance while the table has it, also as one that drains: what DNS needs one answer for,
// QUIC and others keep for long. So an instance that is drained gets no new clients, and its flows have until
// drain_timeout to fall silent; those that have not go to another one with their next datagram.
//
// A listening socket is read by one worker only, which the table names. Another one begins with the flows of the
// one before, where that one leaves; what arrives in between waits in the socket. A worker that stays and is not
// the reader any more keeps its flows for what is still answered.
//
// One thread; it owns the flows.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/core.h"
#include "gateway/door.h"
#include "gateway/passing.h"
#include "sys/datagram_batch.h"

namespace baton::gateway {

class UdpPlane;
class UdpDoor;

class Flow final : public Handler {
  public:
    Flow(UdpPlane& to, UdpDoor& at, const sys::DatagramEnds& from) : plane(to), door(at), ends(from) {}
    void on_ready(const sys::Readiness& event) override;
    void on_deadline() override;

    UdpPlane& plane;
    UdpDoor& door;
    const sys::DatagramEnds ends;
    sys::UniqueFd socket;              // to the instance; invalid: unbound
    std::shared_ptr<Pool> pool;
    std::uint64_t endpoint = 0;
    std::uint64_t* counter = nullptr;  // open connections of the endpoint
    std::uint64_t refused_by = 0;      // the endpoint that was left last
    bool answered = false;             // by this endpoint
    std::string kept;                  // what was sent last, while nobody has proved to be there
    std::size_t attempts = 0;          // to send it
    bool outlived = false;             // its client has another one here; this one only brings what is still answered
    boost::intrusive::list_member_hook<AutoUnlink> by_age;
};

// Its deadline is the end of its patience with the reader before.
class UdpDoor final : public Handler {
  public:
    UdpDoor(UdpPlane& to, std::shared_ptr<Door> with) : plane(to), door(std::move(with)) {}
    void on_ready(const sys::Readiness& event) override;
    void on_deadline() override;

    // By a key that whoever chooses source addresses does not know.
    struct Hash {
        std::size_t operator()(const sys::DatagramEnds& ends) const;
        std::array<std::uint64_t, 2> key;
    };
    UdpPlane& plane;
    std::shared_ptr<Door> door;
    std::unordered_map<sys::DatagramEnds, std::unique_ptr<Flow>, Hash> flows{0, Hash{random_key()}};
    // The first was silent for the longest time.
    boost::intrusive::list<Flow, boost::intrusive::constant_time_size<false>,
                           boost::intrusive::member_hook<Flow, boost::intrusive::list_member_hook<AutoUnlink>, &Flow::by_age>>
        by_age;
    std::unordered_map<const Flow*, std::unique_ptr<Flow>> outlived;
    bool named = false;                 // the table wants it to be read here
    std::uint64_t waits_for = 0;        // the worker whose flows come first
    std::uint64_t had_from = 0;         // the worker that has given all it had
    bool given = false;                 // its flows are the next worker's
    std::uint64_t dropped = 0;          // that were not told of yet
    Millis drops_said = 0;

  private:
    static std::array<std::uint64_t, 2> random_key();
};

class UdpPlane {
  public:
    explicit UdpPlane(Core& core);
    ~UdpPlane();
    UdpPlane(const UdpPlane&) = delete;
    UdpPlane& operator=(const UdpPlane&) = delete;

    // By this table from here on. `self`: the worker it is for.
    void follow(const std::shared_ptr<Door>& door, std::uint64_t self);
    // The table knows it no more: its flows end.
    void close(const std::string& listener);
    // Every listener that is to be read is, and no other. `most`: flows of this worker.
    void settle(std::size_t most);
    // Nobody new, and nobody to give the flows to.
    void leave();

    // The next for another worker; none: it has all.
    std::optional<Passed> give();
    // To yet another one, which is to have all there is.
    void give_anew();
    // What is of a listener that the table does not know ends here.
    void take(Passed passed);

    std::size_t count() const { return count_; }

    // --- of flows and doors ---
    void on_datagrams(UdpDoor& door);
    void on_answers(Flow& flow);
    void finish(Flow& flow);
    void give_up_waiting(UdpDoor& door);

  private:
    void make_room(UdpDoor& door);
    Flow& find_or_add(UdpDoor& door, const sys::DatagramEnds& ends);
    Flow& add(UdpDoor& door, const sys::DatagramEnds& ends);
    Flow& add_outlived(UdpDoor& door, const sys::DatagramEnds& ends);
    void enter(UdpDoor& door, Flow& flow);
    void end_soon(UdpDoor& door);
    void forward(Flow& flow, std::size_t first, std::size_t count);
    bool bind(Flow& flow, std::vector<std::uint64_t>& tried, bool& may_return);
    void unbind(Flow& flow);
    void refused(Flow& flow);
    void send_again(Flow& flow);
    int send(Flow& flow, std::size_t& first, std::size_t end);
    void touch(Flow& flow);
    void drop(UdpDoor& door, std::size_t count, std::string_view why);
    void stop_reading(UdpDoor& door);
    sys::DatagramBatch& batch();

    Core& core_;
    std::map<std::string, std::unique_ptr<UdpDoor>> doors_;  // by the listening socket's name
    std::size_t count_ = 0;
    std::size_t most_ = SIZE_MAX;
    std::uint64_t self_ = 0;
    bool full_said_ = false;
    std::unique_ptr<sys::DatagramBatch> batch_;  // once there is a use for it
};

}  // namespace baton::gateway
