// Passive health, nginx's rule: who failed `max_fails` times is not used until `fail_timeout` has passed; then
// one request finds out whether it works again. Who is the only endpoint is never taken out.
//
//            max_fails failures
//   usable ───────────────────────────────────▶ out ◀─────────────┐
//      ▲                                         │ fail_timeout   │ it fails, or has no result
//      │ the trial succeeds                      ▼ passes         │ within another fail_timeout
//      └──────────────────────────────── on trial: one pick ──────┘
//
// Where nobody is left, all are taken back at once, as nothing is gained by refusing everybody.
//
// Failures that are fewer are forgotten by a success, too, once fail_timeout has passed since the last of them.
//
// Times are milliseconds of a clock that only grows. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace baton::model {

struct PassiveRule {
    std::uint32_t max_fails = 1;  // 0: never taken out
    Millis fail_timeout = 10'000;
};

class PassiveHealth {
  public:
    struct Peer {
        std::uint64_t id = 0;
        PassiveRule rule;
    };

    // These are the endpoints now; those that stay, by id, keep what they have failed.
    void assign(const std::vector<Peer>& peers);

    std::size_t size() const { return peers_.size(); }
    bool usable(std::size_t i, Millis now) const;
    // It gets a request. False: from here on it is not usable, until this request has a result or fail_timeout
    // has passed once more.
    bool picked(std::size_t i, Millis now);
    // False: it is not usable any more.
    bool failed(std::size_t i, Millis now);
    // Everybody is usable again, and has failed nothing.
    void forgive();
    // True: it had failed, and is sound again.
    bool succeeded(std::size_t i);
    // When the first of those that are out may be tried again; `never` when nobody is out.
    Millis next_trial() const;

  private:
    struct State {
        std::uint64_t id = 0;
        PassiveRule rule;
        std::uint32_t fails = 0;
        Millis accessed = 0;  // when it failed last
        Millis checked = 0;   // when it failed last, or was last given a request as a trial
    };
    bool out(const State& peer, Millis now) const;

    std::vector<State> peers_;
};

}  // namespace baton::model
