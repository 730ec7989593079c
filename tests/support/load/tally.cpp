#include "tally.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include <boost/describe/enum_to_string.hpp>

namespace baton::load {
namespace json = boost::json;

const char* name_of(Failure failure) {
    return boost::describe::enum_to_string(failure, "other");
}

void Histogram::add(std::uint64_t micros) {
    max_ = std::max(max_, micros);
    ++total_;
    if (micros < 32) {
        ++counts_[micros];
        return;
    }
    // The position of the highest bit names the octave, the five bits below it the place in it.
    const auto octave = static_cast<std::size_t>(std::bit_width(micros)) - 6;
    ++counts_[(octave + 1) * 32 + ((micros >> octave) & 31)];
}

void Histogram::merge(const Histogram& other) {
    for (std::size_t index = 0; index < buckets; ++index) counts_[index] += other.counts_[index];
    total_ += other.total_;
    max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::percentile(double share) const {
    if (total_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total_)));
    std::uint64_t seen = 0;
    for (std::size_t index = 0; index < buckets; ++index) {
        seen += counts_[index];
        if (seen < wanted) continue;
        if (index < 32) return index;
        const std::size_t octave = index / 32 - 1;
        return std::min<std::uint64_t>(((32 + index % 32 + 1) << octave) - 1, max_);
    }
    return max_;
}

void Tally::succeeded(Clock::time_point now, Clock::duration latency, const std::string& version,
                      const std::string& instance) {
    ++ok_;
    if (!version.empty()) ++versions_[version];
    if (!instance.empty()) ++instances_[instance];
    latency_.add(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(latency).count()));
    saw_success(now);
}

void Tally::saw_success(Clock::time_point now) {
    longest_gap_ = longest_gap(now);
    last_ok_ = now;
}

Clock::duration Tally::longest_gap(Clock::time_point now) const {
    return std::max(longest_gap_, now - last_ok_);
}

std::uint64_t Tally::failures() const {
    return std::accumulate(failures_.begin(), failures_.end(), std::uint64_t{0});
}

void Tally::merge_counts(const Tally& other) {
    ok_ += other.ok_;
    connections_ += other.connections_;
    closed_idle_ += other.closed_idle_;
    for (std::size_t kind = 0; kind < failure_kinds; ++kind) failures_[kind] += other.failures_[kind];
    for (const auto& [version, count] : other.versions_) versions_[version] += count;
    for (const auto& [instance, count] : other.instances_) instances_[instance] += count;
    latency_.merge(other.latency_);
}

json::object Tally::to_json(Clock::time_point now) const {
    json::object failures;
    for (std::size_t kind = 0; kind < failure_kinds; ++kind)
        failures[name_of(static_cast<Failure>(kind))] = failures_[kind];
    json::object versions(versions_.begin(), versions_.end());
    json::object instances(instances_.begin(), instances_.end());
    json::object all;
    all["requests"] = requests();
    all["ok"] = ok_;
    all["failed"] = this->failures();
    all["failures"] = std::move(failures);
    all["versions"] = std::move(versions);
    all["instances"] = std::move(instances);
    all["connections"] = connections_;
    all["closed_idle"] = closed_idle_;
    all["latency_us"] = {{"p50", latency_.percentile(0.5)}, {"p99", latency_.percentile(0.99)}, {"max", latency_.max()}};
    all["longest_gap_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(longest_gap(now)).count();
    return all;
}

}  // namespace baton::load
