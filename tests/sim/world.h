// The world of one simulation: time, programs that start, become ready, crash and end, masters that die
// at any point, an operator who asks for things at the wrong moment; and what must hold all the while.
//
// First chaos for a number of steps, then no more faults: within a bounded time everything that is wanted
// must be in place, every upgrade must have its verdict, and nothing may be left that nobody knows.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "gateway.h"
#include "master.h"
#include "random.h"

namespace baton::sim {

// Thrown when something that must hold does not.
struct Broken {
    std::string what;
};

// How a master answers that should own the instances and does not.
inline constexpr const char* not_owner = "it does not own the instances";

// One run of a program.
struct Process {
    std::uint64_t id = 0;
    model::ServiceSpec spec;
    bool bad = false;            // its version never becomes ready
    Millis ready_at = never;
    Millis crash_at = never;
    Millis end_at = never;       // it was told to
    Millis sick_until = 0;
    Millis queue_empty_at = never;
    Millis stop_takes = 0;
    bool deaf = false;           // ends by KILL only
    bool notified = false;       // its READY=1 was read
    bool killed = false;
    int status = 0;
    bool worker = false;         // of the gateway
    Millis drains_until = never; // proxied: it may not be told to stop before, while somebody is connected
    bool told = false;           // to stop
};

class World final : public KeeperHands {
  public:
    World(std::uint64_t seed, bool tracing);

    static constexpr std::uint32_t cores = 2;
    // Throws Broken.
    void run();
    const std::vector<std::string>& log() const { return log_; }
    const Keeper& keeper() const { return keeper_; }
    Keeper& keeper() { return keeper_; }

    Millis now() const { return now_; }
    Random& random() { return random_; }
    const model::Configuration& file() const { return file_; }
    bool kernel_steering() const { return kernel_steering_; }
    bool tracing() const { return tracing_; }
    template <class... Args>
    void trace(fmt::format_string<Args...> format, Args&&... args) {
        if (tracing_) log_.push_back(fmt::format("{:>8} ", now_) + fmt::format(format, std::forward<Args>(args)...));
    }
    void require(bool holds, const std::string& what) const {
        if (!holds) throw Broken{what};
    }

    // --- for masters ---
    void next_program(const model::ServiceSpec& spec) {
        program_ = spec;
        worker_of_.reset();
    }
    // What is to be seen of an instance now.
    void next_worker(std::uint32_t generation) { worker_of_ = generation; }
    bool port_is_taken(const model::Instance& instance);
    std::uint64_t next_revision() { return ++revision_; }
    SimGateway& gateway() { return gateway_; }
    // Its loop stood still for so long that it shows.
    bool found_hung(std::uint64_t worker);
    // What is to be seen of an instance now. `drained`: so the workers' counters say.
    std::optional<model::Event> observe(const model::Service& service, const model::Instance& instance, bool drained, bool eager);
    std::string probe_master(std::uint32_t generation, bool as_owner);
    void mend(model::Configuration& configuration, const model::State& state);
    void check_step(const model::State& state, const model::Event& event);
    void check_workers(const model::Gateway& before, const model::State& state, const model::Event& event);

    // --- for the gateway ---
    void worker_finished(std::uint64_t id);
    bool runs(std::uint64_t id) const { return processes_.contains(id); }

    // --- for the keeper ---
    void run_master(std::uint32_t generation) override;
    void kill_master(std::uint32_t generation) override;
    bool run_process(std::uint64_t id) override;
    void signal_process(std::uint64_t id, int signal) override;
    bool executable(const std::string& binary) override { return binary != "broken"; }

  private:
    // The course of things.
    void advance(Millis to);
    void pass_processes();
    void run_worker(std::uint64_t id, std::uint32_t generation);
    void end_process(Process& process, int status);
    void work_on(std::uint32_t generation, bool eager);
    bool settle_now();
    void boot_pending();
    void run_quietly(Millis for_at_most, const std::string& until_what, const std::function<std::string()>& missing);
    Millis next_due() const;
    void master_dies(std::uint32_t generation);
    Master* owner();

    // Chance.
    void first_file();
    model::ServiceSpec some_service(const std::string& name);
    std::string some_version(bool good);
    void change_file();
    bool can_go_back(const std::string& name);
    void change_listeners();
    void disturb();
    void disturb_programs();
    void operate();
    void operate_upgrade(Master& master);
    void operate_service(Master& master);
    Process* some_process();

    // What must hold.
    void check_places(const model::State& state);
    void check_tables(const model::State& state);
    void check_told(std::uint64_t worker);
    void check_routes(const model::State& state);
    void check_quiet();
    void check_floor(const model::State& state);
    void lower_floor(const model::State& state);
    std::string what_is_missing();
    bool is_blocked(const model::State& state, const model::Service& service);
    std::string missing_of(const model::State& state, const model::Service& service);

    Random random_;
    bool tracing_;
    bool gentle_;           // programs of good versions never fail: then nothing may be missed by a client
    bool faults_ = true;
    bool kernel_steering_;
    Millis now_ = 1000;
    Keeper keeper_{*this};
    std::map<std::uint32_t, std::unique_ptr<Master>> masters_;
    std::vector<std::uint32_t> to_boot_;
    std::vector<std::uint32_t> to_kill_;
    std::map<std::uint64_t, Process> processes_;
    struct Floor {
        std::uint32_t ready = 0;     // places that had a ready instance and must keep one
        std::uint32_t replicas = 0;  // when that was last looked at
    };
    std::map<std::string, Floor> floor_;  // by service
    std::vector<model::Event> past_;
    model::Configuration file_;
    std::set<std::string> instance_stops_;  // services of which an instance was stopped once
    std::set<std::string> bad_versions_;    // services that had a bad version once
    model::ServiceSpec program_;
    std::optional<std::uint32_t> worker_of_;  // what is spawned next is a worker of this generation
    SimGateway gateway_{*this};
    std::uint64_t revision_ = 0;
    bool fast_ = false;                       // everything was told to stop at once
    Quality next_quality_ = Quality::good;
    std::uint32_t next_version_ = 1;
    std::vector<std::string> log_;
};

}  // namespace baton::sim
