// Two at random by their weights, of which the one with fewer connections for its weight is taken: nearly as
// even as looking at all of them, and workers that know nothing of each other do not all choose the same.
#include <cstdint>
#include <vector>

#include "baton/roster.hpp"

namespace {

using namespace baton::sdk;

struct RandomTwo {
    static constexpr const char* name = "random_two";
    static constexpr const char* description = "two at random by weight, of these the one with fewer connections";
    class State;
};

class RandomTwo::State {
  public:
    State(const RandomTwo&, const Pool& pool, const State*) : roster_(pool), random_(pool.seed()) {
        list_.reserve(pool.size());
        ends_.reserve(pool.size());
        guide_.reserve(pool.size());
        gather();
    }

    std::uint32_t pick(const baton_request& request) {
        const bool changed = roster_.refresh();
        if (request.tried != nullptr) {
            gather_untried(request);
        } else if (changed || partial_) {
            gather();
        }
        if (list_.empty()) return none;
        if (list_.size() == 1) return list_[0];
        const std::size_t first = draw();
        std::size_t second = draw();
        // Two different ones; after a few attempts (one has nearly all the weight) whoever is beside it.
        for (int attempts = 0; second == first && attempts < 4; ++attempts) second = draw();
        if (second == first) second = (first + 1) % list_.size();
        return lighter(first, second) ? list_[first] : list_[second];
    }

  private:
    void add(std::uint32_t i, std::uint32_t weight) {
        list_.push_back(i);
        ends_.push_back((ends_.empty() ? 0 : ends_.back()) + weight);
    }
    void gather() {
        list_.clear();
        ends_.clear();
        for (const std::uint32_t i : roster_.list()) add(i, roster_.weights()[i]);
        partial_ = false;
        guide();
    }
    void gather_untried(const baton_request& request) {
        list_.clear();
        ends_.clear();
        roster_.each_for(request, [this](std::uint32_t i, std::uint32_t weight) { add(i, weight); });
        partial_ = true;
        guide();
    }
    // For each of so many equal pieces of the sum as there are endpoints, where a search in it begins.
    void guide() {
        guide_.clear();
        std::uint32_t place = 0;
        for (std::uint64_t piece = 0; piece < list_.size(); ++piece) {
            while (ends_[place] <= piece * ends_.back() / list_.size()) ++place;
            guide_.push_back(place);
        }
    }

    // A place in the list, by weight.
    std::size_t draw() {
        const std::uint64_t number = random_.next() >> 32U;
        const std::uint64_t point = number * ends_.back() >> 32U;
        std::size_t place = guide_[number * list_.size() >> 32U];
        while (ends_[place] <= point) ++place;
        return place;
    }
    std::uint64_t weight(std::size_t place) const { return ends_[place] - (place == 0 ? 0 : ends_[place - 1]); }
    bool lighter(std::size_t a, std::size_t b) const {
        const std::uint64_t of_a = std::uint64_t{roster_.active(list_[a])} + 1;
        const std::uint64_t of_b = std::uint64_t{roster_.active(list_[b])} + 1;
        return of_a * weight(b) <= of_b * weight(a);
    }

    Roster roster_;
    Random random_;
    std::vector<std::uint32_t> list_;
    std::vector<std::uint32_t> ends_;  // where the weight of each ends, in the sum; 4,096,000,000 fits
    std::vector<std::uint32_t> guide_;
    bool partial_ = false;             // the list leaves out who was tried
};

}  // namespace

BATON_STRATEGIES("random_two", "1.0", "the better of two at random", RandomTwo)
