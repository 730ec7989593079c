// A small server for the probes: a thread that takes one connection after the other and does with
// each what the test says.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "model/address.h"
#include "sys/descriptor.h"

namespace baton::run {

class Server {
  public:
    // At 127.0.0.1 and a port of the kernel's choice, or at a path.
    using Serve = std::function<void(const sys::UniqueFd& connection, const std::string& request)>;
    explicit Server(Serve serve, const std::string& unix_path = {});
    ~Server();

    const model::Address& address() const { return address_; }
    // The last request, up to its empty line.
    const std::string& request() const { return request_; }

  private:
    void run();
    bool wait_for(const sys::UniqueFd& connection) const;
    Serve serve_;
    sys::UniqueFd listening_;
    model::Address address_;
    std::string request_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// Answers with these bytes.
Server::Serve answers(std::string text);
// A stream socket for the target, as a probe wants it.
sys::UniqueFd socket_for(const model::Address& target);
// An address where nobody listens.
model::Address nowhere();

}  // namespace baton::run
