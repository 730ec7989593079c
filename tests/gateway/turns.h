// The strategy of these tests: everybody in turn. What a gateway asks of a strategy is all there.
#pragma once

#include <string>
#include <vector>

#include "model/balancer.h"

namespace baton::gateway {

class Turns final : public model::Balancer {
  public:
    Result<void> assign(std::span<const model::Member> members, const model::LiveTable& live, std::int64_t, std::uint64_t, std::uint32_t worker) override {
        members_.assign(members.begin(), members.end());
        live_ = &live;
        if (next_ == SIZE_MAX) next_ = worker;
        return {};
    }
    std::uint32_t pick(const model::PickRequest& request) override {
        for (std::size_t i = 0; i < members_.size(); ++i) {
            const auto index = static_cast<std::uint32_t>(next_++ % members_.size());
            const bool tried = request.tried != nullptr && (request.tried[index / 64] >> (index % 64) & 1U) != 0;
            if (!tried && live_->usable(index) && members_[index].weight > 0 && !members_[index].down) return index;
        }
        return model::nobody;
    }
    void result(const model::Outcome& outcome) override { outcomes.push_back(outcome.kind); }
    bool uses_key() const override { return false; }
    bool uses_client() const override { return false; }
    std::uint64_t faults() const override { return 0; }
    const std::string& origin() const override { return origin_; }

    std::vector<model::OutcomeKind> outcomes;

  private:
    std::vector<model::Member> members_;
    const model::LiveTable* live_ = nullptr;
    std::size_t next_ = SIZE_MAX;
    std::string origin_ = "turns";
};

class TurnsSource final : public model::BalancerSource {
  public:
    Result<std::unique_ptr<model::Balancer>> create(std::string_view, const model::StrategyOptions&) override {
        return std::unique_ptr<model::Balancer>(std::make_unique<Turns>());
    }
    std::uint64_t origin_of(std::string_view) const override { return origin; }

    std::uint64_t origin = 0;
};

}  // namespace baton::gateway
