#include "strategy/conformance.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "strategy/bench.h"
#include "strategy/decisions.h"
#include "strategy/descriptor.h"
#include "strategy/vectors.h"

namespace baton::strategy {
namespace {

constexpr std::array trial_sizes{0U, 1U, 2U, 10U, 1000U};
// Random situations for each size, and picks in each.
constexpr int situations = 20;
constexpr int picks_each = 10;
constexpr int measured_picks = 10'000;

// Numbers that are the same in every check.
class Numbers {
  public:
    std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(baton_mix(++state_) % bound); }

  private:
    std::uint64_t state_ = 0;
};

std::vector<TrialEndpoint> plain(std::uint32_t count) {
    std::vector<TrialEndpoint> endpoints;
    for (std::uint32_t i = 0; i < count; ++i) endpoints.push_back({i + 1});
    return endpoints;
}

// Of all kinds: weights from 0, backups, some that are down.
std::vector<TrialEndpoint> mixed(std::uint32_t count, Numbers& numbers) {
    std::vector<TrialEndpoint> endpoints;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint32_t kind = numbers.below(10);
        const std::uint32_t flags = kind == 0 ? BATON_ENDPOINT_DOWN : kind <= 2 ? BATON_ENDPOINT_BACKUP : 0;
        endpoints.push_back({i + 1, numbers.below(4), flags, numbers.below(3), numbers.below(3)});
    }
    return endpoints;
}

class BalancerTrial {
  public:
    BalancerTrial(const Subject& subject, std::string label, const Findings& findings)
        : subject_(subject), label_(std::move(label)), findings_(findings) {}

    void run() {
        for (const std::uint32_t count : trial_sizes) {
            all_usable(count);
            any_situation(count);
        }
        changes();
    }
    std::optional<double> cost(std::uint32_t count);

  private:
    void step(std::string_view what, std::uint32_t count) { findings_.step(fmt::format("{}: {} with {} endpoints", label_, what, count)); }
    void problem(std::string_view what, std::uint32_t count) {
        findings_.problem(fmt::format("{}: with {} endpoints: {}", label_, count, what));
    }
    bool build(Bench& bench, const Bench* previous) {
        step("build()", bench.size());
        const auto built = bench.build(previous);
        if (!built) problem(built.error().message(), bench.size());
        return built.has_value();
    }
    // False: there is something wrong, and one is enough.
    bool pick_some(Bench& bench, int count, bool somebody);
    void all_usable(std::uint32_t count);
    void any_situation(std::uint32_t count);
    void changes();

    const Subject& subject_;
    std::string label_;
    const Findings& findings_;
    Numbers numbers_;
};

bool BalancerTrial::pick_some(Bench& bench, int count, bool somebody) {
    step("pick()", bench.size());
    for (int k = 0; k < count; ++k) {
        const std::uint32_t picked = bench.pick(numbers_.below(1'000'000));
        if (const auto fault = bench.fault(picked)) {
            problem(*fault, bench.size());
            return false;
        }
        if (picked == BATON_NONE && somebody) {
            problem("it picks nobody, and all are usable", bench.size());
            return false;
        }
        if (picked != BATON_NONE) ++bench.active()[picked];
    }
    step("result()", bench.size());
    for (std::uint32_t i = 0; i < bench.size(); ++i) bench.result(i, 1 + numbers_.below(3));
    return true;
}

void BalancerTrial::all_usable(std::uint32_t count) {
    Bench bench(subject_, plain(count));
    if (!build(bench, nullptr)) return;
    if (!pick_some(bench, situations * picks_each, count > 0)) return;
    for (std::uint32_t i = 0; i < count; ++i) bench.set_usable(i, false);
    step("pick() when nobody is usable", count);
    if (bench.pick(1) != BATON_NONE) problem("it picks somebody when nobody is usable", count);
}

void BalancerTrial::any_situation(std::uint32_t count) {
    Bench bench(subject_, mixed(count, numbers_));
    if (!build(bench, nullptr)) return;
    for (int k = 0; k < situations; ++k) {
        for (std::uint32_t i = 0; i < count; ++i) {
            bench.set_usable(i, numbers_.below(4) > 0);
            bench.set_share(i, 1 + numbers_.below(1000));
            bench.active()[i] = numbers_.below(20);
            bench.set_tried(i, k % 2 == 1 && numbers_.below(3) == 0);
        }
        if (!pick_some(bench, picks_each, false)) return;
        bench.clear_tried();
    }
}

