#include "engine/workers.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/core.h>

#include "base/gateway_limits.h"
#include "base/limits.h"
#include "base/strategy_limits.h"
#include "gateway/tls.h"
#include "model/codec.h"
#include "plan/routes.h"
#include "sys/channel.h"
#include "sys/listen.h"
#include "sys/process.h"

namespace baton::engine {

using model::Worker;
using model::WorkerState;

namespace {

std::string channel_name(std::uint64_t id) { return fmt::format("worker/{}", id); }
std::string counters_name(std::uint64_t id) { return fmt::format("worker-counters/{}", id); }
std::string output_name(std::uint64_t id) { return fmt::format("output/{}", id); }
// Where the child finds the image it is made of, among the descriptors it gets.
constexpr const char* own_program = "/proc/self/fd/5";

const Worker* find_worker(const model::State& state, std::uint64_t id) {
    for (const Worker& worker : state.gateway.workers) {
        if (worker.id == id) return &worker;
    }
    return nullptr;
}

// Of what is no socket: 0.
std::uint64_t identify(const sys::UniqueFd& fd) {
    const auto cookie = sys::cookie_of(fd);
    return cookie ? *cookie : 0;
}

}  // namespace

Workers::Workers(boost::asio::io_context& context, KeeperLink& link, Sockets& sockets, Processes& processes, const Plugins& plugins, Log& log,
                 std::function<void(model::Event)> event, std::function<void()> changed)
    : context_(context), link_(link), sockets_(sockets), processes_(processes), plugins_(plugins), log_(log), event_(std::move(event)),
      changed_(std::move(changed)), access_logs_(log), certificates_(log), tickets_(link, log), calls_(context) {}

Result<void> Workers::start(const model::State& state, std::uint64_t id) {
    const Worker* worker = find_worker(state, id);
    if (worker == nullptr) return failed("no such worker");
    keeper::Spawn body;
    body.id = id;
    body.umask = 077;
    std::vector<std::string> groups;
    if (const std::string& name = state.configuration.supervisor.user; !name.empty() && ::geteuid() == 0) {
        const auto& user = processes_.user(name);
        if (!user) return user.error();
        body.uid = user->uid;
        body.gid = user->gid;
        for (const std::uint32_t group : user->groups) groups.push_back(std::to_string(group));
    } else if (::geteuid() == 0 && !std::exchange(root_said_, true)) {
        log_.warning("workers run as root, and read what strangers send; name a user for them: supervisor.user");
    }
    auto channel = sys::make_channel();
    auto counters = gateway::Counters::create();
    auto pipe = sys::make_pipe();
    auto image = sys::open_image("/proc/self/exe");
    if (!channel) return channel.error();
    if (!counters) return counters.error();
    if (!pipe) return pipe.error();
    if (!image) return image.error();

    keeper::Tail tail;
    tail.add(own_program).add("/").add(fmt::format("batond: worker process (gen {})", worker->generation));
    const std::vector<std::string> environment{"BATON_ROLE=worker", fmt::format("BATON_WORKER={}", worker->number)};
    for (const std::string& variable : environment) tail.add(variable);
    for (const std::string& group : groups) tail.add(group);
    body.argument_count = 1;
    body.environment_count = static_cast<std::uint32_t>(environment.size());
    body.group_count = static_cast<std::uint32_t>(groups.size());
    link_.hold(output_name(id), pipe->read_end);
    link_.hold(channel_name(id), channel->first);
    link_.hold(counters_name(id), *counters);
    link_.spawn(body, tail, {pipe->write_end.get(), channel->second.get(), counters->get(), image->get()});
    listen(id, std::move(channel->first), *counters, std::move(pipe->read_end));
    return {};
}

void Workers::listen(std::uint64_t id, sys::UniqueFd channel, const sys::UniqueFd& counters, sys::UniqueFd output) {
    auto copy = sys::duplicate(channel);
    auto opened = gateway::Counters::open(counters);
    if (!copy || !opened) {
        ++unknown_;
        return log_.error("worker {}: {}", id, (copy ? opened.error() : copy.error()).message());
    }
    auto open = std::make_unique<Open>(Open{boost::asio::posix::stream_descriptor(context_, copy->release()), std::move(channel),
                                            std::make_unique<gateway::Counters>(std::move(*opened)), nullptr, {}, {}, 0, 0, false, {}, id, {}, {}});
    if (output.valid()) {
        const auto log = [this, id](std::string_view line) { log_.warning("worker {}: {}", id, line); };
        open->output = std::make_unique<run::Capture>(context_, std::move(output), log, [] {});
    }
    open_[id] = std::move(open);
    wait(id);
}

void Workers::adopt(const model::State& state, std::map<std::string, sys::UniqueFd>& held) {
    // Greater than what any master before this one has sent.
    table_ = {};
    table_.revision = static_cast<std::uint64_t>(monotonic_now());
    tickets_.adopt(held);
    for (const Worker& worker : state.gateway.workers) {
        const auto channel = held.find(channel_name(worker.id));
        const auto counters = held.find(counters_name(worker.id));
        const auto output = held.find(output_name(worker.id));
        if (channel == held.end() || counters == held.end()) {
            ++unknown_;
            continue;
        }
        listen(worker.id, std::move(channel->second), counters->second, output == held.end() ? sys::UniqueFd() : std::move(output->second));
        counters->second.reset();
    }
    for (const auto& [name, fd] : held) {
        if (fd.valid() && (name.starts_with("worker/") || name.starts_with("worker-counters/"))) link_.release(name);
    }
}

void Workers::ended(const model::State& state, std::uint64_t id) {
    unknown_ = static_cast<std::size_t>(std::count_if(state.gateway.workers.begin(), state.gateway.workers.end(),
                                                      [&](const Worker& worker) { return worker.id != id && !open_.contains(worker.id) && worker.pid != 0; }));
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    if (found->second->output) found->second->output->drain_now();
    open_.erase(found);
    link_.release(channel_name(id));
    link_.release(counters_name(id));
}

void Workers::let_go() {
    open_.clear();
    table_ = {};
    tickets_.let_go();
    unknown_ = 0;
    silent_.clear();
    calls_.cancel();
}

void Workers::release(std::uint64_t id, std::uint64_t to) {
    const auto from = open_.find(id);
    if (from == open_.end()) return;
    from->second->leaving = true;
    const auto heir = open_.find(to);
    auto channel = heir == open_.end() ? Result<std::pair<sys::UniqueFd, sys::UniqueFd>>(failed("nobody")) : sys::make_channel();
    if (!channel) {
        return tell(id, *from->second, model::OrderKind::leave);
    }
    // The one that takes first: it may be asked at once.
    tell(to, *heir->second, model::OrderKind::take, std::move(channel->first));
    tell(id, *from->second, model::OrderKind::give, std::move(channel->second), to);
}

// What is said once and not told again with each table waits until the worker reads.
void Workers::tell(std::uint64_t id, Open& open, model::OrderKind kind, sys::UniqueFd descriptor, std::uint64_t heir) {
    if (open.waiting.size() >= limits::worker_orders) return log_.error("worker {}: it does not read its orders", id);
    open.waiting.push_back({{kind, {}, heir}, std::move(descriptor)});
    static_cast<void>(send_waiting(open));
}

bool Workers::send_waiting(Open& open) {
    while (!open.waiting.empty()) {
        const Waiting& next = open.waiting.front();
        if (!send(open, next.order, next.descriptor.valid() ? std::vector{next.descriptor.get()} : std::vector<int>{})) return false;
        open.waiting.pop_front();
    }
    return true;
}

// --- the table ---

void Workers::settle(const model::State& state) {
    model::RouteTable wanted = plan::routes(state);
    wanted.revision = table_.revision;
    tickets_.settle(wanted, monotonic_now());
    wanted.tickets = tickets_.id();
    if (wanted != table_) {
        table_ = std::move(wanted);
        ++table_.revision;
        access_logs_.settle(table_);
        watch_calls();
        certificates_.settle(table_);
    }
    for (auto& [id, open] : open_) {
        if (send_waiting(*open) && open->sent != table_.revision) send_table(*open);
    }
}

// What the table names, by those names.
std::map<std::string, const sys::UniqueFd*> Workers::descriptors_for(const Open& open) const {
    std::map<std::string, const sys::UniqueFd*> named;
    for (const model::Entrance& entrance : table_.entrances) {
        // Of one that closes it has accepted who waited, and its copy would keep the address open.
        const bool closes = entrance.closing && entrance.protocol != model::Protocol::udp;
        if (!open.leaving && !closes) named[entrance.listener] = sockets_.find(entrance.listener);
        if (!entrance.access_log.empty()) named[entrance.access_log] = access_logs_.find(entrance.access_log);
        if (!entrance.tls || open.leaving) continue;
        for (const std::string& name : {model::certificate_of(entrance), model::key_of(entrance)}) named[name] = certificates_.find(name);
        named[model::tickets_of(table_)] = tickets_.find();
    }
    for (const model::PluginRef& plugin : table_.plugins) {
        if (plugin.quarantined.empty()) named[model::plugin_descriptor(plugin.fingerprint)] = plugins_.find(plugin.fingerprint);
    }
    return named;
}

// Those of them that it has not got: two sockets of one name need not be one socket.
std::map<std::string, const sys::UniqueFd*> Workers::missing(const Open& open) const {
    auto named = descriptors_for(open);
    std::erase_if(named, [&](const auto& entry) {
        if (entry.second == nullptr) return true;
        const auto has = open.has.find(entry.first);
        return has != open.has.end() && has->second == identify(*entry.second);
    });
    return named;
}

void Workers::send_table(Open& open) {
    constexpr std::size_t at_once = 200;
    model::Order fresh{model::OrderKind::listeners, {}};
    std::vector<int> descriptors;
    std::map<std::string, std::uint64_t> cookies;
    const auto send_fresh = [&] {
        if (!fresh.listeners.empty() && !send(open, fresh, descriptors)) return false;
        open.has.merge(cookies);
        cookies.clear();
        fresh.listeners.clear();
        descriptors.clear();
        return true;
    };
    for (const auto& [name, descriptor] : missing(open)) {
        open.has.erase(name);
        open.drops.erase(name);
        fresh.listeners.push_back(name);
        descriptors.push_back(descriptor->get());
        cookies[name] = identify(*descriptor);
        if (descriptors.size() == at_once && !send_fresh()) return;
    }
    table_.worker = open.id;
    auto memory = sys::sealed_memory("baton-routes", model::encode(table_));
    table_.worker = 0;
    if (!memory) return log_.error("the route table: {}; workers go on with the last one", memory.error().message());
    if (!send_fresh() || !send(open, {model::OrderKind::table, {}}, {memory->get()})) return;
    const auto named = descriptors_for(open);
    std::erase_if(open.has, [&](const auto& entry) {
        if (named.contains(entry.first)) return false;
        open.drops[entry.first] = table_.revision;
        return true;
    });
    open.sent = table_.revision;
}

std::vector<std::string> Workers::reopen_logs() {
    std::vector<std::string> problems = access_logs_.reopen();
    for (const model::Entrance& entrance : table_.entrances) {
        for (auto& [id, open] : open_) open->has.erase(entrance.access_log);
    }
    ++table_.revision;
    for (auto& [id, open] : open_) send_table(*open);
    return problems;
}

// One that does not read is told again soon, by look(); it is found hung if it goes on so.
bool Workers::send(Open& open, const model::Order& order, const std::vector<int>& descriptors) {
    return sys::send_message(open.channel_fd, model::encode(order), descriptors).has_value();
}

void Workers::wait(std::uint64_t id) {
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    found->second->channel.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, id](boost::system::error_code ec) {
        if (!ec) read(id);
    });
}

