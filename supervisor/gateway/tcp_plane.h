// Streams in one worker: each client's connection is one to an instance, and bytes go both ways until both
// have sent their last. Tunnels that began as HTTP requests are streams from then on.
//
// One thread; it owns the sessions.
#pragma once

#include <memory>
#include <vector>

#include "gateway/core.h"
#include "gateway/handoff.h"
#include "gateway/http_plane.h"
#include "gateway/passing.h"
#include "gateway/relay.h"
#include "gateway/session.h"

namespace baton::gateway {

class TcpPlane {
  public:
    TcpPlane(Core& core, Handoff& handoff) : core_(core), relay_(core), handoff_(handoff) {}

    // `careful`: one short read may not be all that is there (a unix client).
    void accept(std::shared_ptr<Pool> pool, Stream client, const ClientAddress& address, bool careful);
    // One whose instance has ended before it took it.
    void take_back(std::shared_ptr<Pool> pool, Guest guest);
    void add_tunnel(Tunnel tunnel);
    // From another worker: relaying, or still without an instance.
    void take(Passed passed, std::shared_ptr<Pool> pool);
    // One under TLS stays: nobody else can go on with it. So does for now what another worker could not take.
    bool can_give() const;
    // The last one that can, for another worker; there must be one.
    Passed give();
    void offer_again();

    void on_ready(Session& session, Side side, const sys::Readiness& event);
    void on_deadline(Session& session);
    // Those that had their turn and have more.
    void run_again();
    // Not all that was posted to this side was taken.
    void late(Session& session, Side side);
    bool busy() const { return !again_.empty(); }
    // When those that wait for an instance are tried again.
    Millis next() const { return waiting_.empty() ? never : next_retry_; }
    void on_time();
    void retry_now() { next_retry_ = core_.now; }
    // The worker leaves, and has nobody to give its connections to: it waits for nobody whose instance is done.
    void leave();
    void forget_ended() { ended_.clear(); }

    std::size_t count() const { return sessions_.size(); }

  private:
    using Waiting = boost::intrusive::list<Session, boost::intrusive::constant_time_size<false>,
                                           boost::intrusive::member_hook<Session, boost::intrusive::list_member_hook<AutoUnlink>, &Session::waiting>>;

    static bool may_go(const Session& session);
    Session& add();
    bool watch(const Session& session, Side side);
    void connect(Session& session);
    bool hand(Session& session, const Pool::Peer& peer);
    void connected(Session& session);
    bool introduce(Session& session);
    void unreachable(Session& session);
    void give_up(Session& session);
    void wait_for_instance(Session& session);
    void move(Session& session, Side side);
    void conclude(Session& session, Side moved, Relay::Outcome outcome);
    void settle_deadline(Session& session);
    void close(Session& session, bool broken);
    void detach(Session& session);
    void uncount(Session& session);

    Core& core_;
    Relay relay_;
    Handoff& handoff_;
    std::vector<std::unique_ptr<Session>> sessions_;
    // Those that ended in this turn: an event that was fetched with theirs may still name them.
    std::vector<std::unique_ptr<Session>> ended_;
    std::vector<std::pair<Session*, Side>> again_;
    Waiting waiting_;
    Millis next_retry_ = never;
    bool leaving_ = false;
};

}  // namespace baton::gateway
