// Small writes to many streams with one system call (io_uring), where the kernel has it and lets this process use
// it. Nothing waits: what a stream does not take now it says at once, as write_stream does. One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "sys/descriptor.h"
#include "sys/stream.h"

struct io_uring;

namespace baton::sys {

class SendBatch {
  public:
    // Of at most so many writes. An Error: the kernel is too old (before 6.0), or its host forbids it
    // (kernel.io_uring_disabled, a seccomp filter).
    static Result<SendBatch> create(std::size_t most);

    // Not more than `most`. The socket, somebody else's, stays open, and the bytes as they are, until send().
    void add(int socket, std::span<const char> bytes);
    // All of them, in their order. An outcome for each, as of write_stream, valid until the next call; ECANCELED: it was
    // not begun, and this batch is of no more use.
    std::span<const Transfer> send();

  private:
    struct Leave {
        void operator()(io_uring* ring) const;
    };
    struct Write {
        int socket = -1;
        std::span<const char> bytes;
    };
    SendBatch(std::unique_ptr<io_uring, Leave> ring, std::size_t most);

    std::unique_ptr<io_uring, Leave> ring_;
    std::size_t most_;
    std::vector<Write> writes_;
    std::vector<Transfer> outcomes_;
};

}  // namespace baton::sys