// Endpoints come, go, change their places and weights, as they do in life.
void BalancerTrial::changes() {
    auto bench = std::make_unique<Bench>(subject_, plain(10));
    if (!build(*bench, nullptr)) return;
    for (const std::uint32_t count : {10U, 3U, 0U, 12U, 12U, 200U, 1U}) {
        if (!pick_some(*bench, 3 * picks_each, bench->size() > 0)) return;
        auto endpoints = plain(count);
        std::reverse(endpoints.begin(), endpoints.end());
        for (TrialEndpoint& endpoint : endpoints) endpoint.weight = 1 + numbers_.below(4);
        auto next = std::make_unique<Bench>(subject_, std::move(endpoints));
        if (!build(*next, bench.get())) return;
        step("release()", bench->size());
        bench = std::move(next);
    }
    pick_some(*bench, picks_each, true);
}

// Nanoseconds of one pick, the quickest of five rounds: others use the machine, too.
std::optional<double> BalancerTrial::cost(std::uint32_t count) {
    Bench bench(subject_, plain(count));
    if (!build(bench, nullptr)) return std::nullopt;
    step("many picks", count);
    double best = 0;
    for (int round = 0; round < 5; ++round) {
        const auto begin = std::chrono::steady_clock::now();
        for (int k = 0; k < measured_picks; ++k) bench.pick(static_cast<std::uint64_t>(k));
        const double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() / measured_picks;
        best = round == 0 ? ns : std::min(best, ns);
    }
    return best;
}

// The defaults, and each choice that an option has.
std::vector<model::StrategyOptions> settings_of(const baton_factory& factory) {
    std::vector<model::StrategyOptions> all{{}};
    for (std::uint32_t i = 0; i < factory.option_count; ++i) {
        const baton_option& option = option_at(factory, i);
        std::string_view choices = option.type == BATON_OPTION_CHOICE ? option.choices
                                   : option.type == BATON_OPTION_BOOL ? "true|false"
                                                                      : "";
        while (!choices.empty()) {
            const std::size_t end = std::min(choices.find('|'), choices.size());
            const std::string_view one = choices.substr(0, end);
            if (one != option.default_value) all.push_back({{option.name, std::string(one)}});
            choices.remove_prefix(std::min(end + 1, choices.size()));
        }
    }
    return all;
}

void examine_balancer(const baton_factory& factory, const Findings& findings, model::PluginFactory& report) {
    for (const model::StrategyOptions& options : settings_of(factory)) {
        std::string label = fmt::format("balancer {}", factory.name);
        for (const auto& [name, value] : options) label += fmt::format(" ({} = {})", name, value);
        findings.step(label + ": create()");
        const auto subject = Subject::create(factory, options);
        if (!subject) {
            findings.problem(fmt::format("{}: {}", label, subject.error().message()));
            continue;
        }
        BalancerTrial trial(*subject, label, findings);
        trial.run();
        if (!options.empty()) continue;
        examine_vectors(factory.name, *subject, findings);
        report.pick_ns_of_10 = trial.cost(10).value_or(0);
        report.pick_ns_of_100 = trial.cost(100).value_or(0);
    }
    findings.step(fmt::format("balancer {}: destroy()", factory.name));
}

const char* name_of_type(std::uint32_t type) {
    constexpr std::array names{"", "bool", "integer", "number", "duration", "text", "choice"};
    return type < names.size() ? names[type] : "";
}

}  // namespace

model::PluginReport describe(const baton_strategy_descriptor& descriptor) {
    model::PluginReport report;
    report.name = descriptor.name;
    report.version = descriptor.version;
    report.description = descriptor.description;
    report.build = descriptor.build;
    report.abi = fmt::format("{}.{}", descriptor.major, descriptor.minor);
    for (std::uint32_t i = 0; i < descriptor.factory_count; ++i) {
        const baton_factory& factory = factory_at(descriptor, i);
        model::PluginFactory told{factory.kind, factory.name, factory.description, {}};
        for (std::uint32_t k = 0; k < factory.option_count; ++k) {
            const baton_option& option = option_at(factory, k);
            told.options.push_back({option.name, name_of_type(option.type), option.default_value, option.choices ? option.choices : "",
                                    option.description});
        }
        report.factories.push_back(std::move(told));
    }
    return report;
}

void examine(const baton_strategy_descriptor& descriptor, const Findings& findings, model::PluginReport& report) {
    for (std::uint32_t i = 0; i < descriptor.factory_count; ++i) {
        const baton_factory& factory = factory_at(descriptor, i);
        const std::string_view kind = factory.kind;
        if (kind == BATON_KIND_BALANCER) examine_balancer(factory, findings, report.factories[i]);
        if (kind == BATON_KIND_SCHEDULER) examine_scheduler(factory, findings);
        if (kind == BATON_KIND_FAILOVER) examine_failover(factory, findings);
    }
}

}  // namespace baton::strategy
