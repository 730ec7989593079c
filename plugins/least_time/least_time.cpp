// The quicker of two: peak EWMA (as in Finagle). Each endpoint has a moving average of its response times that
// rises at once and falls with `decay`; of two at random, the one is taken whose
//   average * (connections + 1) / weight
// is less. The average falls also while nothing is measured, so that one that was slow is tried again. One that
// nobody has measured yet gets one request first, and more when that has been answered.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "baton/roster.hpp"

namespace {

using namespace baton::sdk;

// A failure counts as a response of at least this, in microseconds.
constexpr double failure_us = 1'000'000;
// What an endpoint costs that has a request and no measured response: more than any that has one.
constexpr double unmeasured_us = 1e12;

struct LeastTime {
    static constexpr const char* name = "least_time";
    static constexpr const char* description = "the quicker of two at random, by response time and connections (peak EWMA)";
    static constexpr std::array options{
        duration("decay", "10s", 1'000, 3'600'000'000, "how long a measured time is remembered: after it, it counts a third"),
    };
    explicit LeastTime(const Settings& settings) : decay_us(static_cast<double>(settings.microseconds("decay"))) {}
    double decay_us;
    class State;
};

class LeastTime::State {
  public:
    State(const LeastTime& strategy, const Pool& pool, const State* previous)
        : roster_(pool), random_(pool.seed()), decay_us_(strategy.decay_us), times_(pool.size()) {
        untried_.reserve(pool.size());
        if (previous == nullptr) return;
        const std::vector<std::uint32_t> places = roster_.places_in(previous->roster_);
        for (std::uint32_t i = 0; i < times_.size(); ++i) {
            if (places[i] != none) times_[i] = previous->times_[places[i]];
        }
    }

    std::uint32_t pick(const baton_request& request) {
        roster_.refresh();
        if (request.tried != nullptr) {
            gather_untried(request);
            return better_of(untried_, request.now_us);
        }
        return better_of(roster_.list(), request.now_us);
    }

    void result(const baton_outcome& outcome) {
        Time& time = times_[outcome.index];
        double measured = outcome.response_us != BATON_UNKNOWN ? outcome.response_us : outcome.connect_us;
        if (outcome.kind == BATON_OK && outcome.response_us == BATON_UNKNOWN && outcome.connect_us == BATON_UNKNOWN) return;
        if (outcome.kind != BATON_OK) measured = std::max(failure_us, time.average * 2);
        const double now = fallen(time, outcome.now_us);
        const double share = std::exp(-elapsed(time, outcome.now_us) / decay_us_);
        time.average = measured >= now ? measured : time.average * share + measured * (1 - share);
        time.at_us = outcome.now_us;
        time.measured = true;
    }

  private:
    struct Time {
        double average = 0;  // microseconds, when it was measured last
        std::uint64_t at_us = 0;
        bool measured = false;
    };

    static double elapsed(const Time& time, std::uint64_t now_us) {
        return now_us <= time.at_us ? 0 : static_cast<double>(now_us - time.at_us);
    }
    double fallen(const Time& time, std::uint64_t now_us) const { return time.average * std::exp(-elapsed(time, now_us) / decay_us_); }

    double cost(std::uint32_t i, std::uint64_t now_us) const {
        const Time& time = times_[i];
        const double active = roster_.active(i);
        if (!time.measured) return active == 0 ? 0 : unmeasured_us * active;
        return (fallen(time, now_us) + 1) * (active + 1) / roster_.live_weight(i);
    }

    std::uint32_t better_of(const std::vector<std::uint32_t>& list, std::uint64_t now_us) {
        const auto count = static_cast<std::uint32_t>(list.size());
        if (count == 0) return none;
        const std::uint32_t first = random_.below(count);
        if (count == 1) return list[0];
        const std::uint32_t second = (first + 1 + random_.below(count - 1)) % count;
        return cost(list[first], now_us) <= cost(list[second], now_us) ? list[first] : list[second];
    }

    void gather_untried(const baton_request& request) {
        untried_.clear();
        roster_.each_for(request, [this](std::uint32_t i, std::uint32_t) { untried_.push_back(i); });
    }

    Roster roster_;
    Random random_;
    double decay_us_;
    std::vector<Time> times_;
    std::vector<std::uint32_t> untried_;
};

}  // namespace

BATON_STRATEGIES("least_time", "1.0", "the quicker of two", LeastTime)
