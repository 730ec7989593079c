// The planner of services, told as stories: scenarios/*.txt. The commands are those of `commands` below;
// REF is "web/1" (of two holders the newer one), "web/1@2" (of revision 2), "worker/2.0" (of generation 2,
// number 0; of two the newer one) or "#7" (child 7).
#include <sys/wait.h>

#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "compact.h"
#include "model/codec.h"
#include "plan/routes.h"
#include "plan/step.h"
#include "scenario_file.h"
#include "telling.h"

namespace baton::plan::test {
namespace {

using namespace model;
using Words = std::vector<std::string>;

class Story {
  public:
    std::string run(const Command& command) {
        const auto known = commands().find(command.words[0]);
        if (known == commands().end()) return "error: unknown command " + command.words[0] + "\n";
        told_.clear();
        known->second(*this, command);
        if (!problem_.empty()) return "error: " + problem_ + "\n";
        return told_ + tell(state_, now_);
    }

  private:
    using Handler = std::function<void(Story&, const Command&)>;
    static const std::map<std::string, Handler>& commands();

    void happen(const Event& event) {
        for (const Action& action : step(state_, event, now_).actions) told_ += tell(action, state_);
        check_snapshots();
    }
    // What is stored must be what is known, after each step.
    void check_snapshots() {
        const auto counters = decode<Counters>(encode(state_.counters));
        if (!counters || *counters != state_.counters) problem_ = "the counters' snapshot differs";
        const auto gateway = decode<Gateway>(encode(state_.gateway));
        if (!gateway || *gateway != state_.gateway) problem_ = "the gateway's snapshot differs";
        for (const auto& [name, service] : state_.services) {
            const auto copy = decode<Service>(encode(service));
            if (!copy || *copy != service) problem_ = "the snapshot of " + name + " differs";
        }
    }

