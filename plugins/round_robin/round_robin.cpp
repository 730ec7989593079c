// Smooth weighted round robin, nginx's. Each round every endpoint's current weight grows by its effective
// weight; the largest wins (the first on ties) and loses the sum: 5,1,1 gives a a b a c a a. A failure takes
// weight / max_fails from the effective weight, which comes back by 1 a round.
//
// While no endpoint has failed and nothing changes, the picks repeat after sum / gcd rounds. They are written
// down as they are made; if the current weights are then what they were at the beginning, a pick is a look at
// what was written. Whatever disturbs that, the current weights are worked out from it, exactly.
//
// Weights are in thousandths, so that an endpoint that starts slowly can have less than 1.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "baton/roster.hpp"

namespace {

using namespace baton::sdk;

// The longest repetition that is remembered: 32 KiB a state.
constexpr std::uint64_t longest_cycle = 16'384;
// Each worker begins so many picks later than the one before it; more than this are not worth their time.
constexpr std::uint32_t most_skipped = 1'024;

struct RoundRobin {
    static constexpr const char* name = "round_robin";
    static constexpr const char* description = "smooth weighted round robin; who fails gets less until it has recovered";
    class State;
};

class RoundRobin::State {
  public:
    State(const RoundRobin&, const Pool& pool, const State* previous) : roster_(pool), turns_(pool.size()) {
        for (std::uint32_t i = 0; i < pool.size(); ++i) turns_[i].max_fails = pool[i].max_fails;
        cycle_.reserve(longest_cycle);
        if (previous != nullptr) {
            carry(*previous);
        } else {
            begin_elsewhere(pool.worker());
        }
        if (penalised_ == 0) record();
    }

    std::uint32_t pick(const baton_request& request) {
        if (roster_.refresh()) disturb();
        if (request.tried != nullptr) return pick_again(request);
        if (mode_ == Mode::repeating) {
            const std::uint32_t best = cycle_[position_];
            if (++position_ == cycle_.size()) position_ = 0;
            return best;
        }
        const std::uint32_t best = round([this](std::uint32_t i) { return roster_.weights()[i]; });
        if (mode_ == Mode::recording) {
            write_down(best);
        } else if (disturbed_ && penalised_ == 0) {
            record();
        }
        return best;
    }

    void result(const baton_outcome& outcome) {
        Turn& turn = turns_[outcome.index];
        const std::uint32_t weight = roster_.configured(outcome.index);
        if (outcome.kind == BATON_OK || turn.max_fails == 0 || weight == 0) return;
        const std::uint32_t loss = weight / turn.max_fails;
        if (loss == 0) return;
        disturb();
        if (turn.penalty == 0) ++penalised_;
        turn.penalty = std::min(weight, turn.penalty + loss);
    }

  private:
    enum class Mode : std::uint8_t { plain, recording, repeating };

    struct Turn {
        std::int64_t current = 0;
        std::int64_t began = 0;     // the current weight at the beginning of what is written
        std::uint32_t growth = 0;   // the weight by which that was written; 0: it did not take part
        std::uint32_t penalty = 0;  // in whole weights: what failures took and rounds have not given back
        std::uint32_t max_fails = 1;
    };

    // One round among those whose weight is not 0.
    template <class Weight>
    std::uint32_t round(Weight weight_of) {
        std::int64_t total = 0;
        std::uint32_t best = none;
        for (std::uint32_t i = 0; i < turns_.size(); ++i) {
            const std::int64_t weight = weight_of(i);
            if (weight == 0) continue;
            Turn& turn = turns_[i];
            const std::int64_t effective = turn.penalty == 0 ? weight : recover(i, weight);
            turn.current += effective;
            total += effective;
            if (best == none || turn.current > turns_[best].current) best = i;
        }
        if (best != none) turns_[best].current -= total;
        return best;
    }

    // What it has this round; from the next one on it has 1 more.
    std::int64_t recover(std::uint32_t i, std::int64_t weight) {
        Turn& turn = turns_[i];
        const std::int64_t configured = roster_.configured(i);
        const std::int64_t effective = weight * (configured - turn.penalty) / configured;
        if (--turn.penalty == 0) --penalised_;
        return effective;
    }

