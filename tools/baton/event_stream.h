// Takes server-sent events apart, from pieces of any size.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

struct ServerEvent {
    std::string id;
    std::string name;  // empty: a plain message
    std::string data;
};

class EventStream {
  public:
    // The events that are whole now.
    std::vector<ServerEvent> feed(std::string_view piece);

  private:
    void line(std::string_view text, std::vector<ServerEvent>& whole);

    std::string rest_;
    ServerEvent building_;
    bool begun_ = false;
};

}  // namespace baton::cli
