#include "strategy/balancer.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "base/strategy_limits.h"
#include "strategy/addresses.h"
#include "strategy/descriptor.h"
#include "strategy/host.h"
#include "strategy/options.h"

namespace baton::strategy {
namespace {

using model::PluginCall;

// The plugin's name stands in the breadcrumb while this lives.
class Marked {
  public:
    Marked(model::Breadcrumb& crumb, std::uint64_t fingerprint, PluginCall call) : crumb_(crumb) {
        // One thread writes it.
        crumb_.calls.store(crumb_.calls.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        crumb_.plugin.store(fingerprint == 0 ? 0 : fingerprint | static_cast<std::uint64_t>(call), std::memory_order_relaxed);
    }
    ~Marked() { crumb_.plugin.store(0, std::memory_order_relaxed); }
    Marked(const Marked&) = delete;
    Marked& operator=(const Marked&) = delete;

  private:
    model::Breadcrumb& crumb_;
};

// Room for the reason of a refusal.
struct Words {
    std::array<char, limits::plugin_error_bytes> bytes;
    baton_text text{bytes.data(), static_cast<std::uint32_t>(bytes.size()), 0};

    std::string said() const {
        return text.size == 0 || text.size > bytes.size() ? "it gives no reason" : std::string(bytes.data(), text.size);
    }
};

// A plugin without the C++ layer may let an exception out; it shall not end a worker.
template <class Call>
auto shielded(const Call& call, decltype(call()) otherwise) -> decltype(call()) {
    try {
        return call();
    } catch (...) {
        return otherwise;
    }
}

class PluginBalancer : public model::Balancer {
  public:
    PluginBalancer(std::shared_ptr<const Plugin> plugin, const baton_factory& factory, model::Breadcrumb* crumb, PluginLog log)
        : plugin_(std::move(plugin)), table_(*static_cast<const baton_balancer*>(factory.table)), crumb_(crumb ? *crumb : no_crumb_),
          host_(factory.name, std::move(log)),
          origin_(fmt::format("{} {} ({})", factory.name, plugin_->descriptor().version, plugin_->file())) {}

    ~PluginBalancer() override {
        release(state_);
        if (balancer_ == nullptr) return;
        const Marked marked = mark(PluginCall::destroy);
        shielded([&] { table_.destroy(balancer_); return 0; }, 0);
    }

    Result<void> create(const std::vector<baton_option_value>& options) {
        Words words;
        const baton_settings settings{sizeof(baton_settings), static_cast<std::uint32_t>(options.size()), sizeof(baton_option_value), 0,
                                      options.data(), &host_.table()};
        const Marked marked = mark(PluginCall::create);
        balancer_ = shielded([&] { return table_.create(&settings, &words.text); }, nullptr);
        if (balancer_ == nullptr) return failed(words.said()).context(origin_ + " refuses its options");
        return {};
    }

    Result<void> assign(std::span<const model::Member> members, const model::LiveTable& live, std::int64_t now_us, std::uint64_t seed,
                        std::uint32_t worker) override;
    std::uint32_t pick(const model::PickRequest& request) override;
    void result(const model::Outcome& outcome) override;

    bool uses_key() const override { return (table_.uses & BATON_USES_KEY) != 0; }
    bool uses_client() const override { return (table_.uses & BATON_USES_CLIENT) != 0; }
    std::uint64_t faults() const override { return faults_; }
    const std::string& origin() const override { return origin_; }

  private:
    struct Known {
        bool pickable = false;  // of a weight, and not down
        bool backup = false;
    };
    // What the plugin reads at any time between assign() and release.
    struct Pooled {
        baton_live live{};
        std::vector<Known> known;
    };

    Marked mark(PluginCall call) { return {crumb_, plugin_->fingerprint(), call}; }
    void release(void* state);
    bool may_pick(std::uint32_t index, const std::uint64_t* tried) const;
    std::uint32_t instead(const std::uint64_t* tried);

