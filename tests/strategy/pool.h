// Endpoints, live state and a balancer over them, as the data plane would hold them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "model/balancer.h"

namespace baton::test {

class TestPool {
  public:
    explicit TestPool(std::unique_ptr<model::Balancer> balancer) : balancer_(std::move(balancer)) {}

    static std::vector<model::Member> weighted(const std::vector<std::uint32_t>& weights) {
        std::vector<model::Member> members;
        for (const std::uint32_t weight : weights) {
            model::Member member;
            member.id = members.size() + 1;
            member.name = fmt::format("web/{}", members.size());
            member.address = {model::Family::inet4, "192.0.2.1", static_cast<std::uint16_t>(8000 + members.size())};
            member.weight = weight;
            members.push_back(member);
        }
        return members;
    }

    Result<void> try_assign(const std::vector<model::Member>& members, std::uint32_t worker = 0) {
        auto live = std::make_unique<model::LiveTable>(members.size());
        auto assigned = balancer_->assign(members, *live, now_us, 7, worker);
        if (assigned) live_ = std::move(live);
        return assigned;
    }
    void assign(const std::vector<model::Member>& members, std::uint32_t worker = 0) {
        const auto assigned = try_assign(members, worker);
        ASSERT_TRUE(assigned) << assigned.error().message();
    }

    std::uint32_t pick(const std::string& key = {}, std::vector<std::uint8_t> client = {}) {
        model::PickRequest request;
        request.now_us = now_us;
        request.key = {reinterpret_cast<const std::uint8_t*>(key.data()), key.size()};
        request.client = client;
        if (!tried.empty()) {
            request.attempt = 1;
            request.tried = tried.data();
        }
        return balancer_->pick(request);
    }
    // As letters; '-' is nobody.
    std::string picks(int count) {
        std::string text;
        for (int i = 0; i < count; ++i) {
            const std::uint32_t picked = pick();
            text += picked == model::nobody ? '-' : static_cast<char>('a' + picked);
        }
        return text;
    }
    void result(std::uint32_t index, model::OutcomeKind kind, std::uint32_t response_us = model::unknown_us) {
        balancer_->result({index, kind, model::unknown_us, response_us, now_us});
    }

    model::LiveTable& live() { return *live_; }
    model::Balancer& balancer() { return *balancer_; }

    std::int64_t now_us = 1'000'000;
    std::vector<std::uint64_t> tried;

  private:
    std::unique_ptr<model::LiveTable> live_ = std::make_unique<model::LiveTable>();
    std::unique_ptr<model::Balancer> balancer_;  // goes first: its state reads the table
};

}  // namespace baton::test
