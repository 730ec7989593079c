#include "client.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <optional>

#include <fmt/core.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "base/limits.h"
#include "model/codec.h"
#include "model/views.h"

namespace baton::cli {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Endpoint = asio::local::stream_protocol::endpoint;

namespace {

Error nobody_there(const std::string& path, const boost::system::error_code& ec) {
    std::string advice;
    switch (ec.value()) {
        case ENOENT:
            advice =
                "there is no such socket. Is the supervisor running? (systemctl status baton) "
                "Another socket is named by --socket PATH or BATON_SOCKET";
            break;
        case ECONNREFUSED:
            advice =
                "nobody listens there: the supervisor that made it has ended. "
                "Start it, for example with: systemctl start baton";
            break;
        case EACCES:
        case EPERM:
            advice = "permission denied: root and the supervisor's user may use it. Try: sudo baton ...";
            break;
        default:
            advice = ec.message();
    }
    return Error(fmt::format("cannot reach the supervisor at {}: {}", path, advice), ec.value());
}

// One connection. Each operation is waited for, up to a limit.
class Wire {
  public:
    Result<void> open(const std::string& path) {
        if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
            return Error(fmt::format("the socket path '{}' is empty or too long", path), ENAMETOOLONG);
        }
        boost::system::error_code ec;
        // Waits where the queue is full; Asio's own asynchronous connect would believe it is connected.
        socket_.connect(Endpoint(path), ec);
        if (ec) return nobody_there(path, ec);
        return {};
    }

    // A failure to send is told by what can be read then: an answer or an end.
    void send(const Call& call) {
        http::request<http::string_body> request(http::string_to_verb(call.method), call.target, 11);
        request.set(http::field::host, "baton");
        request.set(http::field::connection, "close");
        if (!call.accept.empty()) request.set(http::field::accept, call.accept);
        if (!call.last_event_id.empty()) request.set("Last-Event-ID", call.last_event_id);
        if (!call.body.empty()) request.set(http::field::content_type, "application/json");
        request.body() = call.body;
        request.prepare_payload();
        wait([&](auto done) { http::async_write(socket_, request, std::move(done)); },
             limits::client_answer_timeout);
    }

    boost::system::error_code read_header(Millis limit) {
        parser_.body_limit(boost::none);
        return wait([&](auto done) { http::async_read_header(socket_, buffer_, parser_, std::move(done)); },
                    limit);
    }
    // The next bytes of the body; empty at its end.
    Result<std::string> read_piece(Millis limit) {
        while (!parser_.is_done()) {
            parser_.get().body().data = piece_.data();
            parser_.get().body().size = piece_.size();
            auto ec = wait(
                [&](auto done) { http::async_read_some(socket_, buffer_, parser_, std::move(done)); }, limit);
            if (ec == http::error::need_buffer) ec = {};
            const std::size_t size = piece_.size() - parser_.get().body().size;
            if (size > 0) return std::string(piece_.data(), size);
            if (ec) return Error("read the answer: " + ec.message(), ec.value());
        }
        return std::string();
    }
    const auto& header() const { return parser_.get(); }

  private:
    template <class Start>
    boost::system::error_code wait(Start start, Millis limit) {
        std::optional<boost::system::error_code> result;
        start([&result](const boost::system::error_code& ec, std::size_t) { result = ec; });
        context_.restart();
        if (limit == never) {
            context_.run();
        } else {
            context_.run_for(std::chrono::milliseconds(limit));
        }
        if (!result) {
            socket_.close();
            context_.restart();
            context_.run();
            return asio::error::timed_out;
        }
        return *result;
    }

    asio::io_context context_;
    asio::local::stream_protocol::socket socket_{context_};
    beast::flat_buffer buffer_;
    http::response_parser<http::buffer_body> parser_;
    std::array<char, 64 * 1024> piece_{};
};

Error no_answer(const std::string& path, const std::string& why) {
    return failed(fmt::format("the supervisor at {} gave no answer: {}", path, why));
}

}  // namespace

Result<Reply> Client::stream(Call call, const std::function<void(std::string_view)>& take) const {
    Wire wire;
    if (auto opened = wire.open(socket_); !opened) return opened.error();
    wire.send(call);
    // A command answers with its first step or when it is over, which may take its time.
    if (const auto ec = wire.read_header(call.method == "POST" ? never : limits::client_answer_timeout)) {
        return no_answer(socket_, ec.message());
    }
    Reply reply;
    reply.status = static_cast<int>(wire.header().result_int());
    reply.type = std::string(wire.header()[http::field::content_type]);
    const bool streamed = take && reply.status == 200;
    for (;;) {
        auto piece = wire.read_piece(streamed ? never : limits::client_answer_timeout);
        if (!piece && !streamed) return no_answer(socket_, piece.error().message());
        reply.whole = piece.has_value();
        if (!piece || piece->empty()) return reply;
        if (streamed) {
            take(*piece);
            continue;
        }
        reply.body += *piece;
        if (reply.body.size() > limits::client_document_bytes) return no_answer(socket_, "it is too long");
    }
}

Result<Reply> Client::ask(Call call) const {
    return stream(std::move(call), {});
}

Result<void> Client::reach() const {
    Wire wire;
    return wire.open(socket_);
}

std::string path_of(std::initializer_list<std::string_view> segments) {
    std::string path = "/v1";
    for (const std::string_view segment : segments) {
        path += '/';
        for (const char c : segment) {
            const auto byte = static_cast<unsigned char>(c);
            if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
                path += c;
            } else {
                path += fmt::format("%{:02X}", static_cast<unsigned>(byte));
            }
        }
    }
    return path;
}

Complaint complaint_of(const Reply& reply) {
    const auto problem = model::decode<model::ProblemView>(reply.body);
    if (!problem || problem->detail.empty())
        return {fmt::format("HTTP status {}: {}", reply.status, reply.body), {}};
    Complaint complaint{problem->detail, problem->errors};
    // One error that the detail already says is not said twice.
    if (complaint.details.size() == 1 && complaint.message.ends_with(complaint.details.front())) {
        complaint.details.clear();
    }
    return complaint;
}

}  // namespace baton::cli
