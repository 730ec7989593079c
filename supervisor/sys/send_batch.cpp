#include "sys/send_batch.h"

#include <liburing.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

#include "base/check.h"

namespace baton::sys {

void SendBatch::Leave::operator()(io_uring* ring) const {
    ::io_uring_queue_exit(ring);
    delete ring;
}

SendBatch::SendBatch(std::unique_ptr<io_uring, Leave> ring, std::size_t most) : ring_(std::move(ring)), most_(most) {
    writes_.reserve(most);
    outcomes_.reserve(most);
}

Result<SendBatch> SendBatch::create(std::size_t most) {
    // All are begun although one fails (Linux 5.18), completions need no interrupt (5.19), nor a lock (6.0).
    constexpr unsigned wanted = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER;
    auto made = std::make_unique<io_uring>();
    const int error = ::io_uring_queue_init(static_cast<unsigned>(most), made.get(), wanted);
    if (error != 0) return Error::system("make a queue of io_uring", -error);
    return SendBatch(std::unique_ptr<io_uring, Leave>(made.release()), most);
}

void SendBatch::add(int socket, std::span<const char> bytes) {
    CHECK(writes_.size() < most_);
    writes_.push_back({socket, bytes});
}

std::span<const Transfer> SendBatch::send() {
    outcomes_.assign(writes_.size(), {0, ECANCELED});
    if (writes_.size() == 1) {
        const Write only = writes_.front();
        const ssize_t put = ::send(only.socket, only.bytes.data(), only.bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        outcomes_.front() = put >= 0 ? Transfer{static_cast<std::size_t>(put), 0} : Transfer{0, errno};
        writes_.clear();
        return outcomes_;
    }
    std::uint64_t number = 0;
    for (const Write& write : writes_) {
        io_uring_sqe* entry = ::io_uring_get_sqe(ring_.get());
        CHECK(entry != nullptr);
        ::io_uring_prep_send(entry, write.socket, write.bytes.data(), write.bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        ::io_uring_sqe_set_data64(entry, number++);
    }
    // With MSG_DONTWAIT each is over when it was submitted.
    for (std::size_t open = writes_.size(); open > 0;) {
        const int submitted = ::io_uring_submit_and_wait(ring_.get(), static_cast<unsigned>(open));
        if (submitted < 0 && submitted != -EINTR) break;
        io_uring_cqe* done = nullptr;
        while (::io_uring_peek_cqe(ring_.get(), &done) == 0) {
            const int result = done->res;
            outcomes_[::io_uring_cqe_get_data64(done)] = result >= 0 ? Transfer{static_cast<std::size_t>(result), 0} : Transfer{0, -result};
            ::io_uring_cqe_seen(ring_.get(), done);
            --open;
        }
    }
    writes_.clear();
    return outcomes_;
}

}  // namespace baton::sys
