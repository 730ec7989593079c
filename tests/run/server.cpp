#include "server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "sys/sockaddr.h"

namespace baton::run {

Server::Server(Serve serve, const std::string& unix_path) : serve_(std::move(serve)) {
    address_ = unix_path.empty() ? model::Address{model::Family::inet4, "127.0.0.1", 0}
                                 : model::Address{model::Family::unix_path, unix_path, 0};
    const auto bound = *sys::to_socket_address(address_);
    listening_ = sys::UniqueFd(::socket(bound.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listening_.get(), bound.get(), bound.length), 0);
    EXPECT_EQ(::listen(listening_.get(), 16), 0);
    sockaddr_in own{};
    socklen_t length = sizeof(own);
    if (unix_path.empty() &&
        ::getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&own), &length) == 0) {
        address_.port = ntohs(own.sin_port);
    }
    thread_ = std::thread([this] { run(); });
}

Server::~Server() {
    stopping_ = true;
    ::shutdown(listening_.get(), SHUT_RDWR);
    thread_.join();
}

// A client that is silent, because the test does not run its loop any more, holds nobody up.
bool Server::wait_for(const sys::UniqueFd& connection) const {
    pollfd wanted{connection.get(), POLLIN, 0};
    while (!stopping_) {
        if (::poll(&wanted, 1, 20) > 0) return true;
    }
    return false;
}

void Server::run() {
    while (true) {
        const sys::UniqueFd connection(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection.valid()) return;
        std::string request;
        std::array<char, 1024> buffer;
        while (request.find("\r\n\r\n") == std::string::npos && wait_for(connection)) {
            const ssize_t got = ::read(connection.get(), buffer.data(), buffer.size());
            if (got <= 0) break;
            request.append(buffer.data(), static_cast<std::size_t>(got));
        }
        if (!request.empty()) request_ = request;
        serve_(connection, request);
    }
}

Server::Serve answers(std::string text) {
    return [text = std::move(text)](const sys::UniqueFd& connection, const std::string&) {
        EXPECT_EQ(::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    };
}

sys::UniqueFd socket_for(const model::Address& target) {
    const int family = sys::to_socket_address(target)->family();
    return sys::UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

model::Address nowhere() {
    const Server gone([](const sys::UniqueFd&, const std::string&) {});
    return gone.address();
}

}  // namespace baton::run