    // The request was tried elsewhere already.
    std::uint32_t pick_again(const baton_request& request) {
        disturb();
        const bool backups = roster_.backups_for(request);
        return round([&](std::uint32_t i) { return roster_.weight_for(request, backups, i); });
    }

    // From here on picks are written down, if they will repeat soon enough.
    void record() {
        mode_ = Mode::plain;
        disturbed_ = false;
        if (roster_.list().empty()) return;
        std::uint64_t sum = 0;
        std::uint64_t divisor = 0;
        for (const std::uint32_t weight : roster_.weights()) {
            sum += weight;
            divisor = std::gcd(divisor, static_cast<std::uint64_t>(weight));
        }
        if (sum / divisor > longest_cycle) return;
        for (std::uint32_t i = 0; i < turns_.size(); ++i) {
            turns_[i].began = turns_[i].current;
            turns_[i].growth = roster_.weights()[i];
        }
        cycle_.clear();
        length_ = sum / divisor;
        sum_ = static_cast<std::int64_t>(sum);
        mode_ = Mode::recording;
    }

    void write_down(std::uint32_t best) {
        cycle_.push_back(static_cast<std::uint16_t>(best));
        if (cycle_.size() < length_) return;
        const bool same = std::all_of(turns_.begin(), turns_.end(), [](const Turn& turn) { return turn.current == turn.began; });
        if (!same) return record();
        mode_ = Mode::repeating;
        position_ = 0;
    }

    // Where `turn` stands, without the rounds that it won.
    std::int64_t grown(const Turn& turn) const {
        return turn.began + static_cast<std::int64_t>(position_) * turn.growth;
    }

    // Rounds are made one by one again, from where the repetition is.
    void disturb() {
        if (mode_ == Mode::repeating) {
            for (Turn& turn : turns_) turn.current = grown(turn);
            for (std::size_t k = 0; k < position_; ++k) turns_[cycle_[k]].current -= sum_;
        }
        mode_ = Mode::plain;
        disturbed_ = true;
    }

    void carry(const State& previous) {
        std::vector<std::int64_t> currents;
        currents.reserve(previous.turns_.size());
        const bool repeating = previous.mode_ == Mode::repeating;
        for (const Turn& turn : previous.turns_) currents.push_back(repeating ? previous.grown(turn) : turn.current);
        for (std::size_t k = 0; repeating && k < previous.position_; ++k) currents[previous.cycle_[k]] -= previous.sum_;

        const std::vector<std::uint32_t> places = roster_.places_in(previous.roster_);
        for (std::uint32_t i = 0; i < turns_.size(); ++i) {
            if (places[i] == none) continue;
            turns_[i].current = currents[places[i]];
            turns_[i].penalty = std::min(previous.turns_[places[i]].penalty, roster_.configured(i));
            if (turns_[i].penalty > 0) ++penalised_;
        }
        disturbed_ = penalised_ > 0;
    }

    void begin_elsewhere(std::uint32_t worker) {
        std::uint64_t sum = 0;
        for (std::uint32_t i = 0; i < roster_.size(); ++i) sum += roster_.configured(i);
        if (sum == 0) return;
        const std::uint64_t skipped = std::min<std::uint64_t>(worker % sum, most_skipped);
        for (std::uint64_t i = 0; i < skipped; ++i) round([this](std::uint32_t k) { return roster_.weights()[k]; });
    }

    Roster roster_;
    std::vector<Turn> turns_;
    std::uint32_t penalised_ = 0;  // endpoints with a penalty
    Mode mode_ = Mode::plain;
    bool disturbed_ = false;       // it is worth while to begin writing down once nobody has a penalty
    std::vector<std::uint16_t> cycle_;
    std::size_t position_ = 0;
    std::uint64_t length_ = 0;
    std::int64_t sum_ = 0;
};

}  // namespace

BATON_STRATEGIES("round_robin", "1.0", "smooth weighted round robin", RoundRobin)
