// The endpoints that one route leads to, and who is next: the strategy picks among those that are usable, and
// hears how it went.
//
// One thread. Endpoints are told apart by their ids, as they change places when a table is replaced.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "gateway/counters.h"
#include "gateway/stream.h"
#include "model/balancer.h"
#include "model/live_table.h"
#include "model/passive_health.h"
#include "model/route_table.h"
#include "sys/sockaddr.h"

namespace baton::gateway {

// Who connects, in the two forms that are needed of it.
struct ClientAddress {
    explicit ClientAddress(const sys::SocketAddress& address);
    // Of 0 (a unix socket), 4 or 16 bytes.
    ClientAddress(std::span<const std::uint8_t> raw, std::uint16_t from_port);
    ClientAddress() = default;
    std::string text = "unix:";             // numeric, without a port
    std::array<std::uint8_t, 16> bytes{};   // in network order
    std::uint8_t size = 0;                  // 0, 4 or 16
    std::uint16_t port = 0;
    // Where it had connected to, as the PROXY header has said that told all this; of the same size. Not ours to change
    // for who comes after.
    bool announced = false;
    std::uint16_t to_port = 0;
    std::array<std::uint8_t, 16> to{};
};

// Where a client of ours has connected to.
ClientAddress local_address(const Stream& stream);

// What a choice depends on, beside who has been tried.
struct Pick {
    ClientAddress client;
    std::string key;     // what the strategy hashes, where it does
    ClientAddress here;  // where it connected to, where a PROXY header is to tell it
};

class Pool {
  public:
    struct Peer {
        std::uint64_t id = 0;
        sys::SocketAddress address;
        std::uint64_t* counter = nullptr;
        std::string name;  // "web/1"
        bool down = false;
        Millis since = 0;
        bool handoff = false;
    };

    // `worker`: its number, so that workers do not begin with the same endpoint.
    Pool(std::string listener, model::BalancerSource& source, std::uint32_t worker, Log& log);
    const std::string& listener() const { return listener_; }

    // Takes the route's endpoints and its strategy; what those that stay have gathered is kept.
    void assign(const model::Route& route, Counters& counters, Millis now);
    // The table knows it no more: nobody is picked, and how earlier picks went is of no interest.
    void leave();
    bool gone() const { return gone_; }
    // There is nobody, and there will be nobody.
    bool over() const { return gone_ || (rules_.closing && takers_ == 0); }

    // Nobody takes anybody new.
    bool empty() const { return takers_ == 0; }
    std::size_t size() const { return peers_.size(); }
    // Null: there is nobody who was not tried. `tried`: endpoints that are not to be picked again.
    const Peer* pick(const Pick& pick, std::span<const std::uint64_t> tried, Millis now);
    bool has(std::uint64_t endpoint) const { return index_.contains(endpoint); }
    // Whether a client that is bound to it may go on there.
    bool serves(std::uint64_t endpoint) const {
        const auto found = index_.find(endpoint);
        return gone_ ? false : found != index_.end() ? !peers_[found->second].down : keeps(endpoint);
    }
    // It takes nobody new, and who has been there stays.
    bool keeps(std::uint64_t endpoint) const { return std::find(draining_.begin(), draining_.end(), endpoint) != draining_.end(); }
    bool keeps_anybody() const { return !draining_.empty(); }
    // What the strategy's key is of; empty: it has no need for one.
    const std::string& key() const { return key_; }

    // How a pick went. Endpoints that have left are passed over.
    void started(std::uint64_t endpoint);
    void finished(std::uint64_t endpoint);
    void succeeded(std::uint64_t endpoint, Millis now, std::uint32_t response_us = model::unknown_us);
    void failed(std::uint64_t endpoint, Millis now, bool connecting);
    // It could not be connected to for a reason that is not its own: told, and counted against nobody.
    void not_reached(const Peer& peer, int error, Millis now);

    // Whether another endpoint may be tried for this reason.
    bool may_retry(model::RetryOn reason) const;
    const model::Route& rules() const { return rules_; }
    const std::vector<Peer>& peers() const { return peers_; }

  private:
    void choose_balancer(const model::BalanceSpec& spec);
    void take(std::unique_ptr<model::Balancer> balancer, const model::BalanceSpec& spec);
    void count_faults();
    bool may_warn(Millis now);
    void refresh(Millis now);
    std::uint32_t pick_index(const Pick& pick, std::span<const std::uint64_t> tried, Millis now);

    std::string listener_;
    model::BalancerSource& source_;
    std::uint32_t worker_;
    Log& log_;
    model::Route rules_;  // without its endpoints
    std::vector<Peer> peers_;
    std::unordered_map<std::uint64_t, std::uint32_t> index_;
    std::unique_ptr<model::Balancer> balancer_;
    std::uint64_t origin_ = 0;  // of its code, as the source says
    std::uint64_t faults_ = 0;  // that were counted
    Totals* totals_ = nullptr;
    model::LiveTable live_;
    model::PassiveHealth health_;
    std::string key_;
    std::size_t takers_ = 0;
    Millis refresh_at_ = never;  // somebody who is out may be tried again, or has a larger share
    std::vector<std::uint64_t> tried_bits_;
    Millis warned_ = 0;  // of failing instances
    bool gone_ = false;
    std::vector<std::uint64_t> draining_;
};

}  // namespace baton::gateway
