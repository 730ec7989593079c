#include "client.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

namespace baton::load {
namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr auto awaited = asio::as_tuple(asio::use_awaitable);
constexpr std::uint64_t response_limit = 64 * 1024 * 1024;
// After a connection that could not be made: counted, but not counted a million times a second.
constexpr std::chrono::milliseconds refused_pause{10};

Failure connect_failure(const error_code& ec) {
    if (ec == asio::error::connection_refused) return Failure::connect_refused;
    if (ec == asio::error::connection_reset || ec == asio::error::connection_aborted) return Failure::connect_reset;
    if (ec == boost::beast::error::timeout || ec == asio::error::timed_out) return Failure::connect_timeout;
    return Failure::connect_other;
}

asio::awaitable<void> pause(asio::io_context& io, Clock::duration duration) {
    asio::steady_timer timer(io, duration);
    co_await timer.async_wait(awaited);
}

// A member of a JSON body, for servers that name themselves there and not in a header.
std::string member(const http::response<http::string_body>& response, const char* name) {
    if (!std::string_view(response[http::field::content_type]).starts_with("application/json")) return "";
    error_code ec;
    const boost::json::value body = boost::json::parse(response.body(), ec);
    if (ec || !body.is_object() || !body.as_object().contains(name)) return "";
    const boost::json::value& found = body.as_object().at(name);
    return found.is_string() ? std::string(found.as_string()) : boost::json::serialize(found);
}

std::string named(const http::response<http::string_body>& response, const char* header, const char* name) {
    const auto value = response[header];
    return value.empty() ? member(response, name) : std::string(value);
}

}  // namespace

Client::Client(asio::io_context& io, Run& run, Group& group, std::size_t number)
    : io_(io), run_(run), group_(group), random_(static_cast<std::uint32_t>(number)), next_(Clock::now()) {
    if (run.settings().rate > 0)
        next_ += std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(static_cast<double>(number) / run.settings().rate));
}

bool Client::posts() const {
    return group_.mode == Mode::post || group_.mode == Mode::new_post;
}

bool Client::one_request_each() const {
    return group_.mode == Mode::new_get || group_.mode == Mode::new_post;
}

void Client::abort() {
    error_code ignored;
    if (stream_) stream_->socket().close(ignored);
}

void Client::disconnect() {
    abort();
    stream_.reset();
    buffer_.clear();
    exchanges_ = 0;
}

asio::awaitable<void> Client::keep_pace() {
    if (run_.settings().rate <= 0) co_return;
    const std::chrono::milliseconds slice(50);  // so that a stop is heard
    while (!run_.stopping() && Clock::now() < next_) {
        const Clock::duration rest = next_ - Clock::now();
        co_await pause(io_, std::min<Clock::duration>(rest, slice));
    }
    next_ += std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(static_cast<double>(run_.clients()) / run_.settings().rate));
}

asio::awaitable<void> Client::live() {
    for (;;) {
        co_await keep_pace();
        if (stream_ && !still_open()) disconnect();
        if (!run_.take_request()) break;
        const Clock::time_point begin = Clock::now();
        if (!stream_) {
            const bool connected = co_await connect(begin);
            if (!connected) {
                disconnect();
                co_await pause(io_, refused_pause);
                continue;
            }
        }
        if (group_.mode == Mode::tcp)
            co_await exchange_echo(begin);
        else
            co_await exchange_http(begin);
    }
    disconnect();
}

