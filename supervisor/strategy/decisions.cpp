#include "strategy/decisions.h"

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/core.h>

#include "base/strategy_limits.h"
#include "strategy/options.h"

namespace baton::strategy {
namespace {

void drop(void*, std::uint32_t, const char*, std::size_t) {}
constexpr baton_host silent_host{sizeof(baton_host), BATON_STRATEGY_MAJOR, BATON_STRATEGY_MINOR, nullptr, &drop};

// The strategy with its default options; null when it does not want to.
template <class Table>
class Decider {
  public:
    Decider(const baton_factory& factory, const Findings& findings) : table_(*static_cast<const Table*>(factory.table)) {
        const auto options = read_options(factory, {});
        if (!options) return;
        std::vector<char> room(limits::plugin_error_bytes);
        baton_text error{room.data(), static_cast<std::uint32_t>(room.size()), 0};
        const baton_settings settings{sizeof(baton_settings), static_cast<std::uint32_t>(options->size()), sizeof(baton_option_value), 0,
                                      options->data(), &silent_host};
        object_ = table_.create(&settings, &error);
        if (object_ == nullptr) findings.problem(fmt::format("{}: create() refuses the default options", factory.name));
    }
    Decider(const Decider&) = delete;
    Decider& operator=(const Decider&) = delete;
    ~Decider() {
        if (object_ != nullptr) table_.destroy(object_);
    }
    const Table& table() const { return table_; }
    void* object() const { return object_; }

  private:
    const Table& table_;
    void* object_ = nullptr;
};

// The piece of the reasons that belongs to one entry, if it is one.
std::optional<std::string_view> reason(const baton_text& text, std::uint32_t from, std::uint32_t size) {
    if (text.size > text.capacity || from > text.size || size > text.size - from) return std::nullopt;
    return std::string_view(text.data + from, size);
}

struct Answer {
    std::string told;                  // everything it says, to be compared
    std::optional<std::string> fault;
};

class Placing {
  public:
    Placing(std::uint32_t nodes, std::uint32_t wanted) {
        for (std::uint32_t i = 0; i < nodes; ++i) {
            names_.push_back(fmt::format("node{}", i));
            const std::uint32_t flags = i % 5 == 1 ? 0 : i % 5 == 2 ? BATON_NODE_READY | BATON_NODE_CORDONED : BATON_NODE_READY;
            nodes_.push_back({i + 1U, names_.back().c_str(), nullptr, 0, flags, i % 7, i % 2, 4000, 1000 * (i % 5), 8UL << 30U,
                              static_cast<std::uint64_t>(i % 9) << 30U});
        }
        view_ = {sizeof(view_), nodes, sizeof(baton_node), wanted, nodes_.data(), "trial", nullptr, 0, 0, 0, 1'000'000, 1};
    }

    Answer ask(const Decider<baton_scheduler>& scheduler) const {
        std::vector<baton_placement> placements(view_.wanted);
        std::vector<char> words(limits::plugin_reason_bytes);
        baton_placement_decision decision{sizeof(decision), view_.wanted, 0, 0, placements.data(),
                                          {words.data(), static_cast<std::uint32_t>(words.size()), 0}};
        scheduler.table().place(scheduler.object(), &view_, &decision);
        Answer answer;
        if (decision.count != view_.wanted) {
            answer.fault = fmt::format("it places {} instances, {} are wanted", decision.count, view_.wanted);
            return answer;
        }
        for (const baton_placement& one : placements) {
            const auto why = reason(decision.reasons, one.reason_from, one.reason_size);
            if (!why || why->empty()) {
                answer.fault = "a placement has no reason";
            } else if (one.node != BATON_NONE && one.node >= view_.node_count) {
                answer.fault = fmt::format("it names node {}, there are {}", one.node, view_.node_count);
            } else if (one.node != BATON_NONE && nodes_[one.node].flags != BATON_NODE_READY) {
                answer.fault = "it places an instance on a node that is not ready or is cordoned";
            }
            if (answer.fault) return answer;
            answer.told += fmt::format("{} {}\n", one.node, *why);
        }
        return answer;
    }

