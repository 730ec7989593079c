#include "worker/worker.h"

#include <csignal>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/gateway_limits.h"
#include "base/log.h"
#include "gateway/counters.h"
#include "gateway/gateway.h"
#include "model/codec.h"
#include "model/route_table.h"
#include "strategy/image.h"
#include "strategy/library.h"
#include "strategy/plugin.h"
#include "sys/channel.h"
#include "sys/readiness.h"
#include "sys/send_batch.h"
#include "sys/process.h"

namespace baton::worker {
namespace {

constexpr int channel_descriptor = 3;
constexpr int counters_descriptor = 4;
constexpr int image_descriptor = 5;

class Worker {
  public:
    Worker(Log& log, sys::Epoll epoll, std::optional<sys::SendBatch> batch, gateway::Counters counters, sys::UniqueFd channel, sys::UniqueFd signals)
        : log_(log),
          channel_(std::move(channel)),
          signals_(std::move(signals)),
          crumb_(counters.crumb()),
          strategies_(&crumb_, [&log](LogLevel level, std::string_view plugin, std::string_view line) { log.write(level, plugin, line); }),
          gateway_(std::move(epoll), std::move(batch), std::move(counters), strategies_, log, number()) {}

    int run() {
        const auto by_master = gateway_.watch(channel_, [this] { read_orders(); });
        const auto by_signal = gateway_.watch(signals_, [this] { read_signals(); });
        if (!by_master || !by_signal) {
            log_.error("{}", (by_master ? by_signal : by_master).error().message());
            return 1;
        }
        while (!ended_ && !gateway_.finished()) {
            gateway_.turn();
            tell_changes();
        }
        return status_;
    }

  private:
    // Among its like: neighbours begin with different endpoints.
    static std::uint32_t number() {
        const char* text = std::getenv("BATON_WORKER");
        return text == nullptr ? 0 : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
    }

    void end(int status) {
        ended_ = true;
        status_ = status;
    }

    void read_orders() {
        while (!ended_) {
            auto received = sys::receive_message(channel_);
            if (!received && received.error().code() == EAGAIN) return;
            // The keeper holds the other end too: where that is gone, nobody replaces this worker.
            if (!received || received->bytes.empty()) return end(1);
            const auto order = model::decode<model::Order>(received->bytes);
            if (!order) {
                log_.error("an order cannot be read: {}", order.error().message());
                continue;
            }
            obey(*order, std::move(received->descriptors));
        }
    }

    void obey(const model::Order& order, std::vector<sys::UniqueFd> descriptors) {
        switch (order.kind) {
            case model::OrderKind::listeners:
                for (std::size_t i = 0; i < std::min(order.listeners.size(), descriptors.size()); ++i) {
                    listeners_[order.listeners[i]] = std::move(descriptors[i]);
                }
                return;
            case model::OrderKind::table:
                if (!descriptors.empty()) follow(descriptors.front());
                return;
            case model::OrderKind::give:
                if (!descriptors.empty()) gateway_.give(std::move(descriptors.front()), order.heir);
                return;
            case model::OrderKind::take:
                if (!descriptors.empty()) gateway_.take(std::move(descriptors.front()));
                return;
            case model::OrderKind::leave: return gateway_.leave();
        }
    }

    void follow(const sys::UniqueFd& file) {
        const auto bytes = sys::read_all(file, limits::route_table_bytes);
        const auto table = bytes ? model::decode<model::RouteTable>(*bytes) : Result<model::RouteTable>(bytes.error());
        // The one before stays in force, and is not confirmed again.
        if (!table) return log_.error("a route table cannot be read: {}", table.error().message());
        learn(table->plugins);
        gateway_.follow(*table, std::exchange(listeners_, {}));
        revision_ = table->revision;
        confirm();
    }

    // Balancers are made of these plugins from here on. Where one cannot be loaded, those before it go on.
    void learn(const std::vector<model::PluginRef>& wanted) {
        problems_.clear();
        std::map<std::uint64_t, std::shared_ptr<const strategy::Plugin>> known = std::exchange(plugins_, {});
        std::vector<std::uint64_t> present;
        for (const model::PluginRef& ref : wanted) {
            present.push_back(ref.fingerprint);
            if (!ref.quarantined.empty()) {
                strategies_.quarantine(ref.fingerprint, ref.strategies);
                continue;
            }
            const auto before = known.find(ref.fingerprint);
            auto plugin = before == known.end() ? load(ref) : Result<std::shared_ptr<const strategy::Plugin>>(before->second);
            if (plugin) {
                strategies_.add(*plugin, ref.strategies);
                plugins_[ref.fingerprint] = std::move(*plugin);
            } else {
                problems_.push_back(plugin.error().message());
                log_.error("{}; what was there before goes on", problems_.back());
            }
        }
        if (problems_.empty()) return strategies_.keep(present);
        plugins_.merge(known);
    }

