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

// A listening socket: the descriptor, and Asio's view of it.
struct Door {
    Door(boost::asio::io_context& context, std::string called, sys::UniqueFd fd)
        : name(std::move(called)), socket(std::move(fd)), watch(context, socket.get()) {}
    ~Door() { shut(); }
    void shut() {
        if (watch.is_open()) watch.release();
        socket.reset();
    }

    std::string name;
    sys::UniqueFd socket;
    boost::asio::posix::stream_descriptor watch;
};

struct Core {
    Core(boost::asio::io_context& io_context, engine::Console& answers, Log& to, Settings chosen)
        : context(io_context),
          console(answers),
          log(to),
          settings(std::move(chosen)),
          closing(io_context),
          accepting(io_context, to),
          sessions(io_context, to),
          commands(io_context, to) {}

    boost::asio::io_context& context;
    engine::Console& console;
    Log& log;
    const Settings settings;
    Notice closing;  // counts 1 once close() began
    Tasks accepting;
    Tasks sessions;
    Tasks commands;
    std::map<std::string, std::shared_ptr<Door>> doors;
    std::size_t streams = 0;
};

}  // namespace baton::admin
