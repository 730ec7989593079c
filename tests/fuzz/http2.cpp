// A client of HTTP/2 that sends whatever it likes, through a whole gateway over real sockets, to an instance that
// answers well or badly. Whatever it is: the instance is only ever sent sound requests of HTTP/1.1, and when the
// client is gone nothing of it is left.
//
// Of the input each letter is a step, the bytes behind it say how; so frames are well formed unless it is their
// content that is wrong, which most bytes by themselves would never get to.
//
//   Q  a request: flags (1 it ends there, 2 POST, 4 a length of three, 8 cookies), then a path and a field, each
//      with its length
//   H  HEADERS, D DATA, C CONTINUATION: flags, stream, length, content
//   R  RST_STREAM, W WINDOW_UPDATE: stream, a byte of the code or of the increment
//   S  SETTINGS: length, content
//   F  any frame: type, flags, stream, length, content
//   B  bytes: length, content
//   I  what the instance does from here on
//   L  the client reads what it was sent; until then, nothing
//   T  turns
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/gateway_limits.h"
#include "gateway/gateway.h"
#include "gateway/h2_client.h"
#include "http/framing.h"
#include "http/head.h"
#include "sys/sockaddr.h"
#include "sys/stream.h"
#include "turns.h"

namespace {

using namespace baton;
using State = http::ChunkReader::State;

constexpr std::uint64_t endpoint = 7;
constexpr std::string_view names = "QHDCRWSFBILT";

model::Address address_of(const std::string& name) {
    return {model::Family::unix_abstract, "baton-fuzz-" + std::to_string(::getpid()) + "-" + name, 0};
}

sys::UniqueFd listen_at(const model::Address& address) {
    const auto target = sys::to_socket_address(address);
    sys::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    CHECK(::bind(socket.get(), target->get(), target->length) == 0 && ::listen(socket.get(), 128) == 0);
    return socket;
}

// Sends what the socket takes now, and leaves the rest.
void send_some(const sys::UniqueFd& socket, std::string& bytes) {
    while (!bytes.empty()) {
        const sys::Transfer put = sys::write_stream(socket, std::span<const char>(bytes.data(), bytes.size()));
        if (put.error == EAGAIN) return;
        if (put.error != 0) return bytes.clear();
        bytes.erase(0, put.bytes);
    }
}

// False: it is over.
bool read_all(const sys::UniqueFd& socket, std::string& into) {
    std::array<char, 64 * 1024> buffer;
    for (;;) {
        const sys::Transfer got = sys::read_stream(socket, buffer);
        if (got.error == EAGAIN) return true;
        if (got.error != 0 || got.bytes == 0) return false;
        into.append(buffer.data(), got.bytes);
    }
}

// One connection of the instance: what it hears must be requests that nobody could understand otherwise.
class Heard {
  public:
    explicit Heard(sys::UniqueFd socket) : socket_(std::move(socket)) {}

    bool turn(std::uint8_t way) {
        const bool open = read_all(socket_, in_);
        while (take_request()) answer(way);
        send_some(socket_, out_);
        return open && !closed_;
    }

  private:
    bool take_request() {
        if (!in_body_) {
            http::Scan scan;
            const http::HeadEnd end = http::find_end(in_, scan);
            CHECK(end.kind != http::HeadEnd::Kind::bad);
            if (end.kind == http::HeadEnd::Kind::more) return false;
            http::RequestHead head;
            CHECK(http::read(std::string_view(in_).substr(0, end.size), head) == 0);
            CHECK(head.minor == 1 && http::find(head.fields, "upgrade") == nullptr);
            const http::FramingResult framing = http::framing_of(head);
            CHECK(framing.refused == 0);
            body_ = http::BodyReader(framing.framing);
            is_head_ = head.method == "HEAD";
            in_.erase(0, end.size);
            in_body_ = true;
        }
        std::string_view rest = in_;
        std::string_view data;
        State state = State::data;
        while (!body_.over() && (state = body_.next(rest, data)) == State::data) {}
        CHECK(state != State::bad);
        in_.erase(0, in_.size() - rest.size());
        if (!body_.over()) return false;
        std::string trailer(body_.trailer());
        CHECK(!http::purge_trailer(trailer));
        in_body_ = false;
        return true;
    }

