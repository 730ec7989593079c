// sd_notify: what an instance says of itself, in datagrams to the socket named by NOTIFY_SOCKET.
// Each instance has a socket of its own, so who speaks is known. See sd_notify(3). One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "base/result.h"
#include "model/events.h"
#include "sys/datagram.h"
#include "sys/descriptor.h"

namespace baton::run {

// One datagram. Understood: READY=1, STOPPING=1, STATUS=, WATCHDOG=1, WATCHDOG=trigger (`hung`) and
// EXTEND_TIMEOUT_USEC=. Everything else is ignored, RELOADING=1, MAINPID= and FDSTORE=1 too: what
// is ready stays ready while it reloads, the main process is the one that was started, and nothing
// is stored.
model::Notified parse_notify(std::string_view datagram);

class NotifySocket {
  public:
    // A socket for one instance, which `only` its user (and root) may write to; nobody named: everybody.
    // What was left at `path` is replaced.
    static Result<sys::UniqueFd> create(const std::string& path, std::optional<std::uint32_t> only);

    // `on_notified` gets what each datagram says, without an id; it may destroy this. Datagrams
    // longer than limits::notify_bytes are dropped. `may_speak` tells whose count, beside those of
    // root and of this process's user. Descriptors sent along are closed when the datagram was
    // handled, which is what a sender of BARRIER=1 waits for.
    NotifySocket(boost::asio::io_context& context, sys::UniqueFd socket,
                 std::function<void(model::Notified)> on_notified,
                 std::function<bool(const sys::Sender&)> may_speak);
    ~NotifySocket();
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;

    // Handles at once what is there: for when the process has ended.
    void drain_now();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace baton::run
