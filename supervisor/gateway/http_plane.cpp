#include "gateway/http_plane.h"

#include <algorithm>

#include "gateway/h2_client.h"
#include "gateway/roll.h"

namespace baton::gateway {

void HttpPlane::add(const std::shared_ptr<Door>& door, Stream stream, ClientAddress address) {
    if (stream.speaks_http2()) return add(std::make_unique<H2Client>(*this, door, std::move(stream), std::move(address), std::string()));
    add(std::make_unique<HttpClient>(*this, door, std::move(stream), std::move(address), std::string()));
}

// What was read of it is what no instance was sent.
void HttpPlane::take(const std::shared_ptr<Door>& door, Passed passed) {
    std::string read;
    if (passed.upstream.unsent) read.assign(passed.upstream.unsent->bytes.begin(), passed.upstream.unsent->bytes.end());
    auto client = std::make_unique<HttpClient>(*this, door, std::move(passed.client.stream), passed.address, std::move(read));
    client->refused = passed.refused;
    add(std::move(client));
}

void HttpPlane::offer_again() {
    for (const auto& client : clients_) client->refused = false;
}

void HttpPlane::add(std::unique_ptr<Client> client) {
    client->index = static_cast<std::uint32_t>(clients_.size());
    Client& added = *clients_.emplace_back(std::move(client));
    ++added.door().clients;
    // Who came while the others were told, or speaks another version since, is told now.
    const bool told = core_.leaving && (!passing_ || !added.can_pass() || added.refused);
    if (told || added.door().closes()) added.leave();
    added.start();
}

void HttpPlane::remove(Client& client) {
    --client.door().clients;
    core_.end(take_out(clients_, client));
}

void HttpPlane::leave(const Door& door) {
    for (std::size_t i = clients_.size(); i-- > 0;) {
        if (&clients_[i]->door() == &door) clients_[i]->leave();
    }
}

void HttpPlane::leave(bool passing) {
    passing_ = passing;
    for (std::size_t i = clients_.size(); i-- > 0;) {
        if (!passing || !clients_[i]->can_pass()) clients_[i]->leave();
    }
}

Client* HttpPlane::idle_client() {
    const auto found = std::find_if(clients_.rbegin(), clients_.rend(), [](const auto& client) { return client->is_between() && !client->refused; });
    return found == clients_.rend() ? nullptr : found->get();
}

}  // namespace baton::gateway
