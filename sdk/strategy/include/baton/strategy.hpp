// C++20 above baton/strategy.h: a strategy is a class, and one macro makes a plugin of any number of them.
//
//     struct FirstUsable {
//         static constexpr const char* name = "first_usable";
//         static constexpr const char* description = "the first endpoint that is usable";
//         class State {
//           public:
//             State(const FirstUsable&, const baton::sdk::Pool& pool, const State* previous);
//             std::uint32_t pick(const baton_request& request);
//             void result(const baton_outcome& outcome);  // only if wanted
//         };
//     };
//     BATON_STRATEGIES("first_usable", "1.0", "takes the first", FirstUsable)
//
// A scheduler has `void place(const Placement&)`, a failover strategy `void decide(const Failover&)`, instead
// of a State. `static constexpr std::array options{...}` names the options, which a constructor that takes
// `const Settings&` reads; `uses` (enum baton_uses) is what the host shall prepare. Threads and lifetimes are those of strategy.h: constructors of a strategy and its
// destructor [control], a State in the thread that picks by it.
//
// Exceptions stop here: a constructor's becomes the error the user reads; one from pick() counts as nobody
// found. std types stay within the plugin.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "baton/strategy.h"

namespace baton::sdk {

inline constexpr std::uint32_t none = BATON_NONE;

// --- options: what the schema says, and what the user gave ---

constexpr baton_option flag(const char* name, const char* by_default, const char* description) {
    return {name, by_default, nullptr, description, 0, 0, BATON_OPTION_BOOL, 0};
}
constexpr baton_option integer(const char* name, const char* by_default, double least, double most, const char* description) {
    return {name, by_default, nullptr, description, least, most, BATON_OPTION_INTEGER, 0};
}
constexpr baton_option number(const char* name, const char* by_default, double least, double most, const char* description) {
    return {name, by_default, nullptr, description, least, most, BATON_OPTION_NUMBER, 0};
}
// Both bounds in microseconds.
constexpr baton_option duration(const char* name, const char* by_default, double least, double most, const char* description) {
    return {name, by_default, nullptr, description, least, most, BATON_OPTION_DURATION, 0};
}
constexpr baton_option text(const char* name, const char* by_default, const char* description) {
    return {name, by_default, nullptr, description, 0, 0, BATON_OPTION_TEXT, 0};
}
// `choices`: "ring|maglev".
constexpr baton_option choice(const char* name, const char* by_default, const char* choices, const char* description) {
    return {name, by_default, choices, description, 0, 0, BATON_OPTION_CHOICE, 0};
}

class Settings {
  public:
    explicit Settings(const baton_settings& settings) : settings_(&settings), host_(settings.host) {}

    // Of an option of the schema; a name that is not in it is a mistake in the plugin and throws.
    bool flag(std::string_view name) const { return find(name).integer != 0; }
    std::int64_t integer(std::string_view name) const { return find(name).integer; }
    double number(std::string_view name) const { return find(name).number; }
    std::int64_t microseconds(std::string_view name) const { return find(name).integer; }
    // Valid for the constructor's call.
    std::string_view text(std::string_view name) const {
        const char* words = find(name).text;
        return words == nullptr ? std::string_view() : std::string_view(words);
    }
    bool given(std::string_view name) const { return find(name).given != 0; }

    // Valid as long as the strategy is.
    const baton_host& host() const { return *host_; }

  private:
    const baton_option_value& find(std::string_view name) const {
        const char* at = reinterpret_cast<const char*>(settings_->options);
        for (std::uint32_t i = 0; i < settings_->option_count; ++i, at += settings_->option_size) {
            const auto* value = reinterpret_cast<const baton_option_value*>(at);
            if (name == value->name) return *value;
        }
        throw std::logic_error("asks for the option '" + std::string(name) + "', which its schema does not have");
    }
    const baton_settings* settings_;
    const baton_host* host_;
};

// Not from pick() and result().
inline void log(const baton_host& host, baton_log_level level, std::string_view words) {
    host.log(host.context, static_cast<std::uint32_t>(level), words.data(), words.size());
}

// --- arrays whose entries may be larger than we know ---

template <class T>
class Strided {
  public:
    Strided(const T* first, std::uint32_t count, std::uint32_t distance)
        : first_(reinterpret_cast<const char*>(first)), count_(count), distance_(distance) {}
    const T& operator[](std::uint32_t i) const {
        return *reinterpret_cast<const T*>(first_ + static_cast<std::size_t>(i) * distance_);
    }
    std::uint32_t size() const { return count_; }

