#include "admin/connection.h"

#include <array>
#include <tuple>

#include <fmt/core.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "admin/problem.h"
#include "base/limits.h"

namespace baton::admin {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Socket = asio::local::stream_protocol::socket;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// What the timer's handler holds: it may run after the connection is gone.
struct Watched {
    Socket* socket = nullptr;
    bool expired = false;
};

model::ProblemView problem_of(const boost::system::error_code& ec) {
    if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
        return problem(431, fmt::format("the header is larger than {} bytes", limits::admin_header_bytes));
    }
    if (ec == http::error::body_limit) {
        return problem(413, fmt::format("the body is larger than {} bytes", limits::admin_body_bytes));
    }
    return problem(400, "this is not HTTP/1.1: " + ec.message());
}

}  // namespace

struct Connection::Wire {
    Wire(asio::io_context& context, sys::UniqueFd fd, Millis timeout)
        : socket(context, asio::local::stream_protocol(), fd.release()),
          timer(context),
          request_timeout(timeout) {}
    ~Wire() { disarm(); }

    // From now on the socket's operations end with operation_aborted after `time` milliseconds.
    void arm(Millis time) {
        disarm();
        watched = std::make_shared<Watched>();
        watched->socket = &socket;
        timer.expires_after(std::chrono::milliseconds(time));
        timer.async_wait([watching = watched](const boost::system::error_code& ec) {
            if (ec || watching->socket == nullptr) return;
            watching->expired = true;
            boost::system::error_code ignored;
            watching->socket->cancel(ignored);
        });
    }
    // Whether the time was over.
    bool disarm() {
        if (!watched) return false;
        watched->socket = nullptr;
        const bool expired = watched->expired;
        watched.reset();
        timer.cancel();
        return expired;
    }

    Socket socket;
    asio::steady_timer timer;
    std::shared_ptr<Watched> watched;
    beast::flat_buffer buffer{limits::admin_header_bytes + limits::admin_stream_piece_bytes};
    Millis request_timeout;
    bool chunks = true;
};

Connection::Connection(asio::io_context& context, sys::UniqueFd fd, Millis request_timeout)
    : wire_(std::make_unique<Wire>(context, std::move(fd), request_timeout)) {}

Connection::~Connection() = default;

asio::awaitable<std::variant<Request, model::ProblemView, Hangup>> Connection::read() {
    http::request_parser<http::string_body> parser;
    parser.header_limit(limits::admin_header_bytes);
    parser.body_limit(limits::admin_body_bytes);
    wire_->arm(wire_->request_timeout);
    auto [ec, size] = co_await http::async_read_header(wire_->socket, wire_->buffer, parser, as_result);
    if (!ec && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        std::tie(ec, size) = co_await asio::async_write(wire_->socket, asio::buffer(go_on), as_result);
    }
    if (!ec && !parser.is_done()) {
        std::tie(ec, size) = co_await http::async_read(wire_->socket, wire_->buffer, parser, as_result);
    }
    const bool late = wire_->disarm();
    if (late && parser.got_some()) {
        co_return problem(
            408, fmt::format("the request took longer than {}", format_duration(wire_->request_timeout)));
    }
    if (ec && !late && ec != http::error::end_of_stream && ec != http::error::partial_message &&
        ec.category() == http::make_error_code(http::error::bad_method).category()) {
        co_return problem_of(ec);
    }
    if (ec || late) co_return Hangup{};

    auto message = parser.release();
    Request request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    request.accept = std::string(message[http::field::accept]);
    request.last_event_id = std::string(message["Last-Event-ID"]);
    request.manner.head = message.method() == http::verb::head;
    request.manner.keep_alive = message.keep_alive();
    request.manner.chunks = message.version() >= 11;
    request.body = std::move(message.body());
    co_return request;
}

asio::awaitable<bool> Connection::write(Manner manner, Answer answer) {
    http::response<http::string_body> response;
    response.version(manner.chunks ? 11 : 10);
    response.result(static_cast<unsigned>(answer.status));
    response.reason(std::string(reason_of(answer.status)));
    response.set(http::field::content_type, answer.type);
    response.set(http::field::cache_control, "no-store");
    if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
    if (answer.status == 503) response.set(http::field::retry_after, "1");
    response.keep_alive(manner.keep_alive);
    response.content_length(answer.body.size());
    if (!manner.head) response.body() = std::move(answer.body);
    wire_->arm(wire_->request_timeout);
    const auto [ec, size] = co_await http::async_write(wire_->socket, response, as_result);
    wire_->disarm();
    co_return !ec;
}

asio::awaitable<bool> Connection::begin(Manner manner, std::string type) {
    wire_->chunks = manner.chunks;
    http::response<http::empty_body> response;
    response.version(manner.chunks ? 11 : 10);
    response.result(http::status::ok);
    response.set(http::field::content_type, type);
    response.set(http::field::cache_control, "no-store");
    response.chunked(manner.chunks);
    response.keep_alive(manner.keep_alive && manner.chunks);
    http::response_serializer<http::empty_body> serializer(response);
    wire_->arm(wire_->request_timeout);
    const auto [ec, size] = co_await http::async_write_header(wire_->socket, serializer, as_result);
    wire_->disarm();
    co_return !ec;
}

asio::awaitable<bool> Connection::piece(std::string bytes) {
    if (wire_->chunks) bytes = fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
    wire_->arm(wire_->request_timeout);
    const auto [ec, size] = co_await asio::async_write(wire_->socket, asio::buffer(bytes), as_result);
    wire_->disarm();
    co_return !ec;
}

asio::awaitable<bool> Connection::end() {
    if (!wire_->chunks) co_return true;
    static constexpr std::string_view last = "0\r\n\r\n";
    wire_->arm(wire_->request_timeout);
    const auto [ec, size] = co_await asio::async_write(wire_->socket, asio::buffer(last), as_result);
    wire_->disarm();
    co_return !ec;
}

asio::awaitable<bool> Connection::readable() {
    if (wire_->buffer.size() > 0) co_return true;
    wire_->arm(wire_->request_timeout);
    const auto [ec] = co_await wire_->socket.async_wait(Socket::wait_read, as_result);
    wire_->disarm();
    co_return !ec;
}

bool Connection::pending() const {
    boost::system::error_code ec;
    return wire_->buffer.size() > 0 || wire_->socket.available(ec) > 0;
}

asio::awaitable<void> Connection::hung_up() {
    if (wire_->buffer.size() == 0) {
        const auto [ec] = co_await wire_->socket.async_wait(Socket::wait_read, as_result);
        if (ec || !pending()) co_return;
    }
    asio::steady_timer forever(wire_->socket.get_executor(), asio::steady_timer::time_point::max());
    co_await forever.async_wait(as_result);
}

asio::awaitable<void> Connection::linger() {
    boost::system::error_code ec;
    wire_->socket.shutdown(Socket::shutdown_send, ec);
    std::array<char, 16 * 1024> waste;
    wire_->arm(limits::admin_linger);
    while (!ec) {
        std::size_t size = 0;
        std::tie(ec, size) = co_await wire_->socket.async_read_some(asio::buffer(waste), as_result);
        if (wire_->watched->expired) break;
    }
    wire_->disarm();
}

}  // namespace baton::admin
