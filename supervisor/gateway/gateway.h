// The data plane of one worker: listeners are accepted from, an instance is picked, bytes are moved, and
// connections go to another worker when this one ends. Everything it decides by is one route table, which
// is replaced whole.
//
// One thread. turn() waits for the kernel once and does what came of it; nothing else blocks.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "gateway/core.h"
#include "gateway/counters.h"
#include "gateway/door.h"
#include "gateway/handoff.h"
#include "gateway/http_plane.h"
#include "gateway/passing.h"
#include "gateway/pool.h"
#include "gateway/porch.h"
#include "gateway/tcp_plane.h"
#include "gateway/udp_plane.h"
#include "model/balancer.h"
#include "model/route_table.h"
#include "sys/readiness.h"

namespace baton::gateway {

class Gateway {
  public:
    // `batch`: where there is none each write is made by itself. `worker`: its number among its like. `strategies` outlives this object, as the log does.
    Gateway(sys::Epoll epoll, std::optional<sys::SendBatch> batch, Counters counters, model::BalancerSource& strategies, Log& log, std::uint32_t worker);

    // `handler` is called when there is something to read. Both outlive this object.
    Result<void> watch(const sys::UniqueFd& fd, std::function<void()> handler);

    // From here on connections are made by this table only. `descriptors`: what it has not had before of what the
    // table names: listening sockets by their names, access logs by their paths, certificates and keys
    // (model::certificate_of), and the keys of tickets (model::tickets_of).
    void follow(const model::RouteTable& table, std::map<std::string, sys::UniqueFd> descriptors);
    // Every connection goes to the worker at the other end, whose id is `heir`.
    void give(sys::UniqueFd channel, std::uint64_t heir);
    void take(sys::UniqueFd channel);
    // That worker, where it has ended or takes no more, and connections are here still; 0: none. Where it happens again
    // and again this says so at most every limits::lost_heir_told.
    std::uint64_t lost_heir() const;
    // Nobody new.
    void leave();

    void turn();
    bool leaving() const { return core_.leaving; }
    // It was told to leave, and nothing is left.
    bool finished() const;
    // Listeners that close, and have clients of http still.
    std::vector<std::string> closing() const;
    std::size_t open_sessions() const { return tcp_.count() + handoff_.count() + http_.count() + udp_.count() + porch_.count(); }

  private:
    void dispatch_all(std::span<const sys::Readiness> events);
    void dispatch(const sys::Readiness& event);
    void write_posted();
    void tell_late(std::uint64_t token);
    void accept_from(Door& door);
    int accept_one(Door& door);
    void accept_last(Door& door);
    void watch(Door& door);
    void enter(const std::shared_ptr<Door>& door, Stream client, const ClientAddress& address);
    void take_tickets(const model::RouteTable& table, const std::map<std::string, sys::UniqueFd>& descriptors);
    void take_credentials(Door& door, std::map<std::string, sys::UniqueFd>& descriptors);
    void settle_accepting();
    void stop_accepting(Door& door);
    void assign(const model::RouteTable& table);
    void on_time();
    int patience() const;

    void give_some();
    bool give_one();
    Millis next_giving() const;
    void watch_heir(bool for_room);
    void hear_heir();
    void arrived(const Passed& passed);
    void keep(Passed refused);
    void offer_again();
    void lose_heir(const std::string& why);
    Result<void> watch(const Taker& taker);
    void take_some(std::list<Taker>::iterator taker);
    void confirm(Taker& taker);
    void end_taking(std::list<Taker>::iterator taker, const Error& why);
    void serve(Taker& taker, std::size_t count);
    void drop(const Passed& passed);
    void take_one(Passed passed);

    Core core_;
    model::BalancerSource& strategies_;
    std::uint32_t worker_;
    Handoff handoff_;
    TcpPlane tcp_;
    HttpPlane http_;
    UdpPlane udp_;
    Porch porch_;
    std::size_t most_sessions_ = SIZE_MAX;  // until there is a table
    std::map<std::string, std::shared_ptr<Door>> doors_;  // by the listening socket's name
    std::map<std::pair<std::string, std::string>, std::shared_ptr<Pool>> pools_;  // by listening socket and service
    std::map<std::string, std::shared_ptr<AccessLog>> access_logs_;               // by path
    std::set<std::uint64_t> present_;  // endpoints of the table
    std::shared_ptr<TicketKeys> tickets_;  // of all credentials; null: there was no TLS yet
    bool own_tickets_ = false;             // its master had none for it
    // Doors that an event of this turn may still name.
    std::vector<std::shared_ptr<Door>> left_;
    std::vector<std::pair<const sys::UniqueFd*, std::function<void()>>> watched_;
    std::optional<Giver> giver_;
    std::optional<Giver> next_giver_;  // for when that one's heir is lost
    Millis give_at_ = 0;               // not before, unless there is news of the heir
    Millis offer_again_ = never;       // what was refused
    std::uint64_t lost_heir_ = 0;
    Millis lost_heir_due_ = 0;         // its master is not told earlier
    std::list<Taker> takers_;
    bool full_said_ = false;
};

}  // namespace baton::gateway