void Workers::read(std::uint64_t id) {
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    Open& open = *found->second;
    for (;;) {
        auto received = sys::receive_message(open.channel_fd);
        if (!received && received.error().code() == EAGAIN) break;
        if (!received || received->bytes.empty()) return;  // it has ended, which the keeper tells
        const auto confirmation = model::decode<model::Confirmation>(received->bytes);
        if (!confirmation) continue;
        const bool first = open.confirmed == 0;
        open.confirmed = std::max(open.confirmed, confirmation->revision);
        open.problems = confirmation->problems;
        open.closing = confirmation->closing;
        // What it could not load it may try again with the next table.
        if (!open.problems.empty()) std::erase_if(open.has, [](const auto& entry) { return entry.first.starts_with("plugin/"); });
        std::erase_if(open.drops, [&](const auto& entry) { return entry.second <= open.confirmed; });
        changed_();
        if (first) event_(model::WorkerReady{id});
        if (confirmation->leaving && !open.leaving) event_(model::WorkerLeaves{id});
        if (confirmation->lost_heir != 0) event_(model::WorkerLostHeir{id, confirmation->lost_heir});
    }
    wait(id);
}

// --- what they count ---

bool Workers::confirmed() const {
    return std::all_of(open_.begin(), open_.end(), [&](const auto& entry) {
        const Open& open = *entry.second;
        return open.leaving || open.confirmed == 0 || open.confirmed >= table_.revision;
    });
}

