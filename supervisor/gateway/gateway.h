// The data plane of one worker: listeners are accepted from, an instance is picked, bytes are moved, and
// connections go to another worker when this one ends. Everything it decides by is one route table, which
// is replaced whole.
//
// One thread. turn() waits for the kernel once and does what came of it; nothing else blocks.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "gateway/counters.h"
#include "gateway/passing.h"
#include "gateway/pool.h"
#include "gateway/relay.h"
#include "gateway/session.h"
#include "model/route_table.h"
#include "sys/readiness.h"

namespace baton::gateway {

class Gateway {
  public:
    // `offset`: which of the endpoints is first picked; different for each worker.
    Gateway(sys::Epoll epoll, Counters counters, Log& log, std::size_t offset);
    ~Gateway();

    // `handler` is called when there is something to read. Both outlive this object.
    Result<void> watch(const sys::UniqueFd& fd, std::function<void()> handler);

    // From here on connections are made by this table only. `listeners`: the sockets it has not had before.
    void follow(const model::RouteTable& table, std::map<std::string, sys::UniqueFd> listeners);
    // Every connection goes to the worker at the other end.
    void give(sys::UniqueFd channel);
    void take(sys::UniqueFd channel);
    // Nobody new.
    void leave();

    void turn();
    bool leaving() const { return leaving_; }
    // It was told to leave, and nothing is left.
    bool finished() const;
    std::size_t open_sessions() const { return sessions_.size(); }

  private:
    void dispatch(const sys::Readiness& event);
    void on_session(Session& session, Side side, const sys::Readiness& event);
    void accept_from(Pool& pool);
    bool watch(const Session& session, Side side);
    void settle_accepting();
    void stop_accepting(Pool& pool);

    Session& add(Session session);
    void connect(Session& session);
    void connected(Session& session);
    void unreachable(Session& session);
    void wait_for_instance(Session& session);
    void move(Session& session, Side side);
    void conclude(Session& session, Side moved, Relay::Outcome outcome);
    void close(Session& session, bool broken);
    void detach(Session& session);
    void uncount(Session& session);

    Millis half_closed_wait() const;
    void queue(Session& session, std::list<Session*>& queue, Millis wait);
    void unqueue(Session& session);
    void on_time();
    void retry_waiting();
    int patience() const;

    void give_some();
    void hear_heir();
    void arrived();
    void lose_heir(const std::string& why);
    void take_some(std::list<Taker>::iterator taker);

    sys::Epoll epoll_;
    Counters counters_;
    Totals& totals_;
    Log& log_;
    Relay relay_;
    std::size_t offset_;
    std::size_t most_sessions_ = SIZE_MAX;  // until there is a table
    Millis now_;
    std::map<std::string, std::unique_ptr<Pool>> pools_;
    std::set<std::uint64_t> present_;  // endpoints of the table
    std::vector<std::unique_ptr<Session>> sessions_;
    // Those that ended in this turn: an event that was fetched with theirs may still name them.
    std::vector<std::unique_ptr<Session>> ended_;
    std::vector<std::unique_ptr<Pool>> left_;
    std::vector<std::pair<Session*, Side>> again_;
    // Those with a deadline, the earliest first: each list has one length of wait.
    std::list<Session*> connecting_;
    std::list<Session*> waiting_;
    std::list<Session*> half_closed_;
    Millis next_retry_ = never;
    std::vector<std::pair<const sys::UniqueFd*, std::function<void()>>> watched_;
    std::optional<Giver> giver_;
    sys::UniqueFd next_heir_;
    // The counters of what was given and the other worker has not confirmed yet.
    std::deque<std::uint64_t*> on_their_way_;
    std::list<Taker> takers_;
    bool leaving_ = false;
    bool full_said_ = false;
};

}  // namespace baton::gateway