  private:
    const char* first_;
    std::uint32_t count_;
    std::uint32_t distance_;
};

// The endpoints a State is built for. Copied by nobody: what a State keeps, it copies itself; live() stays.
class Pool {
  public:
    explicit Pool(const baton_pool& pool) : pool_(&pool) {}
    std::uint32_t size() const { return pool_->count; }
    const baton_endpoint& operator[](std::uint32_t i) const {
        return Strided<baton_endpoint>(pool_->endpoints, pool_->count, pool_->endpoint_size)[i];
    }
    const baton_live& live() const { return *pool_->live; }  // valid as long as the State
    std::uint32_t worker() const { return pool_->worker; }
    std::uint64_t now_us() const { return pool_->now_us; }
    std::uint64_t seed() const { return pool_->seed; }

  private:
    const baton_pool* pool_;
};

// Random numbers from the host's seed: SplitMix64 (Steele, Lea, Flood 2014).
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() { return baton_mix(state_ += 0x9e3779b97f4a7c15U); }
    // Below `bound`, which is not 0.
    std::uint32_t below(std::uint32_t bound) {
        return static_cast<std::uint32_t>(((next() >> 32U) * bound) >> 32U);
    }

  private:
    std::uint64_t state_;
};

// Whether this request was given to the endpoint already, in vain.
inline bool tried(const baton_request& request, std::uint32_t index) {
    return request.tried != nullptr && (request.tried[index / 64] >> (index % 64) & 1U) != 0;
}

// --- decisions with reasons ---

// Words into the host's room; returns where they begin. The room's end cuts them.
inline std::uint32_t add_reason(baton_text& room, std::initializer_list<std::string_view> words) {
    const std::uint32_t from = room.size;
    for (const std::string_view word : words) {
        const std::size_t taken = std::min<std::size_t>(word.size(), room.capacity - room.size);
        if (taken > 0) std::memcpy(room.data + room.size, word.data(), taken);
        room.size += static_cast<std::uint32_t>(taken);
    }
    return from;
}

class Placement {
  public:
    Placement(const baton_placement_view& view, baton_placement_decision& decision) : view_(&view), decision_(&decision) {}
    const baton_placement_view& view() const { return *view_; }
    Strided<baton_node> nodes() const { return {view_->nodes, view_->node_count, view_->node_size}; }
    // The next instance goes there; `node` none: it has no place.
    void place(std::uint32_t node, std::initializer_list<std::string_view> reason) const {
        if (decision_->count == decision_->capacity) return;
        const std::uint32_t from = add_reason(decision_->reasons, reason);
        decision_->placements[decision_->count++] = {node, from, decision_->reasons.size - from, 0};
    }

  private:
    const baton_placement_view* view_;
    baton_placement_decision* decision_;
};

class Failover {
  public:
    Failover(const baton_failover_view& view, baton_failover_decision& decision) : view_(&view), decision_(&decision) {}
    const baton_failover_view& view() const { return *view_; }
    Strided<baton_member> members() const { return {view_->members, view_->member_count, view_->member_size}; }
    void step(baton_failover_kind kind, std::uint32_t member, std::initializer_list<std::string_view> reason) const {
        if (decision_->count == decision_->capacity) return;
        const std::uint32_t from = add_reason(decision_->reasons, reason);
        decision_->steps[decision_->count++] = {static_cast<std::uint32_t>(kind), member, from, decision_->reasons.size - from};
    }
    // Nothing is done, and why.
    void wait(std::uint64_t ask_again_us, std::initializer_list<std::string_view> reason) const {
        decision_->ask_again_us = ask_again_us;
        add_reason(decision_->reasons, reason);
    }

  private:
    const baton_failover_view* view_;
    baton_failover_decision* decision_;
};

// --- from classes to tables ---

template <class T>
concept TakesSettings = std::constructible_from<T, const Settings&>;
template <class T>
concept IsStrategy = (TakesSettings<T> || std::default_initializable<T>) && requires {
    { T::name } -> std::convertible_to<const char*>;
    { T::description } -> std::convertible_to<const char*>;
};
template <class T>
concept IsBalancer = IsStrategy<T> && std::constructible_from<typename T::State, T&, const Pool&, const typename T::State*> &&
                     requires(typename T::State& state, const baton_request& request) {
                         { state.pick(request) } -> std::convertible_to<std::uint32_t>;
                     };
template <class T>
concept IsScheduler = IsStrategy<T> && requires(T& scheduler, const Placement& placement) { scheduler.place(placement); };
template <class T>
concept IsFailover = IsStrategy<T> && requires(T& failover, const Failover& members) { failover.decide(members); };