bool Client::still_open() {
    char byte = 0;
    const ssize_t size = ::recv(stream_->socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (size == 0) {
        group_.tally.closed_idle();
    } else if (size < 0) {
        run_.failed(group_, Failure::reset_idle, "the server reset an idle connection");
    } else {
        run_.failed(group_, Failure::malformed, "bytes that answer no request");
    }
    return false;
}

asio::awaitable<bool> Client::connect(Clock::time_point begin) {
    stream_.emplace(io_);
    error_code ec;
    if (group_.target.endpoint.protocol().family() == AF_UNIX) {
        ec = co_await connect_unix();
    } else {
        stream_->expires_after(std::chrono::milliseconds(run_.settings().connect_timeout));
        auto [failure] = co_await stream_->async_connect(group_.target.endpoint, awaited);
        ec = failure;
    }
    if (!ec) {
        group_.tally.connected();
        co_return true;
    }
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count();
    run_.failed(group_, connect_failure(ec), fmt::format("connect: {} after {} us", ec.message(), micros));
    co_return false;
}

// A unix socket whose queue is full answers EAGAIN at once, where a blocking client would wait.
asio::awaitable<error_code> Client::connect_unix() {
    error_code ec;
    stream_->socket().open(group_.target.endpoint.protocol(), ec);
    if (!ec) stream_->socket().non_blocking(true, ec);
    if (ec) co_return ec;
    const Clock::time_point end = Clock::now() + std::chrono::milliseconds(run_.settings().connect_timeout);
    while (Clock::now() < end) {
        const int result = ::connect(stream_->socket().native_handle(), group_.target.endpoint.data(),
                                     static_cast<socklen_t>(group_.target.endpoint.size()));
        if (result == 0) co_return error_code{};
        if (errno != EAGAIN) co_return error_code(errno, boost::system::system_category());
        co_await pause(io_, std::chrono::milliseconds(1));
    }
    co_return asio::error::timed_out;
}

std::string Client::next_body() {
    std::string body(1 + random_() % run_.settings().body_bytes, '\0');
    for (char& byte : body) byte = static_cast<char>('!' + random_() % 90);
    return body;
}

void Client::judge_broken(const error_code& ec, bool response_began) {
    const auto broken = [&](Failure failure, const char* what) {
        run_.failed(group_, failure,
                    fmt::format("{}: {} (request {} of its connection)", what, ec.message(), exchanges_ + 1));
    };
    if (ec == boost::beast::error::timeout) return broken(Failure::timeout, "no whole response");
    const bool reset = ec == asio::error::connection_reset;
    const bool closed = ec == http::error::end_of_stream || ec == http::error::partial_message ||
                        ec == asio::error::eof || ec == asio::error::broken_pipe;
    if (reset) {
        if (response_began) return broken(Failure::reset_mid_response, "reset within the response");
        return broken(Failure::reset_before_response, "reset before the response");
    }
    if (closed) {
        if (response_began) return broken(Failure::early_eof, "closed within the response");
        return broken(Failure::closed_under_request, "closed after the request, before the response");
    }
    if (ec.category() == http::make_error_code(http::error::bad_version).category())
        return broken(Failure::malformed, "not HTTP");
    broken(Failure::other, "broken");
}

asio::awaitable<void> Client::exchange_http(Clock::time_point begin) {
    http::request<http::string_body> request(posts() ? http::verb::post : http::verb::get,
                                             posts() ? run_.settings().post_path : run_.settings().get_path, 11);
    request.set(http::field::host, group_.target.host_header);
    request.keep_alive(!one_request_each());
    if (posts()) request.body() = next_body();
    request.prepare_payload();
    stream_->expires_after(std::chrono::milliseconds(run_.settings().timeout));
    auto [no_write, written] = co_await http::async_write(*stream_, request, awaited);
    // A server that refuses the rest of a request may still have answered: the response decides.
    http::response_parser<http::string_body> parser;
    parser.body_limit(response_limit);
    auto [ec, size] = co_await http::async_read(*stream_, buffer_, parser, awaited);
    if (ec) {
        judge_broken(no_write && !parser.got_some() ? no_write : ec, parser.got_some() || buffer_.size() > 0);
        disconnect();
        co_return;
    }
    ++exchanges_;
    const http::response<http::string_body> response = parser.release();
    const unsigned status = response.result_int();
    if (status < 200 || status > 299) {
        run_.failed(group_, Failure::bad_status, fmt::format("status {}: {}", status, response.body().substr(0, 80)));
    } else if (posts() && response.body() != request.body()) {
        run_.failed(group_, Failure::bad_body,
                    fmt::format("sent {} bytes, got {} others", request.body().size(), response.body().size()));
    } else {
        run_.succeeded(group_, Clock::now() - begin, named(response, "X-Version", "version"),
                       named(response, "X-Instance", "instance"));
    }
    if (!response.keep_alive() || one_request_each()) disconnect();
}

asio::awaitable<void> Client::exchange_echo(Clock::time_point begin) {
    const std::string sent = next_body();
    std::string received(sent.size(), '\0');
    stream_->expires_after(std::chrono::milliseconds(run_.settings().timeout));
    auto [no_write, written] = co_await asio::async_write(*stream_, asio::buffer(sent), awaited);
    auto [no_read, size] = co_await asio::async_read(*stream_, asio::buffer(received), awaited);
    if (no_write || no_read) {
        judge_broken(no_read ? no_read : no_write, size > 0);
        disconnect();
        co_return;
    }
    ++exchanges_;
    if (sent == received)
        run_.succeeded(group_, Clock::now() - begin, "", "");
    else
        run_.failed(group_, Failure::bad_body, "the echo differs");
    if (exchanges_ >= run_.settings().exchanges) disconnect();
}

}  // namespace baton::load
