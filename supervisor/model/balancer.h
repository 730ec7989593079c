// What the data plane picks endpoints through. A strategy, plugin or built in, stands behind it; the data plane
// knows neither. It gets a BalancerSource from main and asks it by name.
//
// One thread: that of the worker. pick() and result() take no memory and no lock; with a strategy that keeps
// to its contract they cost tens of nanoseconds.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/address.h"
#include "model/live_table.h"

namespace baton::model {

inline constexpr std::uint32_t nobody = UINT32_MAX;

// An endpoint, as strategies see it.
struct Member {
    std::uint64_t id = 0;  // this very instance
    std::string name;      // its seat: the same after a restart
    Address address;
    std::uint32_t weight = 1;
    bool backup = false;
    bool down = false;
    std::uint32_t priority = 0;
    std::uint32_t max_fails = 1;
};

// What a request is picked for. Pointers are valid for the call.
struct PickRequest {
    std::int64_t now_us = 0;  // monotonic
    // What the user balances by; without a key one at random is taken. Only if the balancer uses_key().
    std::span<const std::uint8_t> key;
    // Only if the balancer uses_client(): 4 or 16 bytes in network order.
    std::span<const std::uint8_t> client;
    std::uint32_t attempt = 0;
    // A bit for each endpoint that was tried in vain, so many words as the endpoints need; null at attempt 0.
    const std::uint64_t* tried = nullptr;
};

enum class OutcomeKind : std::uint8_t { ok, connect_failed, failed };
inline constexpr std::uint32_t unknown_us = UINT32_MAX;

struct Outcome {
    std::uint32_t index = 0;
    OutcomeKind kind = OutcomeKind::ok;
    std::uint32_t connect_us = unknown_us;   // unknown: an open connection was used
    std::uint32_t response_us = unknown_us;  // from the pick to the first byte
    std::int64_t now_us = 0;
};

// Which plugin is being called, in memory that outlives the process: who finds it not 0 after a crash or a
// hang knows whose code it was. It is the plugin's fingerprint (strategy::Image) and, in its lowest bits, a
// PluginCall.
struct Breadcrumb {
    std::atomic<std::uint64_t> plugin{0};
    std::atomic<std::uint64_t> calls{0};  // so far: many short ones look like a long one otherwise
};
enum class PluginCall : std::uint8_t { none, create, build, pick, result, release, destroy, load };
inline constexpr std::uint64_t breadcrumb_call_mask = 7;

class Balancer {
  public:
    Balancer() = default;
    virtual ~Balancer() = default;
    Balancer(const Balancer&) = delete;
    Balancer& operator=(const Balancer&) = delete;

    // From here on these are picked from; what those that stay have gathered is kept, by their ids. `live` has
    // an entry for each in the same order, and stays until this object is gone or a later assign() has returned. On an error it goes
    // on with the old ones. `seed`: for random numbers. `worker`: so that workers do not begin with the same.
    virtual Result<void> assign(std::span<const Member> members, const LiveTable& live, std::int64_t now_us, std::uint64_t seed,
                                std::uint32_t worker) = 0;
    // An index that may be picked: usable, not tried, of a weight above 0; or nobody.
    virtual std::uint32_t pick(const PickRequest& request) = 0;
    // Once for each pick whose endpoint is still there.
    virtual void result(const Outcome& outcome) = 0;

    virtual bool uses_key() const = 0;
    virtual bool uses_client() const = 0;
    // Picks that were no endpoint or one that may not be picked; another one was taken then.
    virtual std::uint64_t faults() const = 0;
    // "round_robin 1.0", and where from.
    virtual const std::string& origin() const = 0;
};

// Options as the user wrote them.
using StrategyOptions = std::map<std::string, std::string>;

class BalancerSource {
  public:
    BalancerSource() = default;
    virtual ~BalancerSource() = default;
    BalancerSource(const BalancerSource&) = delete;
    BalancerSource& operator=(const BalancerSource&) = delete;

    // An error for a strategy that there is not, options it does not take, or one that does not want to.
    virtual Result<std::unique_ptr<Balancer>> create(std::string_view strategy, const StrategyOptions& options) = 0;
    // Another number than before when create() would use other code for this strategy than it did.
    virtual std::uint64_t origin_of(std::string_view strategy) const = 0;
};

}  // namespace baton::model
