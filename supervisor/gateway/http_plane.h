// HTTP in one worker: its clients, their exchanges, and the connections to instances.
//
// It owns the clients. Connections that become tunnels (WebSocket and others) leave it for `Tunnels`, who
// treats them as any stream.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/core.h"
#include "gateway/door.h"
#include "gateway/exchange.h"
#include "gateway/client.h"
#include "gateway/http_client.h"

namespace baton::gateway {

// A connection whose protocol has changed, with what each side is still to be sent.
struct Tunnel {
    Stream client;
    std::unique_ptr<Unsent> for_client;
    Links::Parted instance;
    std::string for_instance;
    std::shared_ptr<Pool> pool;
};

class HttpPlane {
  public:
    HttpPlane(Core& core, std::function<void(Tunnel)> on_tunnel) : core_(core), exchanges_(core), on_tunnel_(std::move(on_tunnel)) {}

    Core& core() { return core_; }
    Exchanges& exchanges() { return exchanges_; }
    http::RequestHead& request_head() { return request_head_; }

    void add(const std::shared_ptr<Door>& door, Stream stream, ClientAddress address);
    void add(std::unique_ptr<Client> client);
    // From another worker.
    void take(const std::shared_ptr<Door>& door, Passed passed);
    void offer_again();
    // Its record lives until the turn is over.
    void remove(Client& client);
    void tunnel(Tunnel tunnel) { on_tunnel_(std::move(tunnel)); }

    std::size_t count() const { return clients_.size(); }
    // Nobody new: who is there is told with the next response. `passing`: only who cannot go to another worker.
    void leave(bool passing = false);
    // The same for those who came by a door that closes.
    void leave(const Door& door);
    // One whose request is not under way, for another worker; null: there is none now.
    Client* idle_client();

    Millis next() const { return exchanges_.next(); }
    void on_time() { exchanges_.on_time(); }

  private:
    Core& core_;
    Exchanges exchanges_;
    std::function<void(Tunnel)> on_tunnel_;
    http::RequestHead request_head_;  // its storage is reused
    std::vector<std::unique_ptr<Client>> clients_;
    bool passing_ = false;  // it leaves, and who can goes to another worker
};

}  // namespace baton::gateway
