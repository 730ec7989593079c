#include "gateway/porch.h"

#include <array>
#include <cerrno>
#include <utility>

#include "base/http_limits.h"
#include "gateway/proxy_header.h"
#include "gateway/roll.h"

namespace baton::gateway {

using sys::Epoll;

class Porch::Arrival final : public Handler {
  public:
    Arrival(Porch& porch, std::shared_ptr<Door> door, sys::UniqueFd socket, const ClientAddress& address)
        : door_(std::move(door)), socket_(std::move(socket)), address_(address), porch_(porch), waits_for_header_(door_->entrance.proxy_protocol) {}

    void start() {
        if (!porch_.core_.epoll.add(socket_, Epoll::Watch::stream_writing, token_of(*this))) return porch_.refuse(*this, "it cannot be watched");
        if (!waits_for_header_) return begin_handshake();
        set_deadline();
    }

    void on_ready(const sys::Readiness& event) override {
        if (over_) return;
        if (event.broken) return porch_.refuse(*this, "the client closed");
        if (waits_for_header_) read_header();
        else shake();
    }
    void on_deadline() override { porch_.refuse(*this, waits_for_header_ ? "its PROXY header did not come" : "its TLS handshake did not end"); }

    std::shared_ptr<Door> door_;
    sys::UniqueFd socket_;
    ClientAddress address_;
    std::unique_ptr<TlsSession> tls_;
    std::size_t index = 0;  // in the list of all
    bool over_ = false;

  private:
    void set_deadline() { porch_.core_.deadlines.set(*this, porch_.core_.now, door_->entrance.http.header_timeout); }

    // Nothing that follows the header is taken: it belongs to whoever reads next.
    void read_header() {
        std::array<char, proxy_header_bytes> bytes{};
        const sys::Transfer seen = sys::peek_stream(socket_, bytes);
        if (seen.error == EAGAIN) return;
        if (seen.error != 0 || seen.bytes == 0) return porch_.refuse(*this, "the client closed before its PROXY header was whole");
        const ProxyHeader header = read_proxy_header(std::string_view(bytes.data(), seen.bytes));
        if (header.kind == ProxyHeader::Kind::more && seen.bytes < bytes.size()) return;
        if (header.kind != ProxyHeader::Kind::whole) return porch_.refuse(*this, "it does not begin with a PROXY header");
        static_cast<void>(sys::read_stream(socket_, std::span<char>(bytes).first(header.size)));
        if (header.client) address_ = *header.client;
        waits_for_header_ = false;
        begin_handshake();
    }

    void begin_handshake() {
        if (!door_->entrance.tls) return porch_.enter(*this);
        if (!door_->credentials) return porch_.refuse(*this, "its listener has no certificate that can be used");
        tls_ = door_->credentials->accept();
        set_deadline();
        shake();
    }

    void shake() {
        switch (tls_->shake(socket_)) {
            case TlsSession::Shake::done: return porch_.enter(*this);
            case TlsSession::Shake::more: return;
            case TlsSession::Shake::failed: return porch_.refuse(*this, "TLS: " + tls_->problem());
        }
    }

    Porch& porch_;
    bool waits_for_header_;
};

Porch::Porch(Core& core, Enter enter) : core_(core), enter_(std::move(enter)) {}
Porch::~Porch() = default;

void Porch::add(const std::shared_ptr<Door>& door, sys::UniqueFd socket, const ClientAddress& address) {
    Arrival& added = *arrivals_.emplace_back(std::make_unique<Arrival>(*this, door, std::move(socket), address));
    added.index = arrivals_.size() - 1;
    added.start();
}

std::unique_ptr<Porch::Arrival> Porch::take(Arrival& arrival) {
    std::unique_ptr<Arrival> taken = take_out(arrivals_, arrival);
    taken->over_ = true;
    return taken;
}

void Porch::enter(Arrival& arrival) {
    std::unique_ptr<Arrival> taken = take(arrival);
    core_.epoll.remove(taken->socket_);
    enter_(taken->door_, Stream(std::move(taken->socket_), std::move(taken->tls_)), taken->address_);
    core_.end(std::move(taken));
}

void Porch::refuse(Arrival& arrival, std::string_view why) {
    std::unique_ptr<Arrival> taken = take(arrival);
    ++refused_;
    ++core_.totals.refused;
    ++core_.totals.closed;
    // Anybody can cause these: the log says how many there were, and why the last one.
    if (said_ == 0 || core_.now - said_ >= limits::porch_log) {
        core_.log.warning("listener {}: {} connections were closed before they began; the last one, from {}: {}", taken->door_->entrance.name,
                          std::exchange(refused_, 0), taken->address_.text, why);
        said_ = core_.now;
    }
    taken->socket_.reset();
    core_.end(std::move(taken));
}

}  // namespace baton::gateway
