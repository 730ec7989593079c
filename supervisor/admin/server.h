// The admin API: HTTP/1.1 and JSON on unix sockets that somebody else made. One thread, the
// io_context's.
//
// Everything that runs has an owner in here: stop_listening() ends accepting on one socket, close() ends
// everything and waits for it. A command is no part of its connection: a client that goes away does not
// cancel what it started.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "admin/settings.h"
#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/console.h"
#include "sys/descriptor.h"

namespace baton::admin {

struct Core;

class Server {
  public:
    // All of them outlive the server. After close() has ended nothing of it runs any more; without
    // close() the io_context must not run again.
    Server(boost::asio::io_context& context, engine::Console& console, Log& log, Settings settings);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Accepts on a unix stream socket that listens already. The name is for stop_listening() and the
    // log; one that is in use is an error.
    Result<void> listen(const std::string& name, sys::UniqueFd socket);
    // Closes this process's descriptor; who waits in the queue is left to others that hold the socket.
    // Connections that came in by it end when they are idle or follow something, so that their clients
    // turn to whoever listens now; requests and commands under way go on. An unknown name is no error.
    void stop_listening(const std::string& name);
    bool listening(const std::string& name) const;

    // Stops accepting, ends idle connections and streams, waits up to `grace` milliseconds for requests
    // and commands under way, then cancels them. Called once.
    boost::asio::awaitable<void> close(Millis grace);

  private:
    std::shared_ptr<Core> core_;
};

}  // namespace baton::admin