    std::uint64_t worker(const std::string& reference) {
        std::uint64_t found = 0;
        for (const Worker& one : state_.gateway.workers) {
            if (std::to_string(one.generation) + "." + std::to_string(one.number) == reference) found = std::max(found, one.id);
        }
        if (found == 0) problem_ = "no worker " + reference;
        return found;
    }
    std::uint64_t child(const std::string& reference) {
        if (reference.starts_with('#')) return std::stoull(reference.substr(1));
        if (reference.starts_with("worker/")) return worker(reference.substr(7));
        const auto parts = split(reference, '@');
        const Instance* found = nullptr;
        for (const auto& [name, service] : state_.services) {
            for (const Instance& instance : service.instances) {
                if (name_of(instance) != parts[0]) continue;
                if (parts.size() > 1 && std::to_string(instance.revision) != parts[1]) continue;
                if (found == nullptr || instance.revision >= found->revision) found = &instance;
            }
        }
        if (found == nullptr || found->id == 0) problem_ = "no process of " + reference;
        return found == nullptr ? 0 : found->id;
    }
    static std::pair<std::string, std::optional<std::uint32_t>> target(const std::string& word) {
        const auto parts = split(word, '/');
        if (parts.size() == 1) return {parts[0], std::nullopt};
        return {parts[0], static_cast<std::uint32_t>(std::stoul(parts[1]))};
    }
    static int status(const Words& words, std::size_t at) {
        if (words.at(at) == "signal") return std::stoi(words.at(at + 1));
        return W_EXITCODE(std::stoi(words.at(at)), 0);
    }
    void power(PowerChange change, const Command& command) {
        const auto [service, ordinal] = target(command.words.at(1));
        happen(PowerAsked{change, service, ordinal});
    }
    void notify(const Command& command) {
        Notified said{child(command.words.at(1)), false, false, false, std::nullopt, 0};
        for (std::size_t i = 2; i < command.words.size(); ++i) {
            const std::string& word = command.words[i];
            if (word == "ready") said.ready = true;
            else if (word == "stopping") said.stopping = true;
            else if (word == "watchdog") said.watchdog = true;
            else if (word == "hung") said.hung = true;
            else if (word.starts_with("status=")) said.status = word.substr(7);
            else if (word.starts_with("extend=")) said.extend = *parse_duration(word.substr(7));
            else problem_ = "unknown notification " + word;
        }
        happen(said);
    }
    void probe(const Command& command) {
        static const std::map<std::string, ProbeKind> kinds{
            {"startup", ProbeKind::startup}, {"readiness", ProbeKind::readiness}, {"liveness", ProbeKind::liveness}};
        happen(Probed{child(command.words.at(1)), kinds.at(command.words.at(2)), command.words.at(3) == "pass", "connection refused"});
    }
    // adopt REF... : alive; REF=1: exited so; children that are not named are not known. generation=2
    // cores=4: the master's, and the host's; otherwise as they were.
    void adopt(const Command& command) {
        Adopted event;
        event.generation = state_.gateway.generation;
        event.cores = state_.gateway.cores;
        for (std::size_t i = 1; i < command.words.size(); ++i) {
            const auto parts = split(command.words[i], '=');
            if (parts[0] == "generation" || parts[0] == "cores") {
                (parts[0] == "cores" ? event.cores : event.generation) = static_cast<std::uint32_t>(std::stoul(parts[1]));
                continue;
            }
            KnownChild known;
            known.id = child(parts[0]);
            known.pid = pid_of(known.id);
            known.exited = parts.size() > 1;
            if (known.exited) known.status = W_EXITCODE(std::stoi(parts[1]), 0);
            event.children.push_back(known);
        }
        happen(event);
    }
    // A new master reads the snapshots.
    void reread() {
        State fresh;
        fresh.counters = *decode<Counters>(encode(state_.counters));
        fresh.configuration = *decode<Configuration>(encode(state_.configuration));
        fresh.gateway = *decode<Gateway>(encode(state_.gateway));
        for (const auto& [name, service] : state_.services) fresh.services[name] = *decode<Service>(encode(service));
        state_ = std::move(fresh);
    }
    void configure(const Command& command) {
        auto configuration = parse_compact(command.body);
        if (!configuration) {
            problem_ = configuration.error().message();
            return;
        }
        happen(Configured{*configuration, command.words.size() > 1 && command.words[1] == "retry"});
    }
    // started REF, or everything that was asked for
    void started(const Command& command) {
        if (command.words.size() > 1) {
            const std::uint64_t id = child(command.words[1]);
            return happen(ChildStarted{id, pid_of(id)});
        }
        std::vector<std::uint64_t> ids;
        for (const auto& [name, service] : state_.services) {
            for (const Instance& instance : service.instances) {
                if (instance.state == InstanceState::starting && instance.pid == 0) ids.push_back(instance.id);
            }
        }
        for (const Worker& one : state_.gateway.workers) {
            if (one.state == WorkerState::starting && one.pid == 0) ids.push_back(one.id);
        }
        for (const std::uint64_t id : ids) happen(ChildStarted{id, pid_of(id)});
    }
    // What the workers are told.
    void tell_routes() {
        const RouteTable table = routes(state_);
        if (table.routes.empty()) told_ += "no routes\n";
        for (const Route& route : table.routes) {
            told_ += route.listener + route.match.path_prefix + " to " + route.service + ":";
            for (const Endpoint& endpoint : route.endpoints) {
                const bool external = (endpoint.id >> 63) != 0;
                told_ += (external ? " " + endpoint.name : " #" + std::to_string(endpoint.id)) + " at " + to_string(endpoint.address);
                if (endpoint.weight != 1) told_ += " x" + std::to_string(endpoint.weight);
                if (endpoint.backup) told_ += " backup";
                if (endpoint.down) told_ += " down";
                if (endpoint.draining) told_ += " draining";
            }
            told_ += route.endpoints.empty() ? " nobody\n" : "\n";
        }
    }
    // not-started REF, or: not-started REF port-taken
    void not_started(const Command& command) {
        const bool taken = command.words.size() > 2 && command.words[2] == "port-taken";
        happen(ChildNotStarted{child(command.words.at(1)), taken ? "its port is taken" : "exec: no such file", taken});
    }
    void tick(const Command& command) {
        const Millis due = next_deadline(state_);
        if (command.words.size() > 1) now_ += *parse_duration(command.words[1]);
        else if (due == never) problem_ = "nothing is due";
        else now_ = std::max(now_, due);
        happen(Tick{});
        if (next_deadline(state_) <= now_) problem_ = "something is due still after a tick";
    }
    static std::int64_t pid_of(std::uint64_t id) { return 100 + static_cast<std::int64_t>(id); }

