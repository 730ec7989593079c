// A pool that is balanced by one of the strategies that ship.
#pragma once

#include <string>

#include "pool.h"
#include "samples.h"
#include "strategy/balancer.h"

namespace baton::test {

inline TestPool shipped_pool(const std::string& name, const model::StrategyOptions& options = {}) {
    auto made = strategy::make_balancer(load(shipped(name)), name, options, nullptr, {});
    EXPECT_TRUE(made) << made.error().message();
    return TestPool(std::move(*made));
}

}  // namespace baton::test
