// The writing side of a stream: pieces are sent together, and what the kernel does not take is kept until
// there is room. Who writes asks room() before it reads more from elsewhere, so that at most what one read
// brought is kept here.
//
// An idle one holds no memory beside its socket.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/stream.h"
#include "gateway/unsent.h"

namespace baton::gateway {

class Outlet {
  public:
    // Text that goes out with what is put next, or with flush(): a head waits for the beginning of its body.
    std::string& held() { return held_; }
    // False: the stream is broken. `before` and `after` frame `data` (a chunk's size line, its end).
    bool put(Stream& stream, std::string_view data, std::string_view before = {}, std::string_view after = {});
    // The same, at the end of the turn where it fits: `token` hears if it was not taken. It counts as sent.
    bool post(Outbox& outbox, std::uint64_t token, Stream& stream, std::string_view data = {}, std::string_view before = {}, std::string_view after = {});
    // What was posted is written now; false: the stream is broken.
    bool settle(Stream& stream);
    // Whatever is held or kept; false: the stream is broken.
    bool flush(Stream& stream);

    bool room() const { return !unsent_; }
    bool empty() const { return !unsent_ && held_.empty(); }
    // Bytes the kernel took so far, or will at the end of the turn.
    std::uint64_t sent() const { return sent_; }
    // What is kept, for whoever goes on with the stream, which is settled.
    std::unique_ptr<Unsent> take_unsent();

  private:
    bool send(Stream& stream, std::span<const std::string_view> pieces);
    void keep(std::string_view bytes);

    std::string held_;
    std::unique_ptr<Unsent> unsent_;
    std::uint64_t sent_ = 0;
};

}  // namespace baton::gateway
