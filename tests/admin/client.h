// A client that speaks raw bytes over a unix socket, so that tests can be as rude as they like. Every
// read ends after ten seconds, and then the test has failed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sys/descriptor.h"

namespace baton::test {

struct Response {
    int status = 0;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
};

class Client {
  public:
    explicit Client(const std::string& path);

    bool connected() const { return fd_.valid(); }
    // False: the server closed.
    bool send(std::string_view bytes);
    // The next response, with a body of given length or in chunks; empty: the connection ended before.
    std::optional<Response> response(bool head = false);
    // Header alone; the body is read with pieces.
    std::optional<Response> header();
    // The next chunk; empty at the last one or at the end of the connection.
    std::optional<std::string> chunk();
    // Whether the connection ends now.
    bool ended();
    void close() { fd_.reset(); }

    // One request and its response, over a connection of their own.
    static Response get(const std::string& path, const std::string& target, const std::string& headers = "");
    static Response post(const std::string& path, const std::string& target, const std::string& body,
                         const std::string& headers = "");

  private:
    bool more();
    std::optional<std::string> line();
    bool fill(std::size_t size);
    std::string take(std::size_t size);

    sys::UniqueFd fd_;
    std::string buffer_;
};

}  // namespace baton::test
