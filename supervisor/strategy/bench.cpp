#include "strategy/bench.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/core.h>

#include "base/strategy_limits.h"
#include "strategy/options.h"

namespace baton::strategy {
namespace {

// What plugins log while they are tried is not kept: whoever is to read it is in another process.
void drop(void*, std::uint32_t, const char*, std::size_t) {}
constexpr baton_host silent_host{sizeof(baton_host), BATON_STRATEGY_MAJOR, BATON_STRATEGY_MINOR, nullptr, &drop};

std::string said(const baton_text& text) {
    return text.size == 0 || text.size > text.capacity ? "it gives no reason" : std::string(text.data, text.size);
}

}  // namespace

Result<Subject> Subject::create(const baton_factory& factory, const model::StrategyOptions& options) {
    const auto values = read_options(factory, options);
    if (!values) return values.error();
    std::array<char, limits::plugin_error_bytes> room{};
    baton_text error{room.data(), static_cast<std::uint32_t>(room.size()), 0};
    const baton_settings settings{sizeof(baton_settings), static_cast<std::uint32_t>(values->size()), sizeof(baton_option_value), 0,
                                  values->data(), &silent_host};
    const auto& table = *static_cast<const baton_balancer*>(factory.table);
    void* const balancer = table.create(&settings, &error);
    if (balancer == nullptr) return failed(fmt::format("create() refuses these options: {}", said(error)));
    return Subject(table, balancer);
}

Subject::Subject(Subject&& other) noexcept : table_(other.table_), balancer_(std::exchange(other.balancer_, nullptr)) {}

Subject::~Subject() {
    if (balancer_ != nullptr) table_->destroy(balancer_);
}

Bench::Bench(const Subject& subject, std::vector<TrialEndpoint> endpoints) : subject_(subject), endpoints_(std::move(endpoints)) {
    const std::uint32_t count = size();
    usable_.assign(count, 1);
    share_.assign(count, 1000);
    active_.assign(count, 0);
    tried_.assign(count / 64 + 1, 0);
    addresses_.resize(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const TrialEndpoint& endpoint = endpoints_[i];
        names_.push_back(fmt::format("trial/{}", endpoint.id));
        addresses_[i] = {192, 0, 2, static_cast<std::uint8_t>(endpoint.id)};
        raw_.push_back({endpoint.id, names_.back().c_str(), static_cast<std::uint32_t>(names_.back().size()), endpoint.weight, endpoint.flags,
                        endpoint.priority, endpoint.max_fails, 0, {addresses_[i].data(), 4, BATON_FAMILY_INET4, 80}});
    }
    live_ = {sizeof(baton_live), count, 1, usable_.data(), share_.data(), active_.data()};
}

Bench::~Bench() {
    if (state_ != nullptr) subject_.table().release(state_);
}

Result<void> Bench::build(const Bench* previous) {
    std::array<char, limits::plugin_error_bytes> room{};
    baton_text error{room.data(), static_cast<std::uint32_t>(room.size()), 0};
    const baton_pool pool{sizeof(baton_pool), size(), sizeof(baton_endpoint), 0, raw_.data(), &live_, now_us_, 1};
    state_ = subject_.table().build(subject_.balancer(), &pool, previous == nullptr ? nullptr : previous->state_, &error);
    if (state_ == nullptr) return failed(fmt::format("build() refuses {} endpoints: {}", size(), said(error)));
    if (previous != nullptr) now_us_ = previous->now_us_;
    return {};
}

void Bench::set_usable(std::uint32_t i, bool usable) {
    usable_[i] = usable ? 1 : 0;
    ++live_.revision;
}

void Bench::set_share(std::uint32_t i, std::uint32_t share) {
    share_[i] = share;
    ++live_.revision;
}

void Bench::set_tried(std::uint32_t i, bool tried) {
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    tried_[i / 64] = tried ? tried_[i / 64] | bit : tried_[i / 64] & ~bit;
    any_tried_ = std::any_of(tried_.begin(), tried_.end(), [](std::uint64_t word) { return word != 0; });
}

void Bench::clear_tried() {
    std::fill(tried_.begin(), tried_.end(), 0);
    any_tried_ = false;
}

baton_request Bench::request(std::uint64_t client) {
    now_us_ += 1'000;
    const std::uint64_t mixed = baton_mix(client);
    std::memcpy(key_.data(), &client, key_.size());
    std::memcpy(client_.data(), &mixed, client_.size());
    baton_request asked{};
    asked.size = sizeof(baton_request);
    asked.attempt = any_tried_ ? 1 : 0;
    asked.now_us = now_us_;
    asked.key = key_.data();
    asked.key_size = static_cast<std::uint32_t>(key_.size());
    asked.key_hash = baton_hash(key_.data(), key_.size());
    asked.tried = any_tried_ ? tried_.data() : nullptr;
    asked.client = {client_.data(), 4, BATON_FAMILY_INET4, 0};
    return asked;
}

std::uint32_t Bench::pick(std::uint64_t client) {
    const baton_request asked = request(client);
    return subject_.table().pick(state_, &asked);
}

std::uint32_t Bench::pick_for(const std::array<std::uint8_t, 4>& address) {
    baton_request asked = request(0);
    asked.client.bytes = address.data();
    return subject_.table().pick(state_, &asked);
}

void Bench::result(std::uint32_t index, std::uint32_t kind) {
    if (subject_.table().result == nullptr) return;
    const baton_outcome outcome{sizeof(baton_outcome), index, kind, 200, kind == BATON_OK ? 1'000U : BATON_UNKNOWN, 0, now_us_};
    subject_.table().result(state_, &outcome);
}

bool Bench::may_pick(std::uint32_t i) const {
    const bool tried = (tried_[i / 64] >> (i % 64) & 1U) != 0;
    return usable_[i] != 0 && endpoints_[i].weight > 0 && (endpoints_[i].flags & BATON_ENDPOINT_DOWN) == 0 && !tried;
}

bool Bench::left(bool backups) const {
    for (std::uint32_t i = 0; i < size(); ++i) {
        if (((endpoints_[i].flags & BATON_ENDPOINT_BACKUP) != 0) == backups && may_pick(i)) return true;
    }
    return false;
}

std::optional<std::string> Bench::fault(std::uint32_t picked) const {
    if (picked == BATON_NONE) return std::nullopt;
    if (picked >= size()) return fmt::format("it picks {}, and there are {} endpoints", picked, size());
    const TrialEndpoint& endpoint = endpoints_[picked];
    if (usable_[picked] == 0) return fmt::format("it picks endpoint {}, which is not usable", picked);
    if (endpoint.weight == 0) return fmt::format("it picks endpoint {}, whose weight is 0", picked);
    if ((endpoint.flags & BATON_ENDPOINT_DOWN) != 0) return fmt::format("it picks endpoint {}, which is down", picked);
    if (!may_pick(picked)) return fmt::format("it picks endpoint {}, which this request has tried in vain", picked);
    if ((endpoint.flags & BATON_ENDPOINT_BACKUP) != 0 && left(false)) {
        return fmt::format("it picks endpoint {}, a backup, while others are left", picked);
    }
    return std::nullopt;
}

}  // namespace baton::strategy
