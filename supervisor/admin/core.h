// What the parts of the admin API share: who answers, how much may be under way, and what is. Held by
// every coroutine of the server, so that it is there as long as any of them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "admin/notice.h"
#include "admin/settings.h"
#include "admin/tasks.h"
#include "base/log.h"
#include "engine/console.h"
#include "sys/descriptor.h"

namespace baton::admin {

// A listening socket: the descriptor, and Asio's view of it. Connections hold the door they came in by:
// when it is shut, those that only wait end, so that their clients turn to whoever listens now.
struct Door {
    Door(boost::asio::io_context& context, std::string called, sys::UniqueFd fd)
        : name(std::move(called)), socket(std::move(fd)), watch(context, socket.get()), ended(context) {}
    ~Door() { release(); }
    void shut() {
        release();
        ended.notify();
    }
    boost::asio::awaitable<void> shut_down() { return ended.changed(0); }

    std::string name;
    sys::UniqueFd socket;
    boost::asio::posix::stream_descriptor watch;

  private:
    void release() {
        if (watch.is_open()) watch.release();
        socket.reset();
    }
    Notice ended;
};

// Whoever may do what this process may.
bool may_command(uid_t uid);

struct Core {
    Core(boost::asio::io_context& io_context, engine::Console& answers, Log& to, Settings chosen)
        : context(io_context),
          console(answers),
          log(to),
          settings(std::move(chosen)),
          accepting(io_context, to),
          sessions(io_context, to),
          commands(io_context, to) {}

    boost::asio::io_context& context;
    engine::Console& console;
    Log& log;
    const Settings settings;
    Tasks accepting;
    Tasks sessions;
    Tasks commands;
    std::map<std::string, std::shared_ptr<Door>> doors;
    std::size_t streams = 0;
    Millis refusal_logged = never;  // strangers must not fill the log
    bool closing = false;
};

}  // namespace baton::admin
