#include "gateway/http_plane.h"

#include <algorithm>

namespace baton::gateway {

void HttpPlane::add(const std::shared_ptr<Door>& door, Stream stream, ClientAddress address, std::string read) {
    auto client = std::make_unique<HttpClient>(*this, door, std::move(stream), std::move(address), std::move(read));
    client->index = static_cast<std::uint32_t>(clients_.size());
    HttpClient& added = *clients_.emplace_back(std::move(client));
    core_.totals.open = clients_.size();
    added.start();
}

void HttpPlane::remove(HttpClient& client) {
    const std::uint32_t index = client.index;
    auto record = std::move(clients_[index]);
    if (index + 1U < clients_.size()) {
        clients_[index] = std::move(clients_.back());
        clients_[index]->index = index;
    }
    clients_.pop_back();
    core_.end(std::move(record));
}

void HttpPlane::leave() {
    for (std::size_t i = clients_.size(); i-- > 0;) clients_[i]->leave();
}

HttpClient* HttpPlane::idle_client() {
    const auto found = std::find_if(clients_.rbegin(), clients_.rend(), [](const auto& client) { return client->is_between(); });
    return found == clients_.rend() ? nullptr : found->get();
}

}  // namespace baton::gateway
