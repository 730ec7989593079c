// A balancer to begin with: copy this folder, give it a name of your own, and change pick().
// docs/writing-a-strategy.md goes through it line by line.
#include <cstdint>

#include "baton/roster.hpp"

namespace {

using baton::sdk::none;

struct MyStrategy {
    static constexpr const char* name = "my_strategy";
    static constexpr const char* description = "takes one after the other";
    // What a user may set; Baton reads the configuration by it. Without options leave it out.
    static constexpr std::array options{
        baton::sdk::integer("stay", "1", 1, 1000, "so many requests in a row for the same endpoint"),
    };

    // Settings as the user wrote them. Throw, and the text of the exception is what the user reads.
    explicit MyStrategy(const baton::sdk::Settings& settings) : stay(static_cast<std::uint32_t>(settings.integer("stay"))) {}

    std::uint32_t stay;

    class State;
};

// What one worker picks by. Made anew when endpoints come, go or get other weights.
class MyStrategy::State {
  public:
    State(const MyStrategy& strategy, const baton::sdk::Pool& pool, const State* previous) : roster_(pool), stay_(strategy.stay) {
        if (previous == nullptr) {
            next_ = pool.worker();  // workers do not all begin with the same
        } else {
            next_ = previous->next_;
            left_ = previous->left_;
        }
    }

    // Who gets this request. No memory is taken here, nothing is waited for.
    std::uint32_t pick(const baton_request& request) {
        roster_.refresh();
        if (left_ == 0) {
            ++next_;
            left_ = stay_;
        }
        --left_;
        const bool backups = roster_.backups_for(request);
        for (std::uint32_t k = 0; k < roster_.size(); ++k) {
            const std::uint32_t i = (next_ + k) % roster_.size();
            if (roster_.weight_for(request, backups, i) != 0) return i;
        }
        return none;
    }

  private:
    baton::sdk::Roster roster_;
    std::uint32_t stay_;
    std::uint32_t next_ = 0;
    std::uint32_t left_ = 0;
};

}  // namespace

BATON_STRATEGIES("my_strategy", "0.1", "my first strategy", MyStrategy)
