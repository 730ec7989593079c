#include "loop.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/gateway_limits.h"
#include "network.h"
#include "sys/send_batch.h"
#include "sys/sockaddr.h"

namespace baton::gateway {
namespace {

Listening listen_at(const model::Address& address, int backlog) {
    sys_test::enter_own_network();
    const auto target = sys::to_socket_address(address);
    Listening made{sys::UniqueFd(::socket(target->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), address};
    EXPECT_EQ(::bind(made.socket.get(), target->get(), target->length), 0);
    EXPECT_EQ(::listen(made.socket.get(), backlog), 0);
    sys::SocketAddress bound;
    bound.length = sizeof(bound.storage);
    ::getsockname(made.socket.get(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.length);
    made.address = *sys::from_socket_address(bound);
    return made;
}

}  // namespace

std::string_view Wire::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const sys::Transfer put = sys::write_stream(socket, std::span<const char>(bytes.data(), bytes.size()));
        if (put.error == EAGAIN) break;
        if (put.error != 0) {
            error = put.error;
            break;
        }
        bytes.remove_prefix(put.bytes);
    }
    return bytes;
}

void Wire::read(std::size_t at_most) {
    std::vector<char> buffer(256 * 1024);
    for (std::size_t all = 0; all < at_most && !over();) {
        const sys::Transfer read = sys::read_stream(socket, std::span<char>(buffer).first(std::min(buffer.size(), at_most - all)));
        if (read.error == EAGAIN) return;
        error = read.error;
        ended = read.error == 0 && read.bytes == 0;
        got.append(buffer.data(), read.bytes);
        all += read.bytes;
    }
}

std::unique_ptr<Wire> Listening::accept() const {
    sys::Accepted accepted = sys::accept_stream(socket);
    if (accepted.error != 0) return nullptr;
    auto wire = std::make_unique<Wire>();
    wire->socket = std::move(accepted.socket);
    return wire;
}

sys::UniqueFd Listening::copy() const { return sys::UniqueFd(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0)); }

Listening listen_tcp(int backlog) { return listen_at({model::Family::inet4, "127.0.0.1", 0}, backlog); }

Listening listen_unix(const std::string& name, int backlog) {
    return listen_at({model::Family::unix_abstract, "baton-gateway-test-" + std::to_string(::getpid()) + "-" + name, 0}, backlog);
}

Wire connect_to(const model::Address& address) {
    sys::Connected made = sys::connect_stream(*sys::to_socket_address(address));
    EXPECT_TRUE(made.error == 0 || made.error == EINPROGRESS) << made.error;
    Wire wire;
    wire.socket = std::move(made.socket);
    return wire;
}

void Running::follow(std::uint64_t revision, std::vector<model::Route> routes, std::map<std::string, sys::UniqueFd> listeners,
                     model::Protocol protocol) const {
    model::RouteTable table;
    table.revision = revision;
    for (const model::Route& route : routes) {
        const auto same = [&](const model::Entrance& entrance) { return entrance.listener == route.listener; };
        if (std::any_of(table.entrances.begin(), table.entrances.end(), same)) continue;
        model::Entrance entrance;
        entrance.listener = entrance.name = route.listener;
        entrance.protocol = protocol;
        table.entrances.push_back(std::move(entrance));
    }
    table.routes = std::move(routes);
    gateway->follow(table, std::move(listeners));
}

Loop::Loop() : always_(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)) {
    static_cast<void>(log_.open("", LogFormat::text, LogLevel::off));
}

Running& Loop::start(std::uint32_t worker, bool awake) {
    auto file = Counters::create();
    auto made = std::make_unique<Running>();
    made->counters = std::make_unique<Counters>(std::move(*Counters::open(*file)));
    // Both ways in which a worker writes are tested: see CMakeLists.txt.
    auto batch = sys::SendBatch::create(limits::posted_writes);
    const bool together = batch && std::getenv("BATON_TEST_ONE_BY_ONE") == nullptr;
    made->gateway = std::make_unique<Gateway>(std::move(*sys::Epoll::create(limits::gateway_events)), together ? std::optional(std::move(*batch)) : std::nullopt, std::move(*Counters::open(*file)),
                                              turns_source_, log_, worker);
    EXPECT_TRUE(!awake || made->gateway->watch(always_, [] {}));
    running_.push_back(std::move(made));
    return *running_.back();
}

void Loop::end(const Running& running) {
    std::erase_if(running_, [&](const auto& one) { return one.get() == &running; });
}

bool Loop::until(const std::function<bool()>& so, Millis at_most) {
    const Millis end = monotonic_now() + at_most;
    while (!so()) {
        if (monotonic_now() > end) return false;
        turns(1);
    }
    return true;
}

bool Loop::ends(Wire& wire) {
    return until([&] {
        wire.read();
        return wire.over();
    });
}

void Loop::turns(int count) {
    for (int i = 0; i < count; ++i) {
        for (const auto& one : running_) one->gateway->turn();
    }
}

Loop::Pair Loop::connect(const Listening& front, const Listening& instance) {
    Pair pair{connect_to(front.address), nullptr};
    EXPECT_TRUE(until([&] { return (pair.instance = instance.accept()) != nullptr; }));
    return pair;
}

bool Loop::carries(Wire& from, Wire& to, const std::string& bytes) {
    const std::size_t before = to.got.size();
    std::string_view left = bytes;
    const bool arrived = until([&] {
        left = from.send(left);
        to.read();
        return to.got.size() >= before + bytes.size() || to.over();
    });
    return arrived && to.got.substr(before) == bytes;
}

bool Loop::completes(Wire& from, Wire& to, const std::string& bytes, const std::string& whole) {
    return from.send(bytes).empty() && until([&] {
        to.read();
        return to.got == whole || to.over();
    }) && to.got == whole;
}

model::Route route(const std::string& listener, std::vector<std::pair<std::uint64_t, model::Address>> endpoints) {
    model::Route made;
    made.listener = listener;
    made.service = "web";
    made.timeouts.tunnel = 0;
    for (auto& [id, address] : endpoints) {
        model::Endpoint endpoint;
        endpoint.id = id;
        endpoint.name = "web/" + std::to_string(id);
        endpoint.address = std::move(address);
        made.endpoints.push_back(std::move(endpoint));
    }
    return made;
}

std::string pattern(std::size_t size, unsigned seed) {
    std::string bytes(size, ' ');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 31 + i / 251 + i / 65'537 + seed) & 0xffU);
    return bytes;
}

}  // namespace baton::gateway
