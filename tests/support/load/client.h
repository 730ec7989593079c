// One client: one connection at a time, one request after the other, and a verdict on each.
//
// It follows RFC 9112: a response with `Connection: close` ends the connection, and a server may close
// one that is idle. It never tries a request again: what fails is counted.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "run.h"

namespace baton::load {

class Client {
  public:
    // `number` of all clients: spreads their starts where a rate is asked for.
    Client(boost::asio::io_context& io, Run& run, Group& group, std::size_t number);

    boost::asio::awaitable<void> live();
    // Drops the connection, whatever is under way.
    void abort();

  private:
    using Stream = boost::beast::basic_stream<boost::asio::generic::stream_protocol>;

    boost::asio::awaitable<void> keep_pace();
    boost::asio::awaitable<bool> connect(Clock::time_point begin);
    boost::asio::awaitable<boost::system::error_code> connect_unix();
    boost::asio::awaitable<void> exchange_http(Clock::time_point begin);
    boost::asio::awaitable<void> exchange_echo(Clock::time_point begin);
    void judge_broken(const boost::system::error_code& ec, bool response_began);
    // What the server did to the connection since the last response.
    bool still_open();
    void disconnect();
    std::string next_body();
    bool posts() const;
    bool one_request_each() const;

    boost::asio::io_context& io_;
    Run& run_;
    Group& group_;
    std::optional<Stream> stream_;
    boost::beast::flat_buffer buffer_;
    std::mt19937 random_;
    std::size_t exchanges_ = 0;  // on this connection
    Clock::time_point next_;     // when the pace allows the next request
};

}  // namespace baton::load
