// What an operator asks for, and what goes wrong: everything that is left to chance.
#include <algorithm>

#include "base/check.h"
#include "telling.h"
#include "world.h"

namespace baton::sim {

using model::ProbeType;
using model::ServiceSpec;

namespace {

const std::vector<std::string> names{"api", "cache", "db", "web"};

ServiceSpec* find_service(model::Configuration& configuration, const std::string& name) {
    for (ServiceSpec& spec : configuration.services) {
        if (spec.name == name) return &spec;
    }
    return nullptr;
}

bool present(const model::Configuration& configuration, const std::string& name) {
    return std::any_of(configuration.services.begin(), configuration.services.end(), [&](const auto& s) { return s.name == name; });
}

// Only on services that are there, and of an earlier name: no circle.
void trim(model::Configuration& configuration) {
    for (ServiceSpec& spec : configuration.services) {
        std::erase_if(spec.depends_on, [&](const std::string& name) { return !present(configuration, name) || name >= spec.name; });
    }
    std::erase_if(configuration.listeners, [&](const auto& listener) { return !present(configuration, listener.service); });
}

}  // namespace

// --- the configuration ---

std::string World::some_version(bool good) {
    return fmt::format("{}{}", good ? "v" : "bad", next_version_++);
}

ServiceSpec World::some_service(const std::string& name) {
    ServiceSpec spec;
    spec.name = name;
    spec.version = some_version(true);
    spec.command = {"/srv/" + name};
    spec.replicas = static_cast<std::uint32_t>(random_.between(1, 3));
    spec.readiness.type = random_.pick(std::vector{ProbeType::none, ProbeType::notify, ProbeType::http});
    if (random_.chance(200)) spec.startup.type = ProbeType::http;
    if (spec.readiness.type == ProbeType::none) spec.startup.type = ProbeType::none;
    spec.startup.interval = 5'000;
    if (random_.chance(400)) spec.delivery = model::Delivery::proxy;
    if (random_.chance(500)) spec.upstream = model::Upstream::socket;
    const auto share = [&] {
        return random_.chance(500) ? model::Share{static_cast<std::uint32_t>(random_.below(3)), false} : model::Share{static_cast<std::uint32_t>(random_.below(5)) * 25, true};
    };
    spec.rollout.max_surge = share();
    if (random_.chance(400)) spec.rollout.max_unavailable = share();
    if (random_.chance(300)) spec.rollout.min_ready = random_.between(1, 5'000);
    spec.rollout.deadline = random_.between(30'000, 400'000);
    spec.restart.backoff_max = random_.between(100, 30'000);
    spec.stop.drain_timeout = random_.between(0, 20'000);
    spec.stop.kill_timeout = random_.between(100, 5'000);
    for (const std::string& other : names) {
        if (other < name && random_.chance(250)) spec.depends_on.push_back(other);
    }
    return spec;
}

// A bad version is given only to a service that has a good one to go back to. Where an operator stopped
// every instance nothing is proved and nothing goes back, so that a service has either the one or the other.
bool World::can_go_back(const std::string& name) {
    Master* master = owner();
    if (master == nullptr || instance_stops_.contains(name)) return false;
    const auto service = master->state().services.find(name);
    if (service == master->state().services.end() || service->second.removed) return false;
    return !find_revision(service->second, service->second.current)->spec.version.starts_with("bad");
}

// A service that is new to the owner begins with a good version: it has nothing to go back to.
void World::mend(model::Configuration& configuration, const model::State& state) {
    for (ServiceSpec& spec : configuration.services) {
        const auto known = state.services.find(spec.name);
        if (known != state.services.end() && !known->second.removed) continue;
        if (spec.version.starts_with("bad")) spec.version = some_version(true);
    }
}

void World::first_file() {
    for (const std::string& name : names) {
        if (random_.chance(600)) file_.services.push_back(some_service(name));
    }
    if (file_.services.empty()) file_.services.push_back(some_service("web"));
    change_listeners();
    change_listeners();
    trim(file_);
}

void World::change_listeners() {
    model::ListenerSpec listener;
    listener.address = {model::Family::inet4, "127.0.0.1", static_cast<std::uint16_t>(random_.between(81, 84))};
    if (random_.chance(200)) listener.address = {model::Family::unix_path, "/run/sim.sock", 0};
    listener.name = "l" + std::to_string(listener.address.port);
    listener.service = random_.pick(file_.services).name;
    std::erase_if(file_.listeners, [&](const auto& other) { return identity(other) == identity(listener); });
    if (random_.chance(700)) file_.listeners.push_back(listener);
}

void World::change_file() {
    const std::string name = random_.pick(names);
    ServiceSpec* spec = find_service(file_, name);
    if (!gentle_ && random_.chance(200)) change_listeners();
    if (spec == nullptr) {
        file_.services.push_back(some_service(name));
    } else if (!gentle_ && random_.chance(150) && file_.services.size() > 1) {
        std::erase_if(file_.services, [&](const auto& s) { return s.name == name; });
    } else if (random_.chance(200)) {
        spec->replicas = static_cast<std::uint32_t>(random_.between(1, 4));
    } else if (!gentle_ && random_.chance(100)) {
        spec->enabled = !spec->enabled;
    } else if (!gentle_ && spec->readiness.type != ProbeType::none && random_.chance(150)) {
        // Of what runs, too.
        spec->readiness.type = spec->readiness.type == ProbeType::http ? ProbeType::notify : ProbeType::http;
    } else if (random_.chance(100)) {
        file_.supervisor.workers = static_cast<std::uint32_t>(random_.between(0, 4));
    } else if (random_.chance(100)) {
        spec->delivery = spec->delivery == model::Delivery::proxy ? model::Delivery::inherit : model::Delivery::proxy;
    } else if (random_.chance(200)) {
        spec->rollout.min_ready = random_.between(0, 10'000);
    } else {
        const bool good = spec->readiness.type == ProbeType::none || random_.chance(650) || !can_go_back(name);
        if (!good) bad_versions_.insert(name);
        spec->version = some_version(good);
    }
    trim(file_);
}

// --- what goes wrong ---

Process* World::some_process() {
    if (processes_.empty()) return nullptr;
    auto entry = processes_.begin();
    std::advance(entry, static_cast<std::ptrdiff_t>(random_.below(processes_.size())));
    return &entry->second;
}

void World::disturb() {
    if (masters_.empty()) return;
    auto entry = masters_.begin();
    std::advance(entry, static_cast<std::ptrdiff_t>(random_.below(masters_.size())));
    const std::uint32_t generation = entry->first;
    switch (random_.below(10)) {
        case 0:
            master_dies(generation);
            return boot_pending();
        case 1:
        case 2:
        case 3:
        case 4: entry->second->dies_after = static_cast<int>(random_.below(14)); return;
        case 5:
            if (entry->second->hung_since == never) entry->second->hung_since = now_;
            return trace("master of generation {} hangs", generation);
        case 6: return keeper_.overflow(generation);
        case 7:
            // An event that came before comes once more.
            if (Master* master = owner(); master != nullptr && !past_.empty()) master->post(random_.pick(past_));
            return;
        default:
            if (!gentle_) disturb_programs();
    }
}

void World::disturb_programs() {
    Process* process = some_process();
    if (process == nullptr) return;
    if (process->worker && random_.chance(400)) return gateway_.hang(process->id);
    switch (random_.below(4)) {
        case 0:
        case 1: process->crash_at = now_; return;
        case 2: process->sick_until = now_ + random_.between(1, 30'000); return;
        default:
            if (Master* master = owner(); master != nullptr) {
                master->post(model::Probed{process->id, model::ProbeKind::liveness, false, "no answer"});
            }
    }
}

// --- what an operator does ---

void World::operate() {
    Master* master = owner();
    if (random_.chance(300)) {
        change_file();
        if (master == nullptr || random_.chance(200)) return;  // not told to anybody: the next binary reads it
        const bool taken = master->reload();
        return trace("operator: reload {}", taken ? "" : "refused");
    }
    try {
        if (random_.chance(400)) {
            const auto incumbent = masters_.find(keeper_.incumbent());
            if (incumbent != masters_.end()) operate_upgrade(*incumbent->second);
        } else if (master != nullptr) {
            operate_service(*master);
        }
    } catch (const Death&) {
        master_dies(keeper_.incumbent());
    }
    boot_pending();
}

void World::operate_upgrade(Master& master) {
    if (master.hung_since != never) return;
    switch (random_.below(7)) {
        case 0:
        case 1:
        case 2: {
            next_quality_ = random_.pick(std::vector{Quality::good, Quality::good, Quality::good, Quality::exits, Quality::hangs, Quality::dies_when_ready,
                                                     Quality::fails_probe, Quality::dies_later});
            const std::string binary = random_.chance(50) ? "broken" : "batond";
            const bool automatic = random_.chance(600);
            const Millis patience = random_.chance(100) ? 1 : random_.between(100, 5'000);
            const bool taken = master.ask_upgrade({binary, automatic, random_.between(0, 10'000), patience});
            return trace("operator: upgrade {}", taken ? "" : "refused");
        }
        case 3:
        case 4: return master.handle(plan::DrainAsked{});
        case 5: return master.handle(plan::ReturnAsked{});
        default:
            if (master.upgrade().phase != model::UpgradePhase::idle) master.handle(plan::CommitAsked{});
    }
}

void World::operate_service(Master& master) {
    const std::string name = random_.pick(names);
    const auto ordinal = static_cast<std::uint32_t>(random_.between(1, 3));
    const auto change = random_.pick(std::vector{model::PowerChange::start, model::PowerChange::start, model::PowerChange::stop, model::PowerChange::restart});
    const auto admin = random_.pick(std::vector{model::AdminState::ready, model::AdminState::ready, model::AdminState::drain, model::AdminState::maint});
    switch (random_.below(gentle_ ? 3 : 6)) {
        case 0: return master.post(model::ScaleAsked{name, static_cast<std::uint32_t>(random_.between(1, 4))});
        case 1: return master.post(model::WeightAsked{name, ordinal, static_cast<std::uint32_t>(random_.between(1, 9))});
        case 2: return master.post(model::PowerAsked{model::PowerChange::restart, name, std::nullopt});
        case 3: return master.post(model::PowerAsked{change, name, std::nullopt});
        case 4: return master.post(model::AdminAsked{name, ordinal, admin});
        default:
            if (change == model::PowerChange::stop && bad_versions_.contains(name)) return;
            if (change == model::PowerChange::stop) instance_stops_.insert(name);
            return master.post(model::PowerAsked{change, name, ordinal});
    }
}

}  // namespace baton::sim
