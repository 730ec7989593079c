// What a load client counts: every request ends as ok or as exactly one kind of failure.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <boost/describe/enum.hpp>
#include <boost/json/object.hpp>

namespace baton::load {

using Clock = std::chrono::steady_clock;

// connect_*              the connection was never there
// reset_before_response  reset after the request, before a byte of response
// reset_mid_response     reset within the response
// reset_idle             reset while no request was under way: no request is lost, but no sound server does it
// closed_under_request   an orderly close after (part of) the request, before a byte of response
// early_eof              an orderly close within the response
// timeout                no whole response in time
// bad_status, bad_body   a response, but not the right one; malformed: not HTTP
enum class Failure {
    connect_refused, connect_reset, connect_timeout, connect_other,
    reset_before_response, reset_mid_response, reset_idle, closed_under_request, early_eof,
    timeout, bad_status, bad_body, malformed, other
};
BOOST_DESCRIBE_ENUM(Failure, connect_refused, connect_reset, connect_timeout, connect_other, reset_before_response,
                    reset_mid_response, reset_idle, closed_under_request, early_eof, timeout, bad_status, bad_body,
                    malformed, other)
inline constexpr std::size_t failure_kinds = 14;

const char* name_of(Failure failure);

// Durations in microseconds, in buckets 1/32 wide: exact enough for percentiles, constant in memory.
class Histogram {
  public:
    void add(std::uint64_t micros);
    void merge(const Histogram& other);
    // The upper bound of the bucket that holds this share (0 to 1) of all values; 0 where there are none.
    std::uint64_t percentile(double share) const;
    std::uint64_t max() const { return max_; }

  private:
    static constexpr std::size_t buckets = 64 * 32;
    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t total_ = 0;
    std::uint64_t max_ = 0;
};

class Tally {
  public:
    explicit Tally(Clock::time_point begin) : last_ok_(begin) {}

    void succeeded(Clock::time_point now, Clock::duration latency, const std::string& version,
                   const std::string& instance);
    void failed(Failure failure) { ++failures_[static_cast<std::size_t>(failure)]; }
    void connected() { ++connections_; }
    void closed_idle() { ++closed_idle_; }
    // Adds the other's counts. Gaps are kept apart by groups: the merged one is that of the whole run,
    // so successes must be told to the total too.
    void merge_counts(const Tally& other);

    std::uint64_t ok() const { return ok_; }
    std::uint64_t failures() const;
    std::uint64_t requests() const { return ok_ + failures(); }
    const std::map<std::string, std::uint64_t>& versions() const { return versions_; }
    const std::array<std::uint64_t, failure_kinds>& by_kind() const { return failures_; }
    const Histogram& latency() const { return latency_; }
    Clock::duration longest_gap(Clock::time_point now) const;
    // For the total, which only hears that something succeeded.
    void saw_success(Clock::time_point now);

    boost::json::object to_json(Clock::time_point now) const;

  private:
    std::uint64_t ok_ = 0;
    std::uint64_t connections_ = 0;
    std::uint64_t closed_idle_ = 0;
    std::array<std::uint64_t, failure_kinds> failures_{};
    std::map<std::string, std::uint64_t> versions_;
    std::map<std::string, std::uint64_t> instances_;
    Histogram latency_;
    Clock::time_point last_ok_;
    Clock::duration longest_gap_{};
};

}  // namespace baton::load
