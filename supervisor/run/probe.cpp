#include "run/probe.h"

#include <cctype>

#include <fmt/core.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "base/limits.h"
#include "run/utf8.h"
#include "sys/sockaddr.h"

namespace baton::run {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Socket = asio::generic::stream_protocol::socket;

namespace {

constexpr auto awaiting = asio::as_tuple(asio::use_awaitable);

// The timer's handler may still be queued when the probe is over; so it shares what it touches.
struct Connection {
    explicit Connection(const asio::any_io_executor& executor)
        : socket(executor), timer(executor) {}
    Socket socket;
    asio::steady_timer timer;
    bool expired = false;
};

void limit_time(const std::shared_ptr<Connection>& connection, Millis timeout) {
    connection->timer.expires_after(std::chrono::milliseconds(timeout));
    connection->timer.async_wait([weak = std::weak_ptr(connection)](const error_code& ec) {
        const auto present = weak.lock();
        if (ec || !present) return;
        present->expired = true;
        // Closed rather than cancelled, so that a step that begins after this fails too.
        error_code ignored;
        present->socket.close(ignored);
    });
}

std::string describe(const error_code& ec) {
    if (ec == http::error::end_of_stream) return "the connection was closed without an answer";
    if (ec == http::error::partial_message) return "the connection was closed within the answer";
    if (ec.category() == http::make_error_code(http::error::bad_version).category()) {
        return "no HTTP answer: " + ec.message();
    }
    std::string text = ec.message();
    if (!text.empty())
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

Error failure(const Connection& connection, const ProbeTarget& target, const error_code& ec) {
    if (ec == asio::error::no_buffer_space) return failed("its queue is full");
    if (connection.expired) return failed("no answer within " + format_duration(target.timeout));
    return Error(describe(ec), ec.category() == boost::system::system_category() ? ec.value() : 0);
}

http::request<http::empty_body> make_request(const ProbeTarget& target) {
    http::request<http::empty_body> request(http::verb::get, target.path, 11);
    request.set(http::field::host,
                is_unix(target.address) ? "localhost" : to_string(target.address));
    request.set(http::field::user_agent, "baton-probe/" BATON_VERSION_TEXT);
    request.set(http::field::accept, "*/*");
    request.set(http::field::connection, "close");
    return request;
}

// "HTTP 503: no database", where the answer says more in its first line.
std::string describe_answer(const http::response<http::string_body>& answer) {
    const std::string reason = fmt::format("HTTP {}", answer.result_int());
    const std::string_view body = answer.body();
    const std::string_view line = body.substr(0, body.find_first_of("\r\n"));
    if (line.empty() || line.front() == '<') return reason;
    return fmt::format("{}: {}", reason, plain_line(cut_utf8(line, limits::probe_reason_bytes)));
}

// Whether somebody has cancelled the coroutine, at a moment when no operation was there to be
// ended.
asio::awaitable<bool> is_cancelled() {
    const auto state = co_await asio::this_coro::cancellation_state;
    co_return state.cancelled() != asio::cancellation_type::none;
}

// A unix socket whose queue is full says so at once (EAGAIN), and Asio takes it for connected. What
// tcp does by itself is done here: to try again as long as there is time.
asio::awaitable<error_code> connect(std::shared_ptr<Connection> connection,
                                    sys::SocketAddress address) {
    const asio::generic::stream_protocol::endpoint endpoint(address.get(), address.length);
    asio::steady_timer pause(connection->timer.get_executor());
    for (;;) {
        auto [refused] = co_await connection->socket.async_connect(endpoint, awaiting);
        if (refused) co_return refused;
        error_code unconnected;
        connection->socket.remote_endpoint(unconnected);
        if (unconnected != asio::error::not_connected) co_return unconnected;
        pause.expires_after(std::chrono::milliseconds(limits::probe_queue_pause));
        auto [cancelled] = co_await pause.async_wait(awaiting);
        if (cancelled || connection->expired) co_return error_code(asio::error::no_buffer_space);
    }
}

asio::awaitable<Result<void>> ask(std::shared_ptr<Connection> connection, ProbeTarget target) {
    const auto request = make_request(target);
    http::request_serializer<http::empty_body> serializer(request);
    auto [unsent, sent] = co_await http::async_write(connection->socket, serializer, awaiting);
    // A program may answer and close before it has read everything: what it said counts.
    const bool broken =
        unsent == asio::error::broken_pipe || unsent == asio::error::connection_reset;
    if (unsent && !broken) co_return failure(*connection, target, unsent);

    boost::beast::flat_buffer buffer(limits::probe_response_bytes);
    http::response_parser<http::string_body> parser;
    parser.header_limit(limits::probe_response_bytes);
    parser.body_limit(limits::probe_response_bytes);
    auto [no_header, header] =
        co_await http::async_read_header(connection->socket, buffer, parser, awaiting);
    const unsigned status = parser.get().result_int();
    const bool passed = status >= 200 && status < 400;
    // An answer that says it is too long to be read is judged by its status.
    const bool too_long = no_header == http::error::body_limit;
    if (no_header && !too_long) co_return failure(*connection, target, no_header);
    if (!too_long) {
        auto [no_body, body] =
            co_await http::async_read(connection->socket, buffer, parser, awaiting);
        const bool cut = no_body && no_body != http::error::body_limit;
        if (cut && passed) co_return failure(*connection, target, no_body);
    }
    if (!passed) co_return failed(describe_answer(parser.get()));
    co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<void>> probe(sys::UniqueFd socket, ProbeTarget target) {
    const auto address = sys::to_socket_address(target.address);
    if (!address) co_return address.error();
    const auto executor = co_await asio::this_coro::executor;
    const auto connection = std::make_shared<Connection>(executor);
    error_code ec;
    connection->socket.assign(asio::generic::stream_protocol(address->family(), 0), socket.get(),
                              ec);
    if (ec) co_return failed("watch the probe's socket: " + ec.message());
    static_cast<void>(socket.release());
    connection->socket.non_blocking(true, ec);
    limit_time(connection, target.timeout);

    const error_code refused = co_await connect(connection, *address);
    const bool cancelled = co_await is_cancelled();
    Result<void> result;
    if (cancelled) {
        result = failed("cancelled");
    } else if (refused || connection->expired) {
        result = failure(*connection, target, refused);
    } else if (target.type == model::ProbeType::http) {
        result = co_await ask(connection, target);
    }
    connection->timer.cancel();
    co_return result;
}

}  // namespace baton::run
