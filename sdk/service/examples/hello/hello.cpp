// A small HTTP server that gets its connections from Baton: each answer says who gave it. It keeps connections open
// until Baton wants its clients to go elsewhere, and then tells them with its next answers.
//
//     [service.hello]
//     command = ["./hello"]
//     delivery = "handoff"
//     readiness = { type = "notify" }
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <unordered_map>

#include "baton/service.hpp"

namespace {

volatile std::sig_atomic_t ending = 0;

struct Client {
    baton::service::Connection connection;
    std::string asked;  // what was read and not answered yet
};

// One request after the other, without bodies. False: the connection is over.
bool serve(Client& client, bool draining) {
    std::array<char, 4096> block{};
    const ssize_t got = ::read(client.connection.fd(), block.data(), block.size());
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    client.asked.append(block.data(), static_cast<std::size_t>(got));
    for (auto end = client.asked.find("\r\n\r\n"); end != std::string::npos; end = client.asked.find("\r\n\r\n")) {
        client.asked.erase(0, end + 4);
        const std::string body = "hello from " + std::to_string(::getpid()) + "\n";
        const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + (draining ? "\r\nConnection: close" : "") + "\r\n\r\n" + body;
        // So little that there is room for it, or the client takes nothing.
        if (::send(client.connection.fd(), answer.data(), answer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer.size()) || draining) return false;
    }
    return client.asked.size() < 65536;
}

void run() {
    auto clients = baton::service::Connections::inherit();
    std::unordered_map<int, Client> open;
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    const auto watch = [&](int fd) {
        epoll_event event{EPOLLIN, {}};
        event.data.fd = fd;
        if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    };
    watch(clients.fd());
    baton::service::notify("READY=1");

    // After SIGTERM those that are open are served to their end; Baton ends the rest after kill_timeout.
    while (ending == 0 || !open.empty()) {
        std::array<epoll_event, 64> events{};
        const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), ending != 0 ? 100 : -1);
        for (int i = 0; i < count; ++i) {
            const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
            if (fd == clients.fd()) {
                while (auto one = clients.next()) {
                    const int its = one->fd();
                    watch(its);
                    open.emplace(its, Client{std::move(*one), {}});
                }
            } else if (const auto found = open.find(fd); found != open.end() && !serve(found->second, clients.draining() || ending != 0)) {
                open.erase(found);
            }
        }
    }
}

}  // namespace

int main() {
    struct sigaction action {};
    action.sa_handler = [](int) { ending = 1; };
    ::sigaction(SIGTERM, &action, nullptr);
    try {
        run();
        return 0;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "hello: %s\n", failure.what());
        return 1;
    }
}