    void answer(std::uint8_t way) {
        const auto say = [this](std::string_view head, std::string_view body) { (out_ += head) += is_head_ ? std::string_view() : body; };
        switch (way % 9) {
            case 0: return say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello");
            case 1: return say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 1\r\n\r\n");
            case 2: return say("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", std::string(200'000, 'x'));
            case 3: return say("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nX: y\r\n\r\n", "");
            case 4: return;  // it thinks
            case 5: out_ += "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"; break;
            case 6: out_ += "nonsense\r\n\r\n"; break;
            case 7: out_ += "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"; break;
            default: out_ += "HTTP/1.1 200 OK\r\n\r\nto the end"; break;
        }
        closed_ = true;
    }

    sys::UniqueFd socket_;
    std::string in_;
    std::string out_;
    http::BodyReader body_;
    bool in_body_ = false;
    bool is_head_ = false;
    bool closed_ = false;
};

// A worker's gateway and its instance; they live as long as the process.
class World {
  public:
    World() : log_("fuzz"), always_(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)), front_(address_of("front")), listener_(listen_at(address_of("instance"))) {
        static_cast<void>(log_.open("", LogFormat::text, LogLevel::off));
        auto file = gateway::Counters::create();
        counters_ = std::make_unique<gateway::Counters>(*gateway::Counters::open(*file));
        gateway_ = std::make_unique<gateway::Gateway>(*sys::Epoll::create(limits::gateway_events), std::nullopt, *gateway::Counters::open(*file),
                                                      turns_, log_, 0);
        CHECK(gateway_->watch(always_, [] {}));
        model::RouteTable table;
        table.revision = 1;
        model::Entrance& entrance = table.entrances.emplace_back();
        entrance.listener = entrance.name = "web";
        entrance.protocol = model::Protocol::http;
        entrance.http.max_body = 100'000;
        model::Route& route = table.routes.emplace_back();
        route.listener = "web";
        route.service = "web";
        model::Endpoint& one = route.endpoints.emplace_back();
        one.id = endpoint;
        one.name = "web/1";
        one.address = address_of("instance");
        one.max_fails = 0;  // it is always asked
        std::map<std::string, sys::UniqueFd> listeners;
        listeners["web"] = listen_at(front_);
        gateway_->follow(table, std::move(listeners));
    }

    void turn() {
        gateway_->turn();
        for (sys::Accepted made = sys::accept_stream(listener_); made.error == 0; made = sys::accept_stream(listener_)) {
            instance_.push_back(std::make_unique<Heard>(std::move(made.socket)));
        }
        std::erase_if(instance_, [this](const auto& one) { return !one->turn(way); });
    }

    sys::UniqueFd connect() const { return std::move(sys::connect_stream(*sys::to_socket_address(front_)).socket); }

    // The client has closed: what it asked for ends with it.
    void settle() {
        for (int i = 0; gateway_->open_sessions() > 0; ++i) {
            CHECK(i < 1'000);
            turn();
        }
        CHECK(counters_->open_connections(endpoint) == 0);
        instance_.clear();
        gateway_->turn();
    }

    std::uint8_t way = 0;  // of the instance

  private:
    Log log_;
    gateway::TurnsSource turns_;
    sys::UniqueFd always_;
    model::Address front_;
    sys::UniqueFd listener_;
    std::unique_ptr<gateway::Counters> counters_;
    std::unique_ptr<gateway::Gateway> gateway_;
    std::vector<std::unique_ptr<Heard>> instance_;
};

class Client {
  public:
    Client(World& world, std::string_view input) : world_(world), input_(input), socket_(world.connect()) { out_ = gateway::http2_preface; }

    void run() {
        while (!input_.empty()) {
            step(static_cast<char>(next()));
            send_some(socket_, out_);
        }
        for (int i = 0; i < 4; ++i) turn();
        // All that it was sent begins with SETTINGS.
        if (got_.size() >= 9) CHECK(got_[3] == 4 && got_.substr(5, 4) == std::string_view("\0\0\0\0", 4));
        socket_.reset();
        world_.settle();
    }

  private:
    std::uint8_t next() {
        if (input_.empty()) return 0;
        const auto byte = static_cast<std::uint8_t>(input_.front());
        input_.remove_prefix(1);
        return byte;
    }
    std::string_view piece() {
        const std::size_t size = next();
        const std::string_view text = input_.substr(0, size);
        input_.remove_prefix(text.size());
        return text;
    }
    std::uint32_t stream() {
        const std::uint8_t byte = next();
        return byte == 0xff ? 0 : byte;
    }

    void frame(std::uint8_t type, std::uint8_t flags, std::uint32_t id, std::string_view content) {
        const std::size_t size = content.size();
        for (const std::size_t byte : {size >> 16U, size >> 8U, size}) out_ += static_cast<char>(byte & 0xffU);
        out_ += static_cast<char>(type);
        out_ += static_cast<char>(flags);
        for (const unsigned shift : {24U, 16U, 8U, 0U}) out_ += static_cast<char>(id >> shift & 0xffU);
        out_ += content;
    }
    // A field as HPACK has it without any of its tables.
    static std::string literal(std::string_view name, std::string_view value) {
        std::string text(1, '\0');
        for (const std::string_view part : {name.substr(0, 126), value.substr(0, 126)}) {
            text += static_cast<char>(part.size());
            text += part;
        }
        return text;
    }
    void ask() {
        const std::uint8_t flags = next();
        const std::string_view path = piece();
        const std::string_view name = piece();
        const std::string_view value = piece();
        std::string head = literal(":method", (flags & 2U) != 0 ? "POST" : "GET") + literal(":scheme", "http") + literal(":authority", "a") +
                           literal(":path", path.empty() ? "/" : path);
        if ((flags & 4U) != 0) head += literal("content-length", "3");
        if ((flags & 8U) != 0) head += literal("cookie", "a=1") + literal("cookie", "b=2");
        if (!name.empty()) head += literal(name, value);
        frame(1, static_cast<std::uint8_t>(4U | (flags & 1U)), id_, head);
        id_ += 2;
    }

    void step(char name) {
        switch (names.find(name) == std::string_view::npos ? names[static_cast<std::uint8_t>(name) % names.size()] : name) {
            case 'Q': return ask();
            case 'H': return any_frame(1);
            case 'D': return any_frame(0);
            case 'C': return any_frame(9);
            case 'R': return short_frame(3);
            case 'W': return short_frame(8);
            case 'S': return frame(4, 0, 0, piece());
            case 'F': return any_frame(next());
            case 'B': out_ += piece(); return;
            case 'I': world_.way = next(); return;
            case 'L': static_cast<void>(read_all(socket_, got_)); return;
            default: return turn();
        }
    }
    void any_frame(std::uint8_t type) {
        const std::uint8_t flags = next();
        const std::uint32_t id = stream();
        frame(type, flags, id, piece());
    }
    void short_frame(std::uint8_t type) {
        const std::uint32_t id = stream();
        const std::array<char, 4> content{0, 0, 0, static_cast<char>(next())};
        frame(type, 0, id, {content.data(), content.size()});
    }
    void turn() {
        send_some(socket_, out_);
        world_.turn();
        world_.turn();
    }

    World& world_;
    std::string_view input_;
    sys::UniqueFd socket_;
    std::string out_;
    std::string got_;
    std::uint32_t id_ = 1;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static World world;
    world.way = 0;
    Client(world, {reinterpret_cast<const char*>(data), size}).run();
    return 0;
}
