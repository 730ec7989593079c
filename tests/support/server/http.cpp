// The HTTP half of the server: routes, and the life of one connection.
#include <charconv>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/core.h>

#include "server.h"

namespace baton::test_server {
namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr auto awaited = asio::as_tuple(asio::use_awaitable);
constexpr std::uint64_t body_limit = 16 * 1024 * 1024;

// The number after "name=" in the target's query; 0 where there is none.
Millis query_number(const std::string& target, const std::string& name) {
    const std::size_t at = target.find(name + "=");
    Millis value = 0;
    if (at != std::string::npos)
        std::from_chars(target.data() + at + name.size() + 1, target.data() + target.size(), value);
    return value;
}

// The text after "name=" in the target's query.
std::string query_text(const std::string& target, const std::string& name) {
    const std::size_t at = target.find(name + "=");
    if (at == std::string::npos) return "";
    const std::size_t begin = at + name.size() + 1;
    return target.substr(begin, target.find('&', begin) - begin);
}

}  // namespace

Server::Answer Server::answer(const std::string& method, const std::string& target, std::string body) {
    const std::string path = target.substr(0, target.find('?'));
    if (path == "/healthz") return {ready_ ? 200 : 503, ready_ ? "ok\n" : "not ready\n"};
    if (path == "/environment") return {200, surroundings_, "application/json"};
    if (path.starts_with("/do/")) {
        const std::string wanted = query_text(target, "pid");
        if (!wanted.empty() && wanted != std::to_string(self_.pid)) return {421, greeting()};
        return act(path.substr(4));
    }
    Answer reply{options_.http_status, "", "text/plain", query_number(target, "ms")};
    if (method == "POST")
        reply.body = std::move(body);
    else if (path == "/bytes")
        reply.body.assign(static_cast<std::size_t>(query_number(target, "size")), 'x');
    else
        reply.body = greeting();
    return reply;
}

// What a test asks of one instance while it runs.
Server::Answer Server::act(const std::string& action) {
    if (action == "crash") crash();
    if (action == "hang") hang();
    if (action == "leave") leave();
    if (action == "unready") ready_ = false;
    if (action == "ready") ready_ = true;
    if (action == "error") options_.http_status = 500;
    return {200, action + "\n"};
}

std::string Server::head(const Answer& answer, bool keep_alive) const {
    const auto reason = http::obsolete_reason(static_cast<http::status>(answer.status));
    return fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nX-Version: {}\r\nX-Instance: {}\r\nX-Pid: {}\r\n{}\r\n",
        answer.status, std::string(reason), answer.type, answer.body.size(), self_.version, self_.instance, self_.pid,
        keep_alive ? "" : "Connection: close\r\n");
}

asio::awaitable<void> Server::serve_http(Session& session) {
    boost::beast::flat_buffer buffer;
    for (;;) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(body_limit);
        auto [no_head, head_size] = co_await http::async_read_header(session.stream, buffer, parser, awaited);
        if (no_head) break;
        session.busy = true;
        if (parser.get()[http::field::expect] == "100-continue") {
            static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
            co_await asio::async_write(session.stream, asio::buffer(go_on), awaited);
        }
        auto [no_body, body_size] = co_await http::async_read(session.stream, buffer, parser, awaited);
        if (no_body) break;
        http::request<http::string_body> request = parser.release();
        const std::string method(request.method_string());
        const std::string target(request.target());
        const Answer reply = answer(method, target, std::move(request.body()));
        if (reply.delay > 0) {
            asio::steady_timer timer(io_, std::chrono::milliseconds(reply.delay));
            co_await timer.async_wait(awaited);
        }
        const bool keep_alive = request.keep_alive() && !draining_ && !sent_away_;
        const std::string first = head(reply, keep_alive);
        const std::array<asio::const_buffer, 2> parts{asio::buffer(first), asio::buffer(reply.body)};
        auto [no_write, written] = co_await asio::async_write(session.stream, parts, awaited);
        if (no_write) break;
        session.active = Clock::now();
        session.busy = false;
        count_request();
        if (!keep_alive) break;
    }
    boost::system::error_code ignored;
    session.stream.shutdown(Stream::shutdown_send, ignored);
}

}  // namespace baton::test_server
