// One run of load: its groups (a target and a mode each), what they counted, and when it is over.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/generic/stream_protocol.hpp>

#include "base/result.h"
#include "base/time.h"
#include "tally.h"

namespace baton::load {

// get, post: keep-alive; new_get, new_post: a connection for each request; tcp: echo, several exchanges
// a connection.
enum class Mode { get, post, new_get, new_post, tcp };

struct Target {
    std::string text;
    std::string host_header;
    boost::asio::generic::stream_protocol::endpoint endpoint;
};
// "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name".
Result<Target> parse_target(const std::string& text);

struct Part {
    Mode mode = Mode::get;
    std::size_t connections = 0;
};
// "get", "post:16", "new:8", "new-post", "tcp:4"; without a number, `connections` is taken.
Result<Part> parse_part(const std::string& text, std::size_t connections);
const char* name_of(Mode mode);

struct Settings {
    std::vector<Target> targets;
    std::vector<Part> parts;
    Millis duration = never;
    std::uint64_t requests = 0;  // in all; 0: no limit
    double rate = 0;             // requests a second in all; 0: as fast as they are answered
    Millis timeout = 10'000;     // for one request
    Millis connect_timeout = 5'000;
    std::size_t body_bytes = 512;
    std::size_t exchanges = 32;  // a tcp connection's
    std::string get_path = "/";
    std::string post_path = "/echo";
};

struct Group {
    Target target;
    Mode mode = Mode::get;
    std::size_t connections = 0;
    Tally tally;
};

// A failure as it happened, for whoever looks for its cause.
struct Sample {
    Millis wall = 0;
    std::string group;
    Failure failure = Failure::other;
    std::string text;
};
inline constexpr std::size_t samples_kept = 40;

class Run {
  public:
    explicit Run(Settings settings);

    const Settings& settings() const { return settings_; }
    std::deque<Group>& groups() { return groups_; }
    std::size_t clients() const;

    // False when the run is over; true takes one request from what is left.
    bool take_request();
    // No new request is begun from now on; those under way are finished.
    void stop() { stopping_ = true; }
    bool stopping() const { return stopping_; }

    void succeeded(Group& group, Clock::duration latency, const std::string& version, const std::string& instance);
    void failed(Group& group, Failure failure, std::string text);

    // All groups as one.
    Tally total() const;
    std::string report_json() const;
    std::string report_text() const;
    std::string ticker() const;

  private:
    Settings settings_;
    Clock::time_point begin_;
    std::deque<Group> groups_;
    std::vector<Sample> samples_;
    Tally pulse_;  // counts nothing; knows the longest gap over all groups
    std::uint64_t taken_ = 0;
    bool stopping_ = false;
};

}  // namespace baton::load
