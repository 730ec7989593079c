// A pool of endpoints to try a balancer on: what the plugin is given, and what it may answer.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <baton/strategy.h>

#include "base/result.h"
#include "model/balancer.h"

namespace baton::strategy {

// The balancer of one factory, with one set of options.
class Subject {
  public:
    // An error when the options do not fit or the plugin refuses them.
    static Result<Subject> create(const baton_factory& factory, const model::StrategyOptions& options);
    Subject(Subject&& other) noexcept;
    Subject& operator=(Subject&&) = delete;
    ~Subject();

    const baton_balancer& table() const { return *table_; }
    void* balancer() const { return balancer_; }

  private:
    Subject(const baton_balancer& table, void* balancer) : table_(&table), balancer_(balancer) {}
    const baton_balancer* table_;
    void* balancer_;
};

struct TrialEndpoint {
    std::uint64_t id = 0;
    std::uint32_t weight = 1;
    std::uint32_t flags = 0;
    std::uint32_t priority = 0;
    std::uint32_t max_fails = 1;
};

class Bench {
  public:
    Bench(const Subject& subject, std::vector<TrialEndpoint> endpoints);
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;
    ~Bench();

    // The state for its endpoints; those of `previous` are carried. An error is what the plugin says.
    Result<void> build(const Bench* previous);

    std::uint32_t size() const { return static_cast<std::uint32_t>(endpoints_.size()); }
    void set_usable(std::uint32_t i, bool usable);
    void set_share(std::uint32_t i, std::uint32_t share);
    std::vector<std::uint32_t>& active() { return active_; }
    void set_tried(std::uint32_t i, bool tried);
    void clear_tried();

    // Of client number `client`, whose key and address are made from it; 1 ms after the one before.
    std::uint32_t pick(std::uint64_t client);
    std::uint32_t pick_for(const std::array<std::uint8_t, 4>& address);
    void result(std::uint32_t index, std::uint32_t kind);

    // What is wrong with this answer; nothing when it is as it must be.
    std::optional<std::string> fault(std::uint32_t picked) const;
    bool may_pick(std::uint32_t i) const;

  private:
    bool left(bool backups) const;
    baton_request request(std::uint64_t client);

    const Subject& subject_;
    std::vector<TrialEndpoint> endpoints_;
    std::deque<std::string> names_;
    std::vector<std::array<std::uint8_t, 4>> addresses_;
    std::vector<baton_endpoint> raw_;
    std::vector<std::uint8_t> usable_;
    std::vector<std::uint32_t> share_;
    std::vector<std::uint32_t> active_;
    std::vector<std::uint64_t> tried_;
    bool any_tried_ = false;
    std::array<std::uint8_t, 8> key_{};
    std::array<std::uint8_t, 4> client_{};
    baton_live live_{};
    void* state_ = nullptr;
    std::uint64_t now_us_ = 1'000'000'000;
};

}  // namespace baton::strategy