bool Workers::have(const std::string& listener) const {
    return std::any_of(open_.begin(), open_.end(), [&](const auto& entry) {
        const Open& open = *entry.second;
        // What another master gave it is not known until it serves by this one's table.
        return open.confirmed == 0 || open.has.contains(listener) || open.drops.contains(listener);
    });
}

bool Workers::drained(std::uint64_t instance, const std::string& service) const {
    // One that cannot be asked may still serve it.
    if (unknown_ > 0) return false;
    return std::all_of(open_.begin(), open_.end(), [&](const auto& entry) {
        const Open& open = *entry.second;
        const bool may_ask = std::any_of(table_.routes.begin(), table_.routes.end(), [&](const model::Route& route) {
            return route.service == service && std::find(open.closing.begin(), open.closing.end(), route.listener) != open.closing.end();
        });
        return open.confirmed >= table_.revision && open.counters->open_connections(instance) == 0 && !may_ask;
    });
}

void Workers::look(const model::State& state) {
    if (tickets_.due() <= monotonic_now()) settle(state);
    for (auto& [id, open] : open_) {
        if (send_waiting(*open) && (open->sent != table_.revision || !missing(*open).empty())) send_table(*open);
    }
    const Millis now = monotonic_now();
    // Where this process stood still, others did too: then silence proves nothing yet.
    const bool steady = now - std::exchange(looked_, now) < limits::worker_beat * 2;
    std::set<std::uint64_t> silent;
    for (const Worker& worker : state.gateway.workers) {
        const Millis beat = static_cast<Millis>(totals(worker.id).beat);
        if (worker.state == WorkerState::starting || beat == 0 || now - beat <= limits::worker_hang) continue;
        silent.insert(worker.id);
        if (steady && silent_.contains(worker.id)) event_(model::WorkerHung{worker.id});
    }
    silent_ = std::move(silent);
}