    std::shared_ptr<const Plugin> plugin_;
    const baton_balancer& table_;
    model::Breadcrumb no_crumb_;
    model::Breadcrumb& crumb_;
    Host host_;
    std::string origin_;
    void* balancer_ = nullptr;
    void* state_ = nullptr;
    std::unique_ptr<Pooled> pool_;
    const model::LiveTable* live_ = nullptr;
    std::uint64_t random_ = 0;   // for requests without a key
    std::uint64_t faults_ = 0;
    std::uint32_t next_instead_ = 0;
};

void PluginBalancer::release(void* state) {
    if (state == nullptr) return;
    const Marked marked = mark(PluginCall::release);
    shielded([&] { table_.release(state); return 0; }, 0);
}

Result<void> PluginBalancer::assign(std::span<const model::Member> members, const model::LiveTable& live, std::int64_t now_us,
                                    std::uint64_t seed, std::uint32_t worker) {
    if (members.size() > BATON_MAX_ENDPOINTS) {
        return failed(fmt::format("{}: {} endpoints, the limit is {}", origin_, members.size(), BATON_MAX_ENDPOINTS));
    }
    CHECK(live.size() == members.size());
    auto pooled = std::make_unique<Pooled>();
    const auto count = static_cast<std::uint32_t>(members.size());
    pooled->live = {sizeof(baton_live), count, live.revision(), live.usable(), live.share(), live.active()};
    std::vector<AddressBytes> addresses;
    std::vector<baton_endpoint> endpoints;
    addresses.reserve(members.size());
    endpoints.reserve(members.size());
    for (const model::Member& member : members) {
        const bool pickable = !member.down && member.weight > 0;
        pooled->known.push_back({pickable, member.backup});
        addresses.push_back(bytes_of(member.address));
        std::uint32_t flags = 0;
        if (member.backup) flags |= BATON_ENDPOINT_BACKUP;
        if (member.down) flags |= BATON_ENDPOINT_DOWN;
        endpoints.push_back({member.id, member.name.c_str(), static_cast<std::uint32_t>(member.name.size()),
                             std::min<std::uint32_t>(member.weight, BATON_MAX_WEIGHT), flags, member.priority, member.max_fails, 0,
                             addresses.back().view(member.address)});
    }
    const baton_pool pool{sizeof(baton_pool), count, sizeof(baton_endpoint), worker, endpoints.data(), &pooled->live,
                          static_cast<std::uint64_t>(now_us), seed};
    Words words;
    void* built = nullptr;
    {
        const Marked marked = mark(PluginCall::build);
        built = shielded([&] { return table_.build(balancer_, &pool, state_, &words.text); }, nullptr);
    }
    if (built == nullptr) return failed(words.said()).context(origin_ + " refuses its endpoints");
    release(std::exchange(state_, built));
    pool_ = std::move(pooled);
    live_ = &live;
    random_ = baton_mix(seed);
    return {};
}

std::uint32_t PluginBalancer::pick(const model::PickRequest& request) {
    if (state_ == nullptr) return model::nobody;
    baton_request asked;
    asked.size = sizeof(baton_request);
    asked.attempt = request.attempt;
    asked.now_us = static_cast<std::uint64_t>(request.now_us);
    asked.key = request.key.empty() ? nullptr : request.key.data();
    asked.key_size = static_cast<std::uint32_t>(request.key.size());
    asked.key_hash = 0;
    if (uses_key()) asked.key_hash = request.key.empty() ? baton_mix(++random_) : baton_hash(request.key.data(), request.key.size());
    asked.reserved = 0;
    asked.tried = request.tried;
    asked.client = client_address(request.client);
    pool_->live.revision = live_->revision();

    std::uint32_t index = BATON_NONE;
    {
        const Marked marked = mark(PluginCall::pick);
        index = shielded([&] { return table_.pick(state_, &asked); }, BATON_NONE - 1);
    }
    if (index == BATON_NONE) return model::nobody;
    if (may_pick(index, request.tried)) return index;
    ++faults_;
    return instead(request.tried);
}

void PluginBalancer::result(const model::Outcome& outcome) {
    if (state_ == nullptr || table_.result == nullptr) return;
    CHECK(outcome.index < pool_->known.size());
    const std::uint32_t kind = outcome.kind == model::OutcomeKind::ok               ? BATON_OK
                               : outcome.kind == model::OutcomeKind::connect_failed ? BATON_CONNECT_FAILED
                                                                                    : BATON_FAILED;
    const baton_outcome told{sizeof(baton_outcome), outcome.index, kind, outcome.connect_us, outcome.response_us, 0,
                             static_cast<std::uint64_t>(outcome.now_us)};
    pool_->live.revision = live_->revision();
    const Marked marked = mark(PluginCall::result);
    shielded([&] { table_.result(state_, &told); return 0; }, 0);
}

bool PluginBalancer::may_pick(std::uint32_t index, const std::uint64_t* tried) const {
    if (index >= pool_->known.size() || !pool_->known[index].pickable || !live_->usable(index)) return false;
    return tried == nullptr || (tried[index / 64] >> (index % 64) & 1U) == 0;
}

// The next one in turn that may be picked, where the plugin named one that may not.
std::uint32_t PluginBalancer::instead(const std::uint64_t* tried) {
    const auto count = static_cast<std::uint32_t>(pool_->known.size());
    for (const bool backup : {false, true}) {
        for (std::uint32_t k = 0; k < count; ++k) {
            const std::uint32_t index = (next_instead_ + k) % count;
            if (pool_->known[index].backup != backup || !may_pick(index, tried)) continue;
            next_instead_ = index + 1;
            return index;
        }
    }
    return model::nobody;
}

}  // namespace

Result<std::unique_ptr<model::Balancer>> make_balancer(std::shared_ptr<const Plugin> plugin, std::string_view name,
                                                       const model::StrategyOptions& options, model::Breadcrumb* crumb, PluginLog log) {
    const baton_factory* factory = find_factory(plugin->descriptor(), BATON_KIND_BALANCER, name);
    if (factory == nullptr) return failed(fmt::format("{} has no balancer {}", plugin->file(), name));
    const auto values = read_options(*factory, options);
    if (!values) return values.error();
    auto balancer = std::make_unique<PluginBalancer>(std::move(plugin), *factory, crumb, std::move(log));
    if (auto made = balancer->create(*values); !made) return made.error();
    return std::unique_ptr<model::Balancer>(std::move(balancer));
}

}  // namespace baton::strategy
