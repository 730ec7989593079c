// The server itself: HTTP, echo over streams, echo over datagrams, all in one thread.
//
// Told to end it drains as a good server does: it accepts nobody new, answers whatever arrives on an
// open connection (HTTP: with `Connection: close`), and closes an idle connection only after it was
// silent for the grace, so that nobody who is sending is ever cut. It ends when all are gone.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "baton/service.hpp"
#include "options.h"
#include "surroundings.h"

namespace baton::test_server {

using Stream = boost::asio::generic::stream_protocol::socket;
using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;
using Clock = std::chrono::steady_clock;

struct Session {
    explicit Session(Stream socket) : stream(std::move(socket)) {}
    std::optional<service::Connection> given;  // goes after its socket
    Stream stream;
    bool busy = false;  // a request is being read or answered
    Clock::time_point active = Clock::now();
};

class Server {
  public:
    Server(boost::asio::io_context& io, Options options, std::string surroundings);

    boost::system::error_code add(const Inherited& socket);
    // Instead: connections are given by workers.
    void add(service::Connections clients);
    // Starts to accept, and says so; called when --ready-after is over.
    void become_ready();
    // The first call drains, a second one ends at once.
    void terminate();

    std::size_t open_sessions() const { return sessions_.size(); }

  private:
    boost::asio::awaitable<void> accept_all(Acceptor& acceptor);
    boost::asio::awaitable<void> take_all();
    void serve(Stream stream, std::optional<service::Connection> given);
    // Whoever is silent is sent away.
    boost::asio::awaitable<void> send_away(Clock::time_point begin);
    void close_silent(Clock::time_point begin);
    boost::asio::awaitable<void> serve_http(Session& session);
    boost::asio::awaitable<void> serve_echo(Session& session);
    boost::asio::awaitable<void> echo_datagrams(boost::asio::ip::udp::socket& socket);
    void reply_to(boost::asio::ip::udp::socket& socket, const boost::asio::ip::udp::endpoint& peer, std::string text);
    boost::asio::awaitable<void> drain();
    boost::asio::awaitable<void> watchdog(Millis period);
    boost::asio::awaitable<void> misfortune(Millis after, void (Server::*what)());

    // Answers one request: the status line's code and the body.
    struct Answer {
        int status = 200;
        std::string body;
        const char* type = "text/plain";
        Millis delay = 0;
    };
    Answer answer(const std::string& method, const std::string& target, std::string body);
    Answer act(const std::string& action);
    std::string greeting() const;
    std::string head(const Answer& answer, bool keep_alive) const;
    void count_request();
    void hang();
    void crash();
    void leave();

    boost::asio::io_context& io_;
    Options options_;
    std::string surroundings_;
    Identity self_;
    std::list<Acceptor> acceptors_;
    std::optional<service::Connections> clients_;
    std::optional<boost::asio::posix::stream_descriptor> clients_ready_;
    std::list<boost::asio::ip::udp::socket> datagrams_;
    std::list<Session> sessions_;
    std::uint64_t requests_ = 0;
    std::size_t accepting_ = 0;  // acceptors whose last connection may still be on its way
    bool ready_ = false;
    bool draining_ = false;
    std::optional<Clock::time_point> sent_away_;  // since when workers want the clients to go
};

}  // namespace baton::test_server
