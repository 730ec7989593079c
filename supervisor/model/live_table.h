// What changes about endpoints between one pick and the next: who is usable, the share of its weight that
// counts now, and its open connections. Arrays by endpoint index, which strategies read in place.
//
// One thread, the worker's: it is written between calls of the strategy only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace baton::model {

class LiveTable {
  public:
    static constexpr std::uint32_t whole_share = 1000;

    LiveTable() = default;
    // All usable, with their whole weight and no connection.
    explicit LiveTable(std::size_t count) : usable_(count, 1), share_(count, whole_share), active_(count, 0) {}

    std::size_t size() const { return usable_.size(); }
    // Another number whenever a usable or a share has changed.
    const std::uint64_t& revision() const { return revision_; }
    const std::uint8_t* usable() const { return usable_.data(); }
    const std::uint32_t* share() const { return share_.data(); }
    const std::uint32_t* active() const { return active_.data(); }

    bool usable(std::size_t i) const { return usable_[i] != 0; }
    void set_usable(std::size_t i, bool usable) {
        if (this->usable(i) == usable) return;
        usable_[i] = usable ? 1 : 0;
        ++revision_;
    }
    // In thousandths of the weight, 1 to 1000.
    void set_share(std::size_t i, std::uint32_t share) {
        CHECK(share >= 1 && share <= whole_share);
        if (share_[i] == share) return;
        share_[i] = share;
        ++revision_;
    }
    // For an endpoint that had connections before it got this place.
    void set_active(std::size_t i, std::uint32_t active) { active_[i] = active; }
    void started(std::size_t i) { ++active_[i]; }
    void finished(std::size_t i) {
        CHECK(active_[i] > 0);
        --active_[i];
    }

  private:
    std::vector<std::uint8_t> usable_;
    std::vector<std::uint32_t> share_;
    std::vector<std::uint32_t> active_;
    std::uint64_t revision_ = 1;
};

}  // namespace baton::model
