// All connections to instances that HTTP uses, and the idle ones of each endpoint.
//
// One thread; it owns the links. An idle one is taken again the latest first, so that those beyond what the
// traffic needs grow old and are closed.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "gateway/core.h"
#include "gateway/link.h"
#include "gateway/pool.h"

namespace baton::gateway {

class Links {
  public:
    explicit Links(Core& core) : core_(core) {}
    Core& core() { return core_; }

    // An idle one to the endpoint, or null.
    Link* take_idle(const Pool::Peer& peer);
    // A new one; null: `error` says why the connection could not even be begun. It is busy if it was made at once.
    Link* connect(const Pool::Peer& peer, int& error);
    // Its exchange is over, and it may serve another for so long. `most`: idle ones to keep for an endpoint.
    void park(Link& link, Millis wait, std::size_t most);
    void close(Link& link);
    // The stream and what is not yet written go to somebody else; the link ends. Its connection stays counted.
    struct Parted {
        Stream stream;
        std::unique_ptr<Unsent> unsent;
        std::uint64_t endpoint = 0;
        std::uint64_t* counter = nullptr;
        bool readable = false;
        bool ending = false;
    };
    Parted part(Link& link);
    // The endpoint has left the table.
    void forget(std::uint64_t endpoint);
    void close_idle();
    std::size_t count() const { return all_.size(); }

  private:
    void leave_idle(Link& link);
    void uncount(Link& link);
    void end(Link& link);

    Core& core_;
    std::vector<std::unique_ptr<Link>> all_;
    std::unordered_map<std::uint64_t, std::vector<Link*>> idle_;  // by endpoint; the latest is the last
};

}  // namespace baton::gateway
