// What keeper and masters say to each other: one fixed struct a message, then text, then descriptors.
//
// A message is a Header, the body of its type, and a tail of NUL-terminated strings. The format is
// versioned and has golden files: keeper and master may be of different versions during an upgrade, so
// a body only ever grows at its end, where a shorter one leaves the defaults, and a type keeps its
// meaning. Integers are in host order; both ends are one machine. Only the owner's messages with the present fencing number may change anything that runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace baton::keeper {

inline constexpr std::uint32_t message_magic = 0x4E544142;  // "BATN"
inline constexpr std::uint16_t message_version = 1;

struct Header {
    std::uint32_t magic = message_magic;
    std::uint16_t version = message_version;
    std::uint16_t type = 0;
    std::uint32_t fence = 0;
    std::uint32_t body_bytes = 0;
};

// --- from a master ---
struct Hello { static constexpr std::uint16_t type = 1; std::uint32_t heartbeat_timeout_ms = 0; };
struct Beat { static constexpr std::uint16_t type = 2; std::uint32_t unused = 0; };
// This master can serve.
struct Ready { static constexpr std::uint16_t type = 3; std::uint32_t unused = 0; };
// Owner: keep the attached descriptor under the name in the tail; one of the same name is replaced.
struct Hold { static constexpr std::uint16_t type = 4; std::uint32_t unused = 0; };
// Owner: close the descriptor of that name.
struct Release { static constexpr std::uint16_t type = 5; std::uint32_t unused = 0; };
// A page of held names after the one in the tail, with their descriptors.
struct ListHeld { static constexpr std::uint16_t type = 6; std::uint32_t unused = 0; };
// A page of children with an id greater than `after`.
struct ListChildren { static constexpr std::uint16_t type = 7; std::uint64_t after = 0; };
// Owner: start a program. Tail: path, directory, arguments, environment. Descriptors: output (1 and 2),
// then 3, 4, ..., then the directory of its control group where has_cgroup is set.
struct Spawn {
    static constexpr std::uint16_t type = 8;
    std::uint64_t id = 0;
    std::uint64_t nofile = 0;
    std::uint32_t uid = UINT32_MAX;
    std::uint32_t gid = UINT32_MAX;
    std::uint32_t umask = 022;
    std::uint32_t group_count = 0;  // supplementary groups, as decimal strings at the tail's end
    std::uint32_t argument_count = 0;
    std::uint32_t environment_count = 0;
    std::uint32_t has_cgroup = 0;
    std::uint32_t keep_hard_nofile = 0;  // nofile is the soft limit only
};
// Owner: a signal for a child, or for its whole process group.
struct Signal {
    static constexpr std::uint16_t type = 9;
    std::uint64_t id = 0;
    std::int32_t signal = 0;
    std::uint32_t whole_group = 0;
};
// Owner: this child's end was noted; the keeper may forget it.
struct Forget { static constexpr std::uint16_t type = 10; std::uint64_t id = 0; };
// Any master: keep the tail's string for my replacement, should I die.
struct Note { static constexpr std::uint16_t type = 11; std::uint32_t unused = 0; };
// Owner: start a new master from the binary at the tail's path.
struct StartMaster { static constexpr std::uint16_t type = 12; std::uint32_t unused = 0; };
// The incumbent: a signal for another master.
struct SignalMaster { static constexpr std::uint16_t type = 13; std::uint32_t generation = 0; std::int32_t signal = 0; };
// The owner gives, or the incumbent takes, the instances to `generation`.
struct Transfer { static constexpr std::uint16_t type = 14; std::uint32_t generation = 0; };
// This master is about to end on purpose and must not be replaced. It leaves everything to `successor`
// (0: nobody, all is done); refused if that one is gone, and void if it ends first.
struct Leave { static constexpr std::uint16_t type = 15; std::uint32_t successor = 0; };
// The tail's string for another master.
struct Tell { static constexpr std::uint16_t type = 16; std::uint32_t generation = 0; };
// Owner: replace the keeper's program by this master's image, in place.
struct ReplaceKeeper { static constexpr std::uint16_t type = 17; std::uint32_t unused = 0; };

