// What one pick costs with each strategy that ships, as the data plane makes it: through model::Balancer, the C
// tables and the breadcrumb, while connections begin and end. Nanoseconds, and the ratio to a virtual call that
// does nothing; the quickest of many short rounds, since what else the machine does can only make one slower.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "strategy/balancer.h"

namespace {

using namespace baton;

constexpr int rounds = 100;
constexpr int picks = 5'000;
// Connections that are open at any time.
constexpr std::size_t open_connections = 256;

struct Nothing {
    virtual ~Nothing() = default;
    virtual std::uint32_t pick(const model::PickRequest& request) = 0;
};
struct First : Nothing {
    std::uint32_t pick(const model::PickRequest&) override { return 0; }
};

// The same around every pick: a key, an address, a connection that begins and one that ends.
class Load {
  public:
    explicit Load(std::size_t endpoints) : live_(endpoints), open_(open_connections, model::nobody) {
        for (int i = 0; i < 1024; ++i) keys_.push_back(fmt::format("192.0.2.{}", i));
    }
    model::LiveTable& live() { return live_; }

    template <class Picker>
    double ns_a_pick(Picker& picker) {
        double best = 0;
        for (int round = 0; round < rounds; ++round) {
            const auto begin = std::chrono::steady_clock::now();
            for (int k = 0; k < picks; ++k) once(picker);
            const double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() / picks;
            best = round == 0 ? ns : std::min(best, ns);
        }
        return best;
    }

  private:
    template <class Picker>
    void once(Picker& picker) {
        const std::string& key = keys_[next_ % keys_.size()];
        client_[2] = static_cast<std::uint8_t>(next_);
        model::PickRequest request;
        request.now_us = ++now_us_;
        request.key = {reinterpret_cast<const std::uint8_t*>(key.data()), key.size()};
        request.client = client_;
        const std::uint32_t picked = picker.pick(request);
        std::uint32_t& place = open_[next_++ % open_.size()];
        if (place != model::nobody) live_.finished(place);
        place = picked;
        live_.started(picked);
    }

    model::LiveTable live_;
    std::vector<std::uint32_t> open_;
    std::vector<std::string> keys_;
    std::array<std::uint8_t, 4> client_{192, 0, 2, 1};
    std::size_t next_ = 0;
    std::int64_t now_us_ = 1'000'000;
};

double around(std::size_t endpoints) {
    Load load(endpoints);
    First first;
    Nothing* volatile nothing = &first;  // so that the call stays one
    struct Through {
        Nothing* volatile& nothing;
        std::uint32_t pick(const model::PickRequest& request) { return nothing->pick(request); }
    } through{nothing};
    return load.ns_a_pick(through);
}

double cost(const std::string& strategy, const model::StrategyOptions& options, std::size_t endpoints, std::uint32_t most_weight) {
    auto image = strategy::read_image(fmt::format("{}/{}.so", BATON_PLUGINS, strategy));
    if (!image) throw std::runtime_error(image.error().message());
    auto plugin = strategy::Plugin::load(std::move(*image));
    if (!plugin) throw std::runtime_error(plugin.error().message());
    model::Breadcrumb crumb;
    auto balancer = strategy::make_balancer(std::move(*plugin), strategy, options, &crumb, {});
    if (!balancer) throw std::runtime_error(balancer.error().message());
    std::vector<model::Member> members;
    for (std::size_t i = 0; i < endpoints; ++i) {
        members.push_back({i + 1, fmt::format("web/{}", i), {model::Family::inet4, "192.0.2.1", 80},
                           static_cast<std::uint32_t>(1 + i % most_weight), false, false, static_cast<std::uint32_t>(i), 1});
    }
    Load load(endpoints);
    if (auto assigned = (*balancer)->assign(members, load.live(), 0, 7, 0); !assigned) throw std::runtime_error(assigned.error().message());
    for (std::uint32_t i = 0; i < endpoints; ++i) {
        const model::Outcome answered{i, model::OutcomeKind::ok, 100, 1'000 + i, 1'000'000};
        (*balancer)->result(answered);
    }
    return load.ns_a_pick(**balancer);
}

}  // namespace

int main() {
    const std::vector<std::pair<std::string, model::StrategyOptions>> all{
        {"round_robin", {}}, {"least_connections", {}}, {"random_two", {}}, {"ip_hash", {}},
        {"hash", {{"method", "ring"}}}, {"hash", {{"method", "maglev"}}}, {"hash", {{"method", "rendezvous"}}},
        {"hash", {{"method", "ring"}, {"bounded_load", "1.25"}}}, {"least_time", {}}, {"active_standby", {}}};
    const double of_10 = around(10);
    const double of_100 = around(100);
    std::printf("one pick: ns (times a virtual call), with the key, the address and the counting around it\n");
    std::printf("%-44s %16s %16s %16s\n", "", "10 endpoints", "100 endpoints", "100, weights 1-7");
    std::printf("%-44s %8.1f %7s %8.1f %7s\n", "a virtual call that does nothing", of_10, "", of_100, "");
    try {
        for (const auto& [strategy, options] : all) {
            std::string name = strategy;
            for (const auto& [option, value] : options) name += fmt::format(" {}={}", option, value);
            const double ten = cost(strategy, options, 10, 1);
            const double hundred = cost(strategy, options, 100, 1);
            const double weighted = cost(strategy, options, 100, 7);
            std::printf("%-44s %8.1f (%4.1f) %8.1f (%4.1f) %8.1f (%4.1f)\n", name.c_str(), ten, ten / of_10, hundred, hundred / of_100, weighted,
                        weighted / of_100);
        }
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "bench_strategies: %s\n", problem.what());
        return 1;
    }
    return 0;
}