    Result<std::shared_ptr<const strategy::Plugin>> load(const model::PluginRef& ref) {
        const auto file = listeners_.find(model::plugin_descriptor(ref.fingerprint));
        if (file == listeners_.end()) return failed(ref.file + ": its bytes have not come");
        auto image = strategy::take_image(ref.file, std::move(file->second));
        listeners_.erase(file);
        if (!image) return image.error();
        const auto unloaded = [this](const std::string& name, bool gone) {
            if (!gone) log_.warning("{} is not used any more, and stays in the process nevertheless", name);
        };
        // It runs what the plugin does before main().
        crumb_.plugin.store(ref.fingerprint | static_cast<std::uint64_t>(model::PluginCall::load), std::memory_order_relaxed);
        auto plugin = strategy::Plugin::load(std::move(*image), unloaded);
        crumb_.plugin.store(0, std::memory_order_relaxed);
        return plugin;
    }

    void tell_changes() {
        const std::uint64_t lost = gateway_.lost_heir();
        const bool lost_one = std::exchange(lost_heir_, lost) != lost && lost != 0;
        // Who has just come to one that closes was counted by the giver, or is told at once: fewer are news.
        if (lost_one || (!closing_.empty() && gateway_.closing() != closing_)) confirm();
    }

    void confirm() {
        closing_ = gateway_.closing();
        const auto told = sys::send_message(channel_, model::encode(model::Confirmation{revision_, gateway_.leaving(), problems_, lost_heir_, closing_}));
        if (!told) log_.error("confirm revision {}: {}", revision_, told.error().message());
    }

    void read_signals() {
        while (const auto taken = sys::take_signal(signals_)) {
            if (taken->signal == SIGTERM || taken->signal == SIGINT) return end(0);
            if (taken->signal != SIGQUIT) continue;
            gateway_.leave();
            confirm();
            // USR1 reopens logs; this one's are its master's.
        }
    }

    Log& log_;
    sys::UniqueFd channel_;
    sys::UniqueFd signals_;
    model::Breadcrumb& crumb_;  // in the counters
    std::map<std::uint64_t, std::shared_ptr<const strategy::Plugin>> plugins_;  // of the present table, by their fingerprints
    strategy::Library strategies_;
    gateway::Gateway gateway_;
    std::map<std::string, sys::UniqueFd> listeners_;  // until the table that needs them is here
    std::uint64_t revision_ = 0;
    std::vector<std::string> problems_;  // of the present table's plugins
    std::uint64_t lost_heir_ = 0;        // as it was told
    std::vector<std::string> closing_;   // the same
    bool ended_ = false;
    int status_ = 0;
};

}  // namespace

int run() {
    sys::set_name("batond");
    sys::block_all_signals();
    ::unsetenv("BATON_ROLE");
    Log log("worker");
    static_cast<void>(log.open("", LogFormat::bare, LogLevel::info));
    sys::UniqueFd channel(channel_descriptor);
    sys::UniqueFd counters_file(counters_descriptor);
    sys::UniqueFd(image_descriptor).reset();
    for (const int descriptor : {channel_descriptor, counters_descriptor}) static_cast<void>(sys::keep_across_exec(descriptor, false));
    const auto give_up = [&log](const Error& error) {
        log.error("{}", error.message());
        return 1;
    };
    if (const auto sealed = sys::refuse_new_privileges(); !sealed) return give_up(sealed.error());
    // Where all cores are busy, a worker that interrupts a client or an instance for each packet takes its own work in
    // smaller pieces, and costs a quarter more. On a core that is idle it makes no difference.
    static_cast<void>(sys::prefer_throughput());
    auto counters = gateway::Counters::open(counters_file);
    if (!counters) return give_up(counters.error());
    auto epoll = sys::Epoll::create(limits::gateway_events);
    if (!epoll) return give_up(epoll.error());
    auto signals = sys::signal_descriptor({SIGTERM, SIGINT, SIGQUIT, SIGUSR1});
    if (!signals) return give_up(signals.error());
    // Without it the worker makes its writes one by one.
    auto batch = sys::SendBatch::create(limits::posted_writes);
    return Worker(log, std::move(*epoll), batch ? std::optional(std::move(*batch)) : std::nullopt, std::move(*counters), std::move(channel), std::move(*signals)).run();
}

}  // namespace baton::worker
