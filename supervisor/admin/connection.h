// One client's connection: requests in, answers out, each under a deadline. Whatever is wrong with the
// bytes ends here; the callers see requests and problems.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "admin/notice.h"
#include "admin/request.h"
#include "base/time.h"
#include "model/views.h"
#include "sys/descriptor.h"

namespace baton::admin {

struct Answer {
    int status = 200;
    std::string type = "application/json";
    std::string body;
    std::string allow;  // the Allow header of a 405
};

// The client is gone, or sent nothing.
struct Hangup {};

class Connection {
  public:
    // `request_timeout`: for one request to arrive whole, and for one write to be taken.
    Connection(boost::asio::io_context& context, sys::UniqueFd fd, Millis request_timeout);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // After a problem or a Hangup the connection is of no more use than to answer and to close it.
    boost::asio::awaitable<std::variant<Request, model::ProblemView, Hangup>> read();
    // False: the client is gone, or does not read.
    boost::asio::awaitable<bool> write(Manner manner, Answer answer);

    // An answer in pieces: begin, piece..., end.
    boost::asio::awaitable<bool> begin(Manner manner, std::string type);
    boost::asio::awaitable<bool> piece(std::string bytes);
    boost::asio::awaitable<bool> end();

    // True when there are bytes to read, or their end; false when none came in time. Consumes nothing.
    boost::asio::awaitable<bool> readable();
    // Whether there are bytes of a request already.
    bool pending() const;
    // Ends when the client closed its side. A client that sent its next request is believed to be there.
    boost::asio::awaitable<void> hung_up();
    // Reads and forgets, for a short while, so that a client that is still sending gets the answer.
    boost::asio::awaitable<void> linger();

  private:
    struct Wire;
    std::unique_ptr<Wire> wire_;
};

}  // namespace baton::admin