  private:
    std::deque<std::string> names_;
    std::vector<baton_node> nodes_;
    baton_placement_view view_{};
};

class Failing {
  public:
    // `active`: index of the one that has the role; `flags`: of that one, the others are well.
    Failing(std::uint32_t members, std::uint32_t active, std::uint32_t flags) {
        constexpr std::uint32_t well = BATON_MEMBER_RUNNING | BATON_MEMBER_READY | BATON_MEMBER_REACHABLE;
        for (std::uint32_t i = 0; i < members; ++i) {
            names_.push_back(fmt::format("trial/{}", i));
            members_.push_back({i + 1U, names_.back().c_str(), "node", i == active ? BATON_ROLE_ACTIVE : BATON_ROLE_STANDBY,
                                i == active ? flags : well, i, 0, 1'000'000, 100 - i});
        }
        view_ = {sizeof(view_), members, sizeof(baton_member), 1, members_.data(), "trial", 60'000'000, 1};
    }

    Answer ask(const Decider<baton_failover>& failover) const {
        std::vector<baton_failover_step> steps(4UL * members_.size() + 1);
        std::vector<char> words(limits::plugin_reason_bytes);
        baton_failover_decision decision{sizeof(decision), static_cast<std::uint32_t>(steps.size()), 0, 0, steps.data(),
                                         {words.data(), static_cast<std::uint32_t>(words.size()), 0}, 0};
        failover.table().decide(failover.object(), &view_, &decision);
        Answer answer;
        if (decision.count > decision.capacity) {
            answer.fault = fmt::format("it takes {} steps, there is room for {}", decision.count, decision.capacity);
            return answer;
        }
        for (std::uint32_t i = 0; i < decision.count; ++i) {
            const baton_failover_step& step = steps[i];
            const auto why = reason(decision.reasons, step.reason_from, step.reason_size);
            if (!why || why->empty()) {
                answer.fault = "a step has no reason";
            } else if (step.kind < BATON_PROMOTE || step.kind > BATON_FENCE) {
                answer.fault = fmt::format("a step is of kind {}, which there is not", step.kind);
            } else if (step.member >= members_.size()) {
                answer.fault = fmt::format("a step names member {}, there are {}", step.member, members_.size());
            }
            if (answer.fault) return answer;
            answer.told += fmt::format("{} {} {}\n", step.kind, step.member, *why);
        }
        return answer;
    }

  private:
    std::deque<std::string> names_;
    std::vector<baton_member> members_;
    baton_failover_view view_{};
};

// Asked twice.
template <class View, class Table>
void examine_view(const View& view, const Decider<Table>& decider, const std::string& what, const Findings& findings) {
    findings.step(what);
    const Answer first = view.ask(decider);
    if (first.fault) return findings.problem(fmt::format("{}: {}", what, *first.fault));
    if (view.ask(decider).told != first.told) findings.problem(fmt::format("{}: asked again it decides otherwise", what));
}

}  // namespace

void examine_scheduler(const baton_factory& factory, const Findings& findings) {
    findings.step(fmt::format("scheduler {}: create()", factory.name));
    const Decider<baton_scheduler> scheduler(factory, findings);
    if (scheduler.object() == nullptr) return;
    for (const std::uint32_t nodes : {0U, 1U, 2U, 10U, 1000U}) {
        for (const std::uint32_t wanted : {0U, 1U, 20U}) {
            examine_view(Placing(nodes, wanted), scheduler,
                         fmt::format("scheduler {}: place() of {} instances on {} nodes", factory.name, wanted, nodes), findings);
        }
    }
}

void examine_failover(const baton_factory& factory, const Findings& findings) {
    findings.step(fmt::format("failover {}: create()", factory.name));
    const Decider<baton_failover> failover(factory, findings);
    if (failover.object() == nullptr) return;
    constexpr std::uint32_t well = BATON_MEMBER_RUNNING | BATON_MEMBER_READY | BATON_MEMBER_REACHABLE;
    for (const std::uint32_t members : {0U, 1U, 2U, 5U, 100U}) {
        // As it is, failed, unreachable, and with nobody active.
        for (const std::uint32_t flags : {well, BATON_MEMBER_REACHABLE + 0U, 0U}) {
            examine_view(Failing(members, 0, flags), failover,
                         fmt::format("failover {}: decide() about {} members, the active one's flags {}", factory.name, members, flags), findings);
        }
        examine_view(Failing(members, members, well), failover,
                     fmt::format("failover {}: decide() about {} members, none active", factory.name, members), findings);
    }
}

}  // namespace baton::strategy
