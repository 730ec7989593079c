#include "server.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/core.h>

namespace baton::test_server {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto awaited = asio::as_tuple(asio::use_awaitable);
// How often a draining server looks for connections that fell silent.
constexpr std::chrono::milliseconds drain_look{20};

void stop_on_exception(std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> pause(asio::io_context& io, Millis duration) {
    asio::steady_timer timer(io, std::chrono::milliseconds(duration));
    co_await timer.async_wait(awaited);
}

}  // namespace

Server::Server(asio::io_context& io, Options options, std::string surroundings)
    : io_(io), options_(std::move(options)), surroundings_(std::move(surroundings)), self_(identity_of_this_process()) {}

error_code Server::add(const Inherited& socket) {
    error_code ec;
    if (socket.datagram) {
        datagrams_.emplace_back(io_);
        datagrams_.back().assign(socket.family == AF_INET6 ? asio::ip::udp::v6() : asio::ip::udp::v4(), socket.descriptor,
                                 ec);
        if (!ec) datagrams_.back().non_blocking(true, ec);
    } else {
        acceptors_.emplace_back(io_);
        acceptors_.back().assign(asio::generic::stream_protocol(socket.family, 0), socket.descriptor, ec);
    }
    return ec;
}

void Server::add(service::Connections clients) {
    clients_.emplace(std::move(clients));
    clients_ready_.emplace(io_, ::dup(clients_->fd()));
}

void Server::become_ready() {
    if (clients_) asio::co_spawn(io_, take_all(), stop_on_exception);
    for (Acceptor& acceptor : acceptors_) asio::co_spawn(io_, accept_all(acceptor), stop_on_exception);
    for (asio::ip::udp::socket& socket : datagrams_) asio::co_spawn(io_, echo_datagrams(socket), stop_on_exception);
    if (options_.hang_after != never) asio::co_spawn(io_, misfortune(options_.hang_after, &Server::hang), stop_on_exception);
    if (options_.crash_after != never)
        asio::co_spawn(io_, misfortune(options_.crash_after, &Server::crash), stop_on_exception);
    if (options_.never_ready) return;
    ready_ = true;
    if (!options_.notify) return;
    notify(options_.status.empty() ? "READY=1\n" : fmt::format("READY=1\nSTATUS={}\n", options_.status));
    const char* period = std::getenv("WATCHDOG_USEC");
    if (period != nullptr && !options_.no_watchdog)
        asio::co_spawn(io_, watchdog(std::atoll(period) / 2000), stop_on_exception);
}

void Server::terminate() {
    if (options_.ignore_term) return;
    if (draining_) return leave();
    draining_ = true;
    if (options_.notify) notify("STOPPING=1\nSTATUS=draining\n");
    for (Acceptor& acceptor : acceptors_) acceptor.cancel();
    for (asio::ip::udp::socket& socket : datagrams_) socket.cancel();
    asio::co_spawn(io_, drain(), stop_on_exception);
}

asio::awaitable<void> Server::accept_all(Acceptor& acceptor) {
    ++accepting_;
    while (!draining_) {
        auto [ec, stream] = co_await acceptor.async_accept(awaited);
        if (ec == asio::error::operation_aborted) break;
        if (ec) {  // out of descriptors, most likely: the others go on
            co_await pause(io_, 10);
            continue;
        }
        serve(std::move(stream), std::nullopt);
    }
    acceptor.close();
    --accepting_;
}

// Also while it drains: what was given already is answered.
asio::awaitable<void> Server::take_all() {
    for (;;) {
        auto [ec] = co_await clients_ready_->async_wait(asio::posix::stream_descriptor::wait_read, awaited);
        if (ec) co_return;
        while (auto client = clients_->next()) {
            Stream stream(io_);
            stream.assign(asio::generic::stream_protocol(AF_INET, 0), client->release());  // of whichever family it is
            serve(std::move(stream), std::move(client));
        }
        if (clients_->draining() == sent_away_.has_value()) continue;
        sent_away_ = clients_->draining() ? std::optional(Clock::now()) : std::nullopt;
        if (sent_away_ && !draining_) asio::co_spawn(io_, send_away(*sent_away_), stop_on_exception);
    }
}

void Server::serve(Stream stream, std::optional<service::Connection> given) {
    const auto session = sessions_.emplace(sessions_.end(), std::move(stream));
    session->given = std::move(given);
    auto ended = [this, session](std::exception_ptr failure) {
        sessions_.erase(session);
        stop_on_exception(failure);
    };
    asio::co_spawn(io_, options_.protocol == "tcp" ? serve_echo(*session) : serve_http(*session), ended);
}

asio::awaitable<void> Server::send_away(Clock::time_point begin) {
    while (sent_away_ == begin && !draining_) {
        close_silent(begin);
        co_await pause(io_, drain_look.count());
    }
}

void Server::close_silent(Clock::time_point begin) {
    for (Session& session : sessions_) {
        error_code ec;
        const bool silent = Clock::now() - std::max(begin, session.active) > std::chrono::milliseconds(options_.drain_grace);
        if (!silent || session.busy || session.stream.available(ec) > 0) continue;
        session.stream.shutdown(Stream::shutdown_both, ec);
    }
}

asio::awaitable<void> Server::serve_echo(Session& session) {
    std::array<char, 16 * 1024> block{};
    for (;;) {
        auto [ec, size] = co_await session.stream.async_read_some(asio::buffer(block), awaited);
        if (ec) break;
        session.active = Clock::now();
        std::string reply(block.data(), size);
        if (reply == "who\n") reply = greeting();
        auto [failed_write, written] = co_await asio::async_write(session.stream, asio::buffer(reply), awaited);
        if (failed_write) break;
        count_request();
    }
}

asio::awaitable<void> Server::echo_datagrams(asio::ip::udp::socket& socket) {
    std::array<char, 64 * 1024> block{};
    for (;;) {
        asio::ip::udp::endpoint peer;
        auto [ec, size] = co_await socket.async_receive_from(asio::buffer(block), peer, awaited);
        if (ec == asio::error::operation_aborted) break;
        if (!ec) reply_to(socket, peer, std::string(block.data(), size));
    }
    for (;;) {  // what had arrived before this server was told to end
        asio::ip::udp::endpoint peer;
        error_code ec;
        const std::size_t size = socket.receive_from(asio::buffer(block), peer, 0, ec);
        if (ec) break;
        reply_to(socket, peer, std::string(block.data(), size));
    }
    socket.close();
}

void Server::reply_to(asio::ip::udp::socket& socket, const asio::ip::udp::endpoint& peer, std::string text) {
    if (text == "who\n") text = greeting();
    error_code ec;
    socket.send_to(asio::buffer(text), peer, 0, ec);  // a full send buffer loses it, as datagrams may be lost
    if (!ec) count_request();
}

asio::awaitable<void> Server::drain() {
    const Clock::time_point begin = Clock::now();
    const Clock::time_point end = begin + std::chrono::milliseconds(options_.drain_limit);
    while ((accepting_ > 0 || !sessions_.empty()) && Clock::now() < end) {
        close_silent(begin);
        co_await pause(io_, drain_look.count());
    }
    leave();
}

asio::awaitable<void> Server::watchdog(Millis period) {
    for (;;) {
        notify("WATCHDOG=1\n");
        co_await pause(io_, std::max<Millis>(period, 1));
    }
}

asio::awaitable<void> Server::misfortune(Millis after, void (Server::*what)()) {
    co_await pause(io_, after);
    (this->*what)();
}

std::string Server::greeting() const {
    return fmt::format("version {} instance {} pid {}\n", self_.version, self_.instance, self_.pid);
}

void Server::count_request() {
    ++requests_;
    if (requests_ == options_.exit_after_requests) leave();
}

void Server::hang() {
    for (;;) ::pause();
}

void Server::crash() {
    std::abort();
}

void Server::leave() {
    std::fflush(nullptr);
    ::_exit(options_.exit_code);
}

}  // namespace baton::test_server
