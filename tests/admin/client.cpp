#include "client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace baton::test {
namespace {

constexpr int patience_ms = 10'000;

}  // namespace

Client::Client(const std::string& path) {
    sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    if (::connect(fd.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                  sizeof address) == 0) {
        fd_ = std::move(fd);
    }
}

bool Client::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool Client::more() {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, patience_ms) <= 0) {
        ADD_FAILURE() << "the server did not answer in time; so far: " << buffer_;
        return false;
    }
    std::array<char, 64 * 1024> bytes;
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (got <= 0) return false;
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    return true;
}

std::string Client::take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
}

bool Client::fill(std::size_t size) {
    while (buffer_.size() < size) {
        if (!more()) return false;
    }
    return true;
}

std::optional<std::string> Client::line() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
        if (!more()) return {};
    }
    std::string text = take(end);
    take(2);
    return text;
}

std::optional<Response> Client::header() {
    Response response;
    const auto first = line();
    if (!first) return {};
    if (std::sscanf(first->c_str(), "HTTP/1.%*d %d", &response.status) != 1) return {};
    for (;;) {
        const auto next = line();
        if (!next) return {};
        if (next->empty()) return response;
        const auto colon = next->find(": ");
        std::string name = next->substr(0, colon);
        std::ranges::transform(name, name.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        response.headers[name] = colon == std::string::npos ? "" : next->substr(colon + 2);
    }
}

std::optional<std::string> Client::chunk() {
    const auto size = line();
    if (!size) return {};
    const auto length = std::stoul(*size, nullptr, 16);
    if (!fill(length + 2)) return {};
    std::string bytes = take(length);
    take(2);
    if (length == 0) return {};
    return bytes;
}

std::optional<Response> Client::response(bool head) {
    auto response = header();
    if (!response || head || response->status == 100) return response;
    if (response->headers["transfer-encoding"] == "chunked") {
        while (const auto bytes = chunk()) response->body += *bytes;
    } else {
        const auto size = std::stoul(response->headers.at("content-length"));
        if (!fill(size)) return {};
        response->body = take(size);
    }
    return response;
}

bool Client::ended() {
    return buffer_.empty() && !more();
}

Response Client::get(const std::string& path, const std::string& target, const std::string& headers) {
    Client client(path);
    client.send(fmt::format("GET {} HTTP/1.1\r\nHost: baton\r\n{}\r\n", target, headers));
    auto response = client.response();
    EXPECT_TRUE(response) << "no answer to GET " << target;
    return response.value_or(Response{});
}

Response Client::post(const std::string& path, const std::string& target, const std::string& body,
                      const std::string& headers) {
    Client client(path);
    client.send(fmt::format("POST {} HTTP/1.1\r\nHost: baton\r\nContent-Length: {}\r\n{}\r\n{}", target,
                            body.size(), headers, body));
    auto response = client.response();
    EXPECT_TRUE(response) << "no answer to POST " << target;
    return response.value_or(Response{});
}

}  // namespace baton::test