// --- calls of plugins ---

void Workers::watch_calls() {
    // Also one that is not in force any more: a worker may stand in it still.
    const bool any = !table_.plugins.empty() || std::any_of(open_.begin(), open_.end(), [this](const auto& entry) { return crumb(entry.first) != 0; });
    if (!any || std::exchange(watching_, true)) return;
    calls_looked_ = monotonic_now();
    calls_.expires_after(std::chrono::milliseconds(limits::plugin_call_look));
    calls_.async_wait([this](boost::system::error_code ec) {
        watching_ = false;
        if (ec) return;
        look_at_calls();
        watch_calls();
    });
}

void Workers::look_at_calls() {
    const Millis now = monotonic_now();
    // Where this process did not get its turn, the workers may not have had theirs.
    const bool steady = now - calls_looked_ < limits::plugin_call_look * 2;
    for (auto& [id, open] : open_) {
        const std::uint64_t called = crumb(id);
        const std::uint64_t calls = open->counters->crumb().calls.load(std::memory_order_relaxed);
        const auto call = static_cast<model::PluginCall>(called & model::breadcrumb_call_mask);
        const Millis most = call == model::PluginCall::pick || call == model::PluginCall::result ? limits::plugin_call : limits::plugin_build;
        Open::Stay& stay = open->stay;
        if (!steady || called == 0 || called != stay.crumb || calls != stay.calls) {
            stay = {called, calls, now, stay.told};
        } else if (now - stay.since >= most && !std::exchange(stay.told, true)) {
            event_(model::WorkerHung{id, called});
        }
    }
}

std::uint64_t Workers::crumb(std::uint64_t id) const {
    const auto found = open_.find(id);
    return found == open_.end() ? 0 : found->second->counters->crumb().plugin.load(std::memory_order_relaxed);
}

Workers::Followed Workers::followed() const {
    Followed result{unknown_ == 0, {}};
    for (const auto& [id, open] : open_) {
        if (open->leaving) continue;
        result.all = result.all && open->confirmed >= table_.revision;
        for (const std::string& problem : open->problems) result.problems.push_back(fmt::format("worker {}: {}", id, problem));
    }
    return result;
}

gateway::Totals Workers::totals(std::uint64_t id) const {
    const auto found = open_.find(id);
    return found == open_.end() ? gateway::Totals{} : found->second->counters->totals();
}

}  // namespace baton::engine
