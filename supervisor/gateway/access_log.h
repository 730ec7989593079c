// One line for each request or connection, in the combined format of nginx and Apache with three fields at its
// end: the instance, and the milliseconds until the response was over.
//
// Lines are gathered and written when there are many or when the turn's work is done, so that a busy worker
// pays one system call for hundreds. A line is one write's whole part: several workers append to one file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/time.h"
#include "http/head.h"
#include "sys/descriptor.h"

namespace baton::gateway {

// What is known of a request from its head on.
struct AccessEntry {
    std::string request;   // METHOD target HTTP/1.1
    std::string referer;
    std::string agent;
    Millis began = 0;
    int status = 0;
    std::uint64_t sent_before = 0;  // bytes its connection had been sent by then
};
AccessEntry entry_of(const http::RequestHead& head, Millis now, std::uint64_t sent);

class AccessLog {
  public:
    // `file`: opened for appending.
    AccessLog(sys::UniqueFd file, Log& log) : file_(std::move(file)), log_(log) {}
    ~AccessLog() { flush(); }

    void add(const AccessEntry& entry, std::string_view client, std::uint64_t sent, std::string_view instance, Millis now);
    // Another file from here on.
    void reopen(sys::UniqueFd file);
    void flush();

  private:
    sys::UniqueFd file_;
    Log& log_;
    std::string lines_;
    bool failing_ = false;
};

}  // namespace baton::gateway
