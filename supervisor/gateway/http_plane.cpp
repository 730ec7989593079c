#include "gateway/http_plane.h"

#include <algorithm>

#include "gateway/h2_client.h"
#include "gateway/roll.h"

namespace baton::gateway {

void HttpPlane::add(const std::shared_ptr<Door>& door, Stream stream, ClientAddress address, std::string read) {
    if (stream.speaks_http2()) return add(std::make_unique<H2Client>(*this, door, std::move(stream), std::move(address), std::move(read)));
    add(std::make_unique<HttpClient>(*this, door, std::move(stream), std::move(address), std::move(read)));
}

void HttpPlane::add(std::unique_ptr<Client> client) {
    client->index = static_cast<std::uint32_t>(clients_.size());
    Client& added = *clients_.emplace_back(std::move(client));
    // Who came while the others were told, or speaks another version since, is told now.
    if (core_.leaving && (!passing_ || !added.can_pass())) added.leave();
    added.start();
}

void HttpPlane::remove(Client& client) {
    core_.end(take_out(clients_, client));
}

void HttpPlane::leave(bool passing) {
    passing_ = passing;
    for (std::size_t i = clients_.size(); i-- > 0;) {
        if (!passing || !clients_[i]->can_pass()) clients_[i]->leave();
    }
}

Client* HttpPlane::idle_client() {
    const auto found = std::find_if(clients_.rbegin(), clients_.rend(), [](const auto& client) { return client->is_between(); });
    return found == clients_.rend() ? nullptr : found->get();
}

}  // namespace baton::gateway
