// The lines that instances wrote, in a ring of memory that survives the master: a memory file that
// the keeper holds and every master maps. The oldest lines make room for new ones.
//
// Any number of processes read; one at a time writes, and which one may change. What a reader sees
// is always whole: a writer first gives up the room it needs, then writes, then publishes, each by
// one store; so one that is killed in the middle leaves the ring as it was, less the oldest lines.
// Every record carries a checksum besides. One thread in each process.
//
// The file, in the byte order of the host (it never leaves it). Positions grow for ever; the place
// of one is its remainder by the room for records.
//   0  magic   8  version  16  bytes of the file  24  tail: the oldest record  32  head: after the
//   newest 40  number of the newest record  48..64  zero  64..  records
// A record: size u32 (with this header, a multiple of 8), checksum u32 (of all after it), number
// u64, wall time i64, bytes of the instance's name u32, bytes of the text u32, name, text, zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "base/time.h"
#include "model/views.h"
#include "sys/descriptor.h"
#include "sys/mapping.h"

namespace baton::run {

class LogRing {
  public:
    // A new one in a file of `bytes`, at least 4 KiB.
    static Result<LogRing> create(std::size_t bytes = limits::log_ring_bytes);
    // One that another process made. A file of another version, or one whose sizes do not agree, is
    // an Error.
    static Result<LogRing> open(const sys::UniqueFd& descriptor);

    const sys::UniqueFd& descriptor() const { return descriptor_; }

    // Only by the one writer. Too long a name or text is cut (a text at an eighth of the ring's
    // bytes).
    void append(std::string_view instance, std::string_view text, Millis wall);

    // The lines after `number`, oldest first, at most `most`. `filter`: "" for all, "web" for a
    // service's instances, "web/1" for one.
    std::vector<model::LogLineView> after(std::uint64_t number, std::string_view filter,
                                          std::size_t most) const;
    // The newest `most` lines, oldest first.
    std::vector<model::LogLineView> last(std::string_view filter, std::size_t most) const;
    // Of the newest line; 0: there is none.
    std::uint64_t last_number() const;

  private:
    struct Header;
    struct Record;
    // Where to begin to look for a number.
    struct Mark {
        std::uint64_t number;
        std::uint64_t position;
    };

    LogRing(sys::UniqueFd descriptor, sys::Mapping mapping);
    Header& header() const;
    std::span<std::byte> room() const;
    void copy_in(std::uint64_t position, std::span<const std::byte> bytes);
    void copy_out(std::uint64_t position, std::span<std::byte> bytes) const;
    std::optional<Record> read(std::uint64_t position, std::uint64_t head) const;
    std::optional<Record> seek(std::uint64_t& position, std::uint64_t head) const;
    void follow() const;
    void forget_until(std::uint64_t tail) const;
    void give_up_until(std::uint64_t position, std::uint64_t size);
    void note(std::uint64_t number, std::uint64_t position) const;
    void collect(std::uint64_t from, std::uint64_t to, std::uint64_t after, std::string_view filter,
                 std::size_t most, std::vector<model::LogLineView>& lines) const;

    sys::UniqueFd descriptor_;
    sys::Mapping mapping_;
    // What this process has seen of the ring so far: every so many records a mark.
    mutable std::deque<Mark> marks_;
    mutable std::uint64_t known_head_ = 0;
    mutable std::uint64_t known_records_ = 0;
};

}  // namespace baton::run