namespace detail {

// Runs `body`; an exception becomes words in `error`, and null.
template <class Body>
void* guarded(baton_text* error, Body&& body) noexcept {
    try {
        return body();
    } catch (const std::exception& problem) {
        baton_text_add(error, problem.what());
    } catch (...) {
        baton_text_add(error, "an exception of an unknown type");
    }
    return nullptr;
}

template <class T>
void* create(const baton_settings* settings, baton_text* error) {
    return guarded(error, [&]() -> void* {
        if constexpr (TakesSettings<T>) return new T(Settings(*settings));
        else return new T();
    });
}
template <class T>
void destroy(void* object) {
    delete static_cast<T*>(object);
}

template <class T>
void* build(void* balancer, const baton_pool* pool, const void* previous, baton_text* error) {
    using State = typename T::State;
    return guarded(error, [&]() -> void* {
        return new State(*static_cast<T*>(balancer), Pool(*pool), static_cast<const State*>(previous));
    });
}
template <class T>
std::uint32_t pick(void* state, const baton_request* request) {
    try {
        return static_cast<typename T::State*>(state)->pick(*request);
    } catch (...) {
        return BATON_NONE;
    }
}
template <class T>
void result(void* state, const baton_outcome* outcome) {
    try {
        static_cast<typename T::State*>(state)->result(*outcome);
    } catch (...) {
        return;  // what it would have learned is lost
    }
}
template <class T>
void place(void* scheduler, const baton_placement_view* view, baton_placement_decision* decision) {
    try {
        static_cast<T*>(scheduler)->place(Placement(*view, *decision));
    } catch (...) {
        decision->count = 0;
        baton_text_add(&decision->reasons, "the strategy threw an exception");
    }
}
template <class T>
void decide(void* failover, const baton_failover_view* view, baton_failover_decision* decision) {
    try {
        static_cast<T*>(failover)->decide(Failover(*view, *decision));
    } catch (...) {
        decision->count = 0;
        baton_text_add(&decision->reasons, "the strategy threw an exception");
    }
}

template <class T>
constexpr std::uint32_t uses() {
    if constexpr (requires { T::uses; }) return T::uses;
    return 0;
}
template <class T>
constexpr auto result_function() -> void (*)(void*, const baton_outcome*) {
    if constexpr (requires(typename T::State& state, const baton_outcome& outcome) { state.result(outcome); }) return &result<T>;
    return nullptr;
}

template <class T>
inline constexpr baton_balancer balancer_table{sizeof(baton_balancer), uses<T>(), &create<T>, &destroy<T>, &build<T>,
                                               &destroy<typename T::State>, &pick<T>, result_function<T>()};
template <class T>
inline constexpr baton_scheduler scheduler_table{sizeof(baton_scheduler), 0, &create<T>, &destroy<T>, &place<T>};
template <class T>
inline constexpr baton_failover failover_table{sizeof(baton_failover), 0, &create<T>, &destroy<T>, &decide<T>};

template <class T>
constexpr baton_factory factory() {
    static_assert(IsBalancer<T> || IsScheduler<T> || IsFailover<T>,
                  "a strategy has a State with pick(), or place(), or decide(); see baton/strategy.hpp");
    baton_factory made{nullptr, T::name, T::description, nullptr, nullptr, 0, sizeof(baton_option)};
    if constexpr (IsBalancer<T>) {
        made.kind = BATON_KIND_BALANCER;
        made.table = &balancer_table<T>;
    } else if constexpr (IsScheduler<T>) {
        made.kind = BATON_KIND_SCHEDULER;
        made.table = &scheduler_table<T>;
    } else {
        made.kind = BATON_KIND_FAILOVER;
        made.table = &failover_table<T>;
    }
    if constexpr (requires { T::options; }) {
        static_assert(TakesSettings<T>, "a strategy with options has a constructor that takes const Settings&");
        made.options = T::options.data();
        made.option_count = static_cast<std::uint32_t>(T::options.size());
    }
    return made;
}

template <class... Strategies>
inline constexpr std::array<baton_factory, sizeof...(Strategies)> factories{factory<Strategies>()...};

}  // namespace detail
}  // namespace baton::sdk

// The plugin's one symbol: its name, version and description, then the classes. At the file's end, outside of
// any namespace.
#define BATON_STRATEGIES(plugin_name, plugin_version, plugin_description, ...)                                    \
    extern "C" {                                                                                                  \
    constinit const baton_strategy_descriptor BATON_STRATEGY_SYMBOL = {                                           \
        BATON_STRATEGY_HEAD,                                                                                      \
        plugin_name,                                                                                              \
        plugin_version,                                                                                           \
        plugin_description,                                                                                       \
        BATON_STRATEGY_BUILD,                                                                                     \
        baton::sdk::detail::factories<__VA_ARGS__>.data(),                                                        \
        static_cast<std::uint32_t>(baton::sdk::detail::factories<__VA_ARGS__>.size()),                            \
        sizeof(baton_factory)};                                                                                   \
    }
