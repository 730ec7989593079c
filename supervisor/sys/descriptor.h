// Descriptors with one owner. Every descriptor in Baton is close-on-exec from its birth; what a child
// shall have is named when it is spawned.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace baton::sys {

class UniqueFd {
  public:
    UniqueFd() = default;
    explicit UniqueFd(int raw) : raw_(raw) {}
    UniqueFd(UniqueFd&& other) noexcept : raw_(std::exchange(other.raw_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        reset();
        raw_ = std::exchange(other.raw_, -1);
        return *this;
    }
    ~UniqueFd() { reset(); }

    // For the system call that needs it, and no longer.
    int get() const { return raw_; }
    bool valid() const { return raw_ >= 0; }
    int release() { return std::exchange(raw_, -1); }
    void reset();

  private:
    int raw_ = -1;
};

Result<UniqueFd> duplicate(const UniqueFd& fd);
// Under a number of at least `least`, so that what is kept for long does not lie among what is needed for a
// moment; the same one where there is no room.
UniqueFd move_up(UniqueFd fd, int least);

// A sealed memory file with `bytes` in it: what it says can no longer be changed by anybody.
Result<UniqueFd> sealed_memory(const char* name, std::string_view bytes);
// A memory file of `size` bytes that stays writable.
Result<UniqueFd> memory(const char* name, std::size_t size);
// The whole file behind `fd`, from its start, whatever the descriptor's offset. An error past `limit` bytes.
Result<std::string> read_all(const UniqueFd& fd, std::size_t limit);

// What is there, at most the whole buffer; 0 at the end of the stream. An Error with code() EAGAIN: nothing now.
Result<std::size_t> read_some(const UniqueFd& fd, std::span<char> buffer);

// Adds to a file that was opened for appending: 0, or the errno after which the rest was dropped.
int append(const UniqueFd& file, std::string_view bytes);

struct Pipe {
    UniqueFd read_end;   // non-blocking
    UniqueFd write_end;  // blocking, for a child
};
Result<Pipe> make_pipe();

}  // namespace baton::sys
