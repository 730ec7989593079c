// Who may be picked at the moment, by the rules that are the same for all balancers: usable, not down, of a
// weight above 0, not tried for this request, and backups only when no other endpoint is left.
//
// It follows the host's live arrays by their revision: what is computed from them is made again only when
// something has changed, so that most picks look at nothing but what they need.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "baton/strategy.hpp"

namespace baton::sdk {

class Roster {
  public:
    explicit Roster(const Pool& pool) : live_(&pool.live()) {
        endpoints_.reserve(pool.size());
        for (std::uint32_t i = 0; i < pool.size(); ++i) {
            const bool down = (pool[i].flags & BATON_ENDPOINT_DOWN) != 0;
            endpoints_.push_back({pool[i].id, down ? 0 : pool[i].weight, (pool[i].flags & BATON_ENDPOINT_BACKUP) != 0});
        }
        weights_.resize(pool.size());
        list_.reserve(pool.size());
        compute();
    }

    std::uint32_t size() const { return static_cast<std::uint32_t>(endpoints_.size()); }
    std::uint64_t id(std::uint32_t i) const { return endpoints_[i].id; }
    bool backup(std::uint32_t i) const { return endpoints_[i].backup; }
    // Where the endpoint of this id is; none: it is not there.
    std::uint32_t find(std::uint64_t id) const {
        for (std::uint32_t i = 0; i < size(); ++i) {
            if (endpoints_[i].id == id) return i;
        }
        return none;
    }
    // For a State that goes on from another: where each endpoint was there; none: it is new.
    std::vector<std::uint32_t> places_in(const Roster& previous) const {
        std::unordered_map<std::uint64_t, std::uint32_t> known;
        for (std::uint32_t i = 0; i < previous.size(); ++i) known.emplace(previous.id(i), i);
        std::vector<std::uint32_t> places(size(), none);
        for (std::uint32_t i = 0; i < size(); ++i) {
            if (const auto found = known.find(id(i)); found != known.end()) places[i] = found->second;
        }
        return places;
    }
    // As configured; 0 when it is down.
    std::uint32_t configured(std::uint32_t i) const { return endpoints_[i].weight; }
    // In thousandths, whether it may be picked or not.
    std::uint32_t live_weight(std::uint32_t i) const { return endpoints_[i].weight * live_->share[i]; }
    std::uint32_t active(std::uint32_t i) const { return live_->active[i]; }

    // To be called first in every pick. True: something has changed since the last time.
    bool refresh() {
        if (live_->revision == revision_) return false;
        compute();
        return true;
    }

    // --- as of the last refresh(), for a request that was not tried anywhere ---
    // Those that may be picked, in order of their index.
    const std::vector<std::uint32_t>& list() const { return list_; }
    // Thousandths of a weight (it is less than the weight while an endpoint starts slowly); 0: not to be picked.
    const std::vector<std::uint32_t>& weights() const { return weights_; }
    bool on_backups() const { return on_backups_; }

    // --- for any request ---
    // Which of the two tiers it is served by: true for the backups. Looks at all endpoints when some were tried.
    bool backups_for(const baton_request& request) const {
        if (request.tried == nullptr) return on_backups_;
        for (std::uint32_t i = 0; i < size(); ++i) {
            if (!endpoints_[i].backup && available(i) && !tried(request, i)) return false;
        }
        return true;
    }
    // `backups`: what backups_for() said. In thousandths; 0: not to be picked.
    std::uint32_t weight_for(const baton_request& request, bool backups, std::uint32_t i) const {
        if (request.tried == nullptr) return weights_[i];
        if (endpoints_[i].backup != backups || !available(i) || tried(request, i)) return 0;
        return endpoints_[i].weight * live_->share[i];
    }
    // body(index, weight) for each that may be picked, in order of the index.
    template <class Body>
    void each_for(const baton_request& request, Body&& body) const {
        const bool backups = backups_for(request);
        for (std::uint32_t i = 0; i < size(); ++i) {
            if (const std::uint32_t weight = weight_for(request, backups, i); weight != 0) body(i, weight);
        }
    }

  private:
    struct Endpoint {
        std::uint64_t id;
        std::uint32_t weight;
        bool backup;
    };
    bool available(std::uint32_t i) const {
        return live_->usable[i] != 0 && endpoints_[i].weight != 0 && live_->share[i] != 0;
    }
    // No memory is taken: the list has room for all.
    void compute() {
        revision_ = live_->revision;
        on_backups_ = true;
        for (std::uint32_t i = 0; i < size(); ++i) {
            if (!endpoints_[i].backup && available(i)) on_backups_ = false;
        }
        list_.clear();
        for (std::uint32_t i = 0; i < size(); ++i) {
            const bool in = endpoints_[i].backup == on_backups_ && available(i);
            weights_[i] = in ? endpoints_[i].weight * live_->share[i] : 0;
            if (in) list_.push_back(i);
        }
    }

    const baton_live* live_;
    std::vector<Endpoint> endpoints_;
    std::vector<std::uint32_t> weights_;
    std::vector<std::uint32_t> list_;
    std::uint64_t revision_ = 0;
    bool on_backups_ = false;
};

}  // namespace baton::sdk
