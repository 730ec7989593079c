#include "engine/runner.h"

#include <algorithm>
#include <csignal>
#include <thread>

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <fmt/core.h>

#include "base/limits.h"
#include "base/listing.h"
#include "model/codec.h"
#include "plan/instance.h"
#include "plan/routes.h"
#include "plan/step.h"

namespace baton::engine {

using model::Instance;
using model::InstanceState;
using model::Service;

namespace {

constexpr std::size_t snapshot_bytes = 16 * 1024 * 1024;
constexpr Millis queue_look_interval = 5;
// Numbers of children that are given out before the counters are stored again.
constexpr std::uint64_t children_at_once = 64;
const std::string configuration_name = configuration_snapshot_name;
const std::string counters_name = "state/counters";
const std::string gateway_name = "state/gateway";
const std::string service_prefix = "state/service/";
const std::string ring_name = "log-ring";

template <class T>
Result<T> load_held(const std::map<std::string, sys::UniqueFd>& held, const std::string& name) {
    const auto bytes = sys::read_all(held.at(name), snapshot_bytes);
    if (!bytes) return bytes.error().context(name);
    auto value = model::decode<T>(*bytes);
    if (!value) return value.error().context(name);
    return value;
}

}  // namespace

Runner::Runner(boost::asio::io_context& context, KeeperLink& link, Plugins& plugins, Log& log, EventLog& events)
    : context_(context),
      link_(link),
      plugins_(plugins),
      log_(log),
      events_(events),
      sockets_(link, log),
      processes_(context, link, sockets_, log,
                 {[this](model::Event event) { post(std::move(event)); },
                  [this](const std::string& instance, std::string_view line) { events_.line(instance, line); }}),
      workers_(context, link, sockets_, processes_, plugins, log, [this](model::Event event) { post(std::move(event)); }, [this] {
          changed_.ring();
          if (sockets_.lingers()) post(model::Tick{});
      }),
      probes_(context, sockets_, log, [this](model::Event event) { post(std::move(event)); }),
      changed_(context),
      retry_(context),
      deadline_(context),
      queues_(context) {}

// --- coming and going ---

std::vector<std::string> Runner::rehearse(std::map<std::string, sys::UniqueFd>& held, const model::Configuration& own) {
    sockets_.adopt(held, Sockets::Adoption::trial);
    std::vector<std::string> problems;
    if (auto loaded = load(held); !loaded) problems.push_back(loaded.error().message());
    // What nobody would accept from need not be open, and must not be: its clients would wait.
    model::Configuration serving = own;
    std::erase_if(serving.listeners, [&](const model::ListenerSpec& listener) {
        const auto services = services_of(listener);
        return std::none_of(services.begin(), services.end(), [&](const std::string& name) {
            const model::ServiceSpec* spec = find_service(own, name);
            const auto known = state_.services.find(name);
            return spec != nullptr && spec->enabled && (known == state_.services.end() || plan::wanted(state_, known->second));
        });
    });
    for (std::string& problem : prepare(serving)) problems.push_back(std::move(problem));
    for (std::string& name : sockets_.missing(serving.listeners)) problems.push_back(std::move(name));
    return problems;
}

std::vector<std::string> Runner::prepare(const model::Configuration& configuration) {
    std::vector<std::string> problems = processes_.know_users(configuration);
    for (std::string& problem : plan::changed_deliveries(state_, configuration)) problems.push_back(std::move(problem));
    if (problems.empty()) problems = sockets_.prepare(configuration);
    return problems;
}

void Runner::end_rehearsal() {
    if (!active_) sockets_.drop_copies();
}

void Runner::abandon_rehearsal() {
    if (!active_) sockets_.abandon();
}

Result<void> Runner::load(std::map<std::string, sys::UniqueFd>& held) {
    state_ = model::State{};
    stored_.clear();
    if (!held.contains(counters_name)) return {};
    const auto written = load_held<model::StateVersion>(held, counters_name);
    if (!written) return written.error();
    if (written->version > model::state_version) {
        return failed(fmt::format("the state is of version {}, written by a newer batond; this one knows versions up to {}", written->version, model::state_version));
    }
    auto counters = load_held<model::Counters>(held, counters_name);
    if (!counters) return counters.error();
    state_.counters = std::move(*counters);
    if (held.contains(configuration_name)) {
        auto configuration = load_held<model::Configuration>(held, configuration_name);
        if (!configuration) return configuration.error();
        state_.configuration = std::move(*configuration);
    }
    if (held.contains(gateway_name)) {
        auto gateway = load_held<model::Gateway>(held, gateway_name);
        if (!gateway) return gateway.error();
        state_.gateway = std::move(*gateway);
    }
    for (const auto& [name, fd] : held) {
        if (!name.starts_with(service_prefix)) continue;
        auto service = load_held<Service>(held, name);
        if (!service) return service.error();
        stored_[name] = "";
        state_.services[name.substr(service_prefix.size())] = std::move(*service);
    }
    return {};
}

Result<void> Runner::take_over(std::map<std::string, sys::UniqueFd>& held, const model::Configuration* own, std::uint32_t generation) {
    if (auto loaded = load(held); !loaded) return loaded.error();
    const bool first = !held.contains(counters_name);
    sockets_.adopt(held, Sockets::Adoption::owner);
    if (first) {
        sockets_.load_steering();
        state_.counters.kernel_steering = sockets_.kernel();
    }
    auto ring = held.contains(ring_name) ? run::LogRing::open(held.at(ring_name)) : run::LogRing::create();
    if (!ring) ring = run::LogRing::create();
    if (ring) {
        link_.hold(ring_name, ring->descriptor());
        events_.use_ring(std::move(*ring));
    } else {
        log_.warning("captured lines are not kept for `baton logs`: {}", ring.error().message());
    }
    if (own != nullptr) {
        // An old master that takes back what it had takes it as it is: only addresses can stand against that.
        const auto problems = first ? prepare(*own) : sockets_.prepare(*own);
        if (!problems.empty()) return failed(in_one_sentence(problems));
    }
    sockets_.hold_all();
    if (own == nullptr) static_cast<void>(processes_.know_users(state_.configuration));
    know_workers_user(own == nullptr ? state_.configuration : *own);
    workers_.adopt(state_, held);
    adopt_processes(held);
    auto children = link_.fetch_children();
    if (!children) return children.error();

    active_ = true;
    generation_ = generation;
    const bool whole = plugins_.adopt(state_.gateway.plugins, held, link_);
    // The keeper has them all unless it was replaced by one of another kind.
    if (!whole && own == nullptr) plugins_.refresh(state_.configuration.plugins.directories, true);
    queue_.push_front(adopted(std::move(*children)));
    if (own != nullptr || !whole) queue_.push_back(model::PluginsChosen{plugins_.choose(state_, own == nullptr ? state_.configuration : *own)});
    if (own != nullptr) queue_.push_back(model::Configured{*own, false});
    turn();
    return {};
}

void Runner::adopt_processes(std::map<std::string, sys::UniqueFd>& held) {
    for (const auto& [name, service] : state_.services) {
        for (const Instance& instance : service.instances) {
            if (plan::has_process(instance)) processes_.adopt(state_, service, instance, held);
        }
    }
    // What belonged to children that no record knows any more.
    for (const auto& [name, fd] : held) {
        if (fd.valid() && (name.starts_with("output/") || name.starts_with("notify/"))) link_.release(name);
    }
}

void Runner::suspend() {
    active_ = false;
    queue_.clear();
    decided_ = {};
    unstored_ = false;
    retry_.cancel();
    deadline_.cancel();
    queues_.cancel();
    probes_.stop_all();
    processes_.let_go();
    workers_.let_go();
    plugins_.let_go();
    sockets_.let_go();
    events_.let_go();
    stored_.clear();
    changed_.ring();
}

void Runner::dissolve() {
    sockets_.close_all();
    processes_.dissolve();
}

Result<void> Runner::resync() {
    auto children = link_.fetch_children();
    if (!children) return children.error();
    post(adopted(std::move(*children)));
    return {};
}

void Runner::not_held(const std::string& name) {
    stored_.erase(name);
    sockets_.not_held(name);
    workers_.not_held(name);
}

// --- the turn ---

void Runner::post(model::Event event) {
    if (!active_) return;
    queue_.push_back(std::move(event));
    schedule();
}

void Runner::schedule() {
    if (std::exchange(scheduled_, true)) return;
    boost::asio::post(context_, [this] { turn(); });
}

void Runner::child_started(std::uint64_t id, std::int64_t pid) {
    processes_.started(id, pid);
    post(model::ChildStarted{id, pid});
}

void Runner::child_exited(std::uint64_t id, int status) {
    processes_.hear_out(id);
    post(model::ChildExited{id, status, workers_.crumb(id)});
}

void Runner::bring(const model::Configuration& configuration) {
    if (const auto plugins = plugins_.choose(state_, configuration); plugins != state_.gateway.plugins) apply(model::PluginsChosen{plugins});
    apply(model::Configured{configuration, true});
    // What only the old definitions needed.
    bring_plugins();
}

bool Runner::bring_plugins() {
    const auto plugins = plugins_.choose(state_, state_.configuration);
    if (plugins == state_.gateway.plugins) return false;
    apply(model::PluginsChosen{plugins});
    return true;
}

void Runner::apply(model::Event event) {
    if (!active_) return;
    queue_.push_back(std::move(event));
    turn();
}

void Runner::turn() {
    scheduled_ = false;
    // While a turn waits for the state to be stored, the events wait for that turn.
    if (!active_ || unstored_) return;
    while (!queue_.empty()) {
        const model::Event event = std::move(queue_.front());
        queue_.pop_front();
        if (std::holds_alternative<model::Configured>(event)) decided_.configured = true;
        plan::Outcome outcome = plan::step(state_, event, monotonic_now());
        decided_.touched.merge(outcome.touched);
        for (model::Action& action : outcome.actions) decided_.actions.push_back(std::move(action));
    }
    finish();
}

void Runner::finish() {
    // Before the state names them: whoever takes over finds them with the keeper.
    plugins_.use(state_.gateway.plugins, link_);
    const auto stored = store(decided_);
    if (!stored) {
        if (!std::exchange(unstored_, true)) log_.error("the state could not be stored ({}); nothing is done until it is", stored.error().message());
        retry_.expires_after(std::chrono::milliseconds(limits::store_retry_interval));
        retry_.async_wait([this](boost::system::error_code ec) {
            if (!ec && active_ && unstored_) finish();
        });
        return;
    }
    if (std::exchange(unstored_, false)) log_.info("the state is stored again");
    const Decided decided = std::exchange(decided_, {});
    sockets_.settle(state_, decided.touched, [this](const std::string& name) { return workers_.have(name); });
    know_workers_user(state_.configuration);
    // Before anything is told to go; and those who are started by an action need a table too.
    workers_.settle(state_);
    // Who is to start is waited for; what is left of those who ended is not.
    for (const model::Action& action : decided.actions) {
        if (const auto* start = std::get_if<model::StartProcess>(&action)) start_process(start->id);
    }
    for (const model::Action& action : decided.actions) act(action);
    workers_.settle(state_);
    probes_.settle(state_);
    look_at_queues();
    arm();
    changed_.ring();
    if (!queue_.empty()) schedule();
    if (state_.counters.stopping && plan::all_stopped(state_) && on_stopped_) boost::asio::post(context_, on_stopped_);
}

void Runner::act(const model::Action& action) {
    if (const auto* begin = std::get_if<model::StartWorker>(&action)) {
        if (auto asked = workers_.start(state_, begin->id); !asked) post(model::ChildNotStarted{begin->id, asked.error().message()});
    } else if (const auto* release = std::get_if<model::ReleaseWorker>(&action)) {
        workers_.release(release->id, release->to);
    } else if (const auto* signal = std::get_if<model::SignalProcess>(&action)) {
        link_.signal(signal->id, signal->signal, signal->whole_group);
        if (signal->whole_group && signal->signal == SIGKILL) processes_.kill_all_of(signal->id);
    } else if (const auto* forget = std::get_if<model::ForgetProcess>(&action)) {
        workers_.ended(state_, forget->id);
        processes_.ended(forget->id);
        link_.forget(forget->id);
    } else if (const auto* said = std::get_if<model::Announce>(&action)) {
        events_.announce(said->kind, said->subject, said->text, said->warning);
    }
}

void Runner::start_process(std::uint64_t id) {
    const auto [service, instance] = find_by_child(state_, id);
    if (instance == nullptr) return;
    const auto asked = processes_.start(state_, *service, *instance);
    if (!asked) post(model::ChildNotStarted{id, asked.error().message(), asked.error().code() == EADDRINUSE});
}

Result<void> Runner::store(const Decided& decided) {
    // Not for each start: a master that goes on begins with numbers that nobody has had.
    model::Counters counters = state_.counters;
    counters.next_child += children_at_once - counters.next_child % children_at_once;
    if (auto done = store_one(counters_name, model::encode(counters)); !done) return done;
    if (auto done = store_one(gateway_name, model::encode(state_.gateway)); !done) return done;
    // Large, and the same until it is replaced: to encode it each turn would cost more than all else.
    if (decided.configured || stored_[configuration_name].empty()) {
        if (auto done = store_one(configuration_name, model::encode(state_.configuration)); !done) return done;
    }
    for (const std::string& name : decided.touched) {
        const auto service = state_.services.find(name);
        if (service != state_.services.end()) {
            if (auto done = store_one(service_prefix + name, model::encode(service->second)); !done) return done;
        } else if (stored_.erase(service_prefix + name) > 0) {
            link_.release(service_prefix + name);
        }
    }
    return {};
}

Result<void> Runner::store_one(const std::string& name, const std::string& bytes) {
    std::string& last = stored_[name];
    if (last == bytes) return {};
    auto memory = sys::sealed_memory("baton-state", bytes);
    if (!memory) return memory.error().context(name);
    link_.hold(name, *memory);
    last = bytes;
    return {};
}

// No event tells that a queue is empty; while somebody waits for it, it is looked at.
void Runner::look_at_queues() {
    if (looking_) return;
    bool any = !state_.counters.closing.empty();
    for (const auto& [name, service] : state_.services) {
        for (const Instance& instance : service.instances) {
            if (instance.state != InstanceState::draining) continue;
            any = true;
            const bool quiet = monotonic_now() - instance.since >= limits::steering_quiet;
            const bool free = !by_workers(find_revision(service, instance.revision)->spec) || workers_.drained(instance.id, name);
            if (quiet && free && sockets_.queued(instance) == 0) post(model::QueueEmpty{instance.id});
        }
        if (service.servers != model::ServersState::draining) continue;
        any = true;
        const bool gone = std::all_of(service.externals.begin(), service.externals.end(), [&](const model::External& external) {
            return workers_.drained(model::external_id(name, external.spec.address), name);
        });
        if (gone) post(model::ServersDrained{name});
    }
    const Millis now = monotonic_now();
    for (const auto& closing : state_.counters.closing) {
        const std::string identity = model::identity(closing.spec);
        if (sockets_.queued(identity) == 0 || closing.deadline <= now) post(model::ListenerDrained{identity});
    }
    if (!any) return;
    looking_ = true;
    queues_.expires_after(std::chrono::milliseconds(queue_look_interval));
    queues_.async_wait([this](boost::system::error_code ec) {
        looking_ = false;
        if (!ec && active_ && !unstored_) look_at_queues();
    });
}

model::Adopted Runner::adopted(std::vector<model::KnownChild> children) const {
    for (model::KnownChild& child : children) child.crumb = workers_.crumb(child.id);
    return {std::move(children), generation_, std::max(1U, std::thread::hardware_concurrency())};
}

// Whose the hidden sockets have to be, so that the workers and nobody else may connect.
void Runner::know_workers_user(const model::Configuration& configuration) {
    const std::string& name = configuration.supervisor.user;
    const bool other = !name.empty() && ::geteuid() == 0;
    sockets_.let_workers_in(other && processes_.user(name) ? std::optional(processes_.user(name)->uid) : std::nullopt);
}

void Runner::look() {
    workers_.look(state_);
}

void Runner::arm() {
    const Millis next = plan::next_deadline(state_);
    deadline_.cancel();
    if (next == never) return;
    deadline_.expires_after(std::chrono::milliseconds(std::max<Millis>(0, next - monotonic_now())));
    deadline_.async_wait([this](boost::system::error_code ec) {
        if (!ec) post(model::Tick{});
    });
}

}  // namespace baton::engine