    State state_;
    Millis now_ = 1000;
    std::string told_;
    std::string problem_;
};

const std::map<std::string, Story::Handler>& Story::commands() {
    static const std::map<std::string, Handler> table{
        {"steering", [](Story& s, const Command& c) { s.state_.counters.kernel_steering = c.words.at(1) == "kernel"; }},
        {"configure", [](Story& s, const Command& c) { s.configure(c); }},
        {"started", [](Story& s, const Command& c) { s.started(c); }},
        {"not-started", [](Story& s, const Command& c) { s.not_started(c); }},
        {"exit", [](Story& s, const Command& c) { s.happen(ChildExited{s.child(c.words.at(1)), status(c.words, 2)}); }},
        {"notify", [](Story& s, const Command& c) { s.notify(c); }},
        {"probe", [](Story& s, const Command& c) { s.probe(c); }},
        {"queue-empty", [](Story& s, const Command& c) { s.happen(QueueEmpty{s.child(c.words.at(1))}); }},
        {"worker-ready", [](Story& s, const Command& c) { s.happen(WorkerReady{s.child(c.words.at(1))}); }},
        {"worker-lost-heir", [](Story& s, const Command& c) { s.happen(WorkerLostHeir{s.child(c.words.at(1)), s.child(c.words.at(2))}); }},
        {"worker-hung", [](Story& s, const Command& c) { s.happen(WorkerHung{s.child(c.words.at(1))}); }},
        {"routes", [](Story& s, const Command&) { s.tell_routes(); }},
        {"servers-drained", [](Story& s, const Command& c) { s.happen(ServersDrained{c.words.at(1)}); }},
        {"listener-drained", [](Story& s, const Command& c) { s.happen(ListenerDrained{c.words.at(1)}); }},
        {"tick", [](Story& s, const Command& c) { s.tick(c); }},
        {"stop", [](Story& s, const Command& c) { s.power(PowerChange::stop, c); }},
        {"start", [](Story& s, const Command& c) { s.power(PowerChange::start, c); }},
        {"restart", [](Story& s, const Command& c) { s.power(PowerChange::restart, c); }},
        {"scale", [](Story& s, const Command& c) { s.happen(ScaleAsked{c.words.at(1), static_cast<std::uint32_t>(std::stoul(c.words.at(2)))}); }},
        {"weight", [](Story& s, const Command& c) {
             const auto [service, ordinal] = target(c.words.at(1));
             s.happen(WeightAsked{service, ordinal.value(), static_cast<std::uint32_t>(std::stoul(c.words.at(2)))});
         }},
        // admin web/1 drain
        {"admin", [](Story& s, const Command& c) {
             static const std::map<std::string, AdminState> states{{"ready", AdminState::ready}, {"drain", AdminState::drain}, {"maint", AdminState::maint}};
             const auto [service, ordinal] = target(c.words.at(1));
             s.happen(AdminAsked{service, ordinal.value(), states.at(c.words.at(2))});
         }},
        {"shutdown", [](Story& s, const Command& c) { s.happen(StopAsked{c.words.size() > 1 && c.words[1] == "fast"}); }},
        {"adopt", [](Story& s, const Command& c) { s.adopt(c); }},
        {"reread", [](Story& s, const Command&) { s.reread(); }},
        // wait 2s: time passes, and nobody says so yet
        {"wait", [](Story& s, const Command& c) { s.now_ += *parse_duration(c.words.at(1)); }},
    };
    return table;
}

class Scenario : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Scenario, ReadsAsWritten) {
    Story story;
    EXPECT_EQ(run_scenario(GetParam(), [&](const Command& command) { return story.run(command); }), "");
}

INSTANTIATE_TEST_SUITE_P(Plan, Scenario, testing::ValuesIn(scenario_files("scenarios")),
                         [](const auto& file) { return test_name(file.param); });

}  // namespace
}  // namespace baton::plan::test
