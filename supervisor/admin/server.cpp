#include "admin/server.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/core.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "admin/core.h"
#include "admin/problem.h"
#include "admin/session.h"
#include "model/codec.h"
#include "sys/peer.h"

namespace baton::admin {

bool may_command(uid_t uid) {
    return uid == 0 || uid == ::geteuid();
}


namespace asio = boost::asio;

namespace {

// Whoever is turned away costs one write and no place.
void turn_away(const sys::UniqueFd& connection, int status, std::string detail) {
    const std::string body = model::encode(problem(status, std::move(detail)));
    sys::send_farewell(connection, fmt::format("HTTP/1.1 {} {}\r\nContent-Type: application/problem+json\r\n"
                                               "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
                                               status, reason_of(status), body.size(), body));
}

void admit(const std::shared_ptr<Core>& core, const std::shared_ptr<Door>& door, sys::UniqueFd connection) {
    const auto peer = sys::peer_of(connection);
    if (!peer) {
        core->log.write(LogLevel::warning, "admin", peer.error().message());
        return;
    }
    if (!may_command(peer->uid) && !core->settings.may_read(peer->uid)) {
        const Millis now = monotonic_now();
        if (core->refusal_logged == never || now - core->refusal_logged >= limits::admin_refusal_interval) {
            core->refusal_logged = now;
            core->log.write(LogLevel::warning, "admin", fmt::format("uid {} (pid {}) was refused", peer->uid, peer->pid));
        }
        turn_away(
            connection, 403,
            fmt::format("user {} may not use this socket; root and user {} may", peer->uid, ::geteuid()));
        return;
    }
    if (core->sessions.size() >= core->settings.connections) {
        turn_away(connection, 503,
                  fmt::format("{} connections are open already", core->settings.connections));
        return;
    }
    core->sessions.spawn(serve(core, door, std::move(connection), *peer));
}

asio::awaitable<void> accept_on(std::shared_ptr<Core> core, std::shared_ptr<Door> door) {
    asio::steady_timer pause(core->context);
    while (door->socket.valid()) {
        const auto [ec] = co_await door->watch.async_wait(asio::posix::stream_descriptor::wait_read,
                                                          asio::as_tuple(asio::use_awaitable));
        if (ec || !door->socket.valid()) break;
        auto connection = sys::accept_connection(door->socket);
        if (connection && connection->valid()) {
            admit(core, door, std::move(*connection));
        } else if (!connection) {
            core->log.write(LogLevel::warning, "admin", connection.error().context(door->name).message());
            pause.expires_after(std::chrono::milliseconds(limits::admin_accept_backoff));
            co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
        }
    }
}

}  // namespace

Server::Server(asio::io_context& context, engine::Console& console, Log& log, Settings settings)
    : core_(std::make_shared<Core>(context, console, log, std::move(settings))) {}

Server::~Server() = default;

Result<void> Server::listen(const std::string& name, sys::UniqueFd socket) {
    if (core_->doors.contains(name)) return failed("listen on admin socket " + name + ": the name is in use");
    if (!socket.valid()) return failed("listen on admin socket " + name + ": there is no descriptor");
    try {
        auto door = std::make_shared<Door>(core_->context, name, std::move(socket));
        door->watch.non_blocking(true);
        core_->doors.emplace(name, door);
        core_->accepting.spawn(accept_on(core_, door));
    } catch (const boost::system::system_error& error) {
        return Error::system("listen on admin socket " + name, error.code().value());
    }
    return {};
}

void Server::stop_listening(const std::string& name) {
    const auto found = core_->doors.find(name);
    if (found == core_->doors.end()) return;
    found->second->shut();
    core_->doors.erase(found);
}

bool Server::listening(const std::string& name) const {
    return core_->doors.contains(name);
}

asio::awaitable<void> Server::close(Millis grace) {
    const auto core = core_;
    core->closing = true;
    while (!core->doors.empty()) stop_listening(core->doors.begin()->first);
    core->accepting.cancel();
    const Millis deadline = monotonic_now() + grace;
    if (!co_await core->commands.join(grace)) {
        core->log.write(LogLevel::warning, "admin",
                        fmt::format("{} commands take longer than {} and are ended", core->commands.size(),
                                    format_duration(grace)));
    }
    // Their clients are told, as those of the commands that ended by themselves are.
    core->commands.cancel();
    while (!co_await core->commands.join(limits::admin_linger)) core->commands.cancel();
    co_await core->sessions.join(std::max(deadline - monotonic_now(), limits::admin_farewell));
    core->sessions.cancel();
    while (!co_await core->sessions.join(limits::admin_linger)) core->sessions.cancel();
    while (!co_await core->accepting.join(limits::admin_linger)) core->accepting.cancel();
}

}  // namespace baton::admin
