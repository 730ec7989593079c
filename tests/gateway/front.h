// One gateway whose listener "web" leads to one instance, child 7: what the tests of HTTP and of TLS begin with.
// What it shall be like is changed first, and follow() tells the gateway.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loop.h"

namespace baton::gateway {

class Front : public Loop {
  protected:
    Front();
    // A gateway with the listener's socket; the one before it, if any, goes on without the test.
    void begin(std::map<std::string, sys::UniqueFd> descriptors = {});
    // The next table: the listener and the routes as they are now.
    void follow(std::map<std::string, sys::UniqueFd> descriptors = {});
    // What arrives at the instance.
    std::unique_ptr<Wire> accepted();

    // Turns of the gateway and of a peer, which has a wire and a turn of its own, until it is so.
    template <class Peer>
    bool meets(Peer& peer, const std::function<bool()>& so) {
        bool is_so = false;
        static_cast<void>(until([&] {
            peer.turn();
            is_so = so();
            return is_so || peer.wire.error != 0;
        }));
        return is_so;
    }
    template <class Peer>
    std::unique_ptr<Wire> accepted(Peer& peer) {
        std::unique_ptr<Wire> wire;
        EXPECT_TRUE(meets(peer, [&] { return (wire = instance_.accept()) != nullptr; }));
        return wire;
    }

    Listening front_ = listen_tcp();
    Listening instance_ = listen_tcp();
    model::Entrance entrance_;
    model::HttpSpec& rules_ = entrance_.http;
    std::vector<model::Route> routes_{route("web", {{7, instance_.address}})};
    model::RouteTable table_;
    Running* gateway_ = nullptr;
};

}  // namespace baton::gateway
