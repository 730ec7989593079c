// HTTP/1.1 over the admin socket, one connection a request, waiting for the answer.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace baton::cli {

struct Call {
    std::string method = "GET";
    std::string target;
    std::string body;
    std::string accept;
    std::string last_event_id;
};

struct Reply {
    int status = 0;
    std::string type;
    std::string body;   // empty for an answer that was streamed
    bool whole = true;  // false: the connection broke before the answer ended
};

class Client {
  public:
    explicit Client(std::string socket) : socket_(std::move(socket)) {}

    const std::string& socket() const { return socket_; }

    // A document. An error with an errno: there is nobody, and what to do about it; without: the
    // connection broke before there was an answer.
    Result<Reply> ask(Call call) const;
    // An answer in pieces, each given to `take` as it comes, for as long as it lasts. An answer that is
    // no success is not streamed but has a body.
    Result<Reply> stream(Call call, const std::function<void(std::string_view)>& take) const;

    // Whether somebody accepts connections, without asking anything; an error says why not.
    Result<void> reach() const;

  private:
    std::string socket_;
};

// The path of an API: segments are escaped.
std::string path_of(std::initializer_list<std::string_view> segments);

// What a problem document says: its detail, then its errors. Any other body as it is.
struct Complaint {
    std::string message;
    std::vector<std::string> details;
};
Complaint complaint_of(const Reply& reply);

}  // namespace baton::cli