// --- from the keeper ---
// First of all. Tail: the note, the image's path, batond's arguments.
struct Welcome {
    static constexpr std::uint16_t type = 64;
    std::uint32_t generation = 0;
    std::uint32_t incarnation = 0;  // 0: the first of this generation
    std::uint32_t owner = 0;
    std::uint32_t incumbent = 0;
    std::int32_t keeper_pid = 0;
    std::uint32_t other_masters = 0;  // MasterStarted (and MasterReady) follow for each
};
struct HeldPage { static constexpr std::uint16_t type = 65; std::uint32_t count = 0; std::uint32_t more = 0; };
struct ChildrenPage { static constexpr std::uint16_t type = 66; std::uint32_t count = 0; std::uint32_t more = 0; };
// One for each child of a ChildrenPage, as further Exited messages would not say who lives.
struct ChildRecord { std::uint64_t id = 0; std::int32_t pid = 0; std::int32_t status = 0; std::uint32_t exited = 0; std::uint32_t unused = 0; };
// `error` is an errno, the tail says what failed; 0: it runs.
struct SpawnDone { static constexpr std::uint16_t type = 67; std::uint64_t id = 0; std::int32_t pid = 0; std::int32_t error = 0; };
// `status` as waitpid gives it.
struct Exited { static constexpr std::uint16_t type = 68; std::uint64_t id = 0; std::int32_t pid = 0; std::int32_t status = 0; };
struct Owner { static constexpr std::uint16_t type = 69; std::uint32_t generation = 0; std::uint32_t fence = 0; };
struct MasterStarted { static constexpr std::uint16_t type = 70; std::uint32_t generation = 0; std::int32_t pid = 0; std::int32_t error = 0; std::uint32_t unused = 0; };
struct MasterReady { static constexpr std::uint16_t type = 71; std::uint32_t generation = 0; };
// A master ended for good; `left` when it had said Leave.
struct MasterGone { static constexpr std::uint16_t type = 72; std::uint32_t generation = 0; std::int32_t status = 0; std::uint32_t left = 0; std::uint32_t unused = 0; };
struct Told { static constexpr std::uint16_t type = 73; std::uint32_t generation = 0; };
// A signal was sent to the keeper.
struct Signalled { static constexpr std::uint16_t type = 74; std::int32_t signal = 0; };
// Messages were lost because you did not read, or may have been: MasterStarted (and MasterReady) for each
// of `other_masters`, and Owner, follow; list the children again.
struct Resync { static constexpr std::uint16_t type = 75; std::uint32_t other_masters = 0; };
// The request of type `request` was refused; the tail says why, and of a Hold the name.
struct Refused { static constexpr std::uint16_t type = 76; std::uint32_t request = 0; };
// The keeper runs the new image (error 0), or goes on with the old one; the tail says why.
struct KeeperReplaced { static constexpr std::uint16_t type = 77; std::int32_t error = 0; };

// Strings one after the other, each ended by a NUL.
class Tail {
  public:
    Tail& add(std::string_view string) {
        bytes_.append(string);
        bytes_.push_back('\0');
        return *this;
    }
    Tail& add_raw(const void* data, std::size_t size) {
        bytes_.append(static_cast<const char*>(data), size);
        return *this;
    }
    const std::string& bytes() const { return bytes_; }

  private:
    std::string bytes_;
};

template <class Body>
std::string pack(const Body& body, std::uint32_t fence = 0, const Tail& tail = {}) {
    static_assert(std::is_trivially_copyable_v<Body>);
    Header header;
    header.type = Body::type;
    header.fence = fence;
    header.body_bytes = sizeof(Body);
    std::string bytes(sizeof(Header) + sizeof(Body), '\0');
    std::memcpy(bytes.data(), &header, sizeof(Header));
    std::memcpy(bytes.data() + sizeof(Header), &body, sizeof(Body));
    return bytes + tail.bytes();
}

// A received message; refers to the bytes it was made from.
class Message {
  public:
    // Checks magic, version and sizes. The caller checks the type.
    static Result<Message> open(std::string_view bytes);

    std::uint16_t type() const { return header_.type; }
    std::uint32_t fence() const { return header_.fence; }

    // An Error when it is of another type. What an earlier version did not send has its default; what a later
    // one sends beyond is not looked at.
    template <class Body>
    Result<Body> body() const {
        Body value;
        if (header_.type != Body::type || body_.empty()) return failed("keeper message: wrong body");
        std::memcpy(&value, body_.data(), std::min(body_.size(), sizeof(Body)));
        return value;
    }
    std::string_view tail() const { return tail_; }
    // The first of the tail's strings; empty when there is none.
    std::string_view first() const { return tail_.substr(0, std::min(tail_.find('\0'), tail_.size())); }
    // The tail's strings; an Error when the last one is not ended.
    Result<std::vector<std::string>> strings() const;

  private:
    Header header_;
    std::string_view body_;
    std::string_view tail_;
};

}  // namespace baton::keeper
