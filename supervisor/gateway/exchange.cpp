#include "gateway/exchange.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/http_limits.h"
#include "gateway/proxy_header.h"

namespace baton::gateway {

using sys::Epoll;
using Kind = http::Framing::Kind;
using ReaderState = http::ChunkReader::State;

Exchange::~Exchange() {
    cancel();
}

void Exchange::begin(std::shared_ptr<Pool> pool, Request request) {
    CHECK(state_ == State::idle);
    pool_ = std::move(pool);
    request_ = std::move(request);
    tried_.clear();
    began_ = all_.core().now;
    interim_ = attempts_ = 0;
    body_begun_ = false;
    trailer_.clear();
    body_over_ = http::BodyReader(request_.framing).over();
    seek();
}

// --- towards the instance ---

void Exchange::seek() {
    state_ = State::seeking;
    Links& links = all_.links();
    while (const Pool::Peer* peer = pool_->pick(request_.pick, tried_, all_.core().now)) {
        // Where an idle one has just been closed under a request, others may be about to be.
        const bool introduced = pool_->rules().proxy_protocol != model::ProxyProtocol::none;
        Link* link = attempts_ == 0 && !introduced ? links.take_idle(*peer) : nullptr;
        int error = 0;
        if (link == nullptr) link = links.connect(*peer, error);
        if (link == nullptr) {
            tried_.push_back(peer->id);
            if (!sys::blames_peer(error)) {
                pool_->not_reached(*peer, error, all_.core().now);
                continue;
            }
            pool_->failed(peer->id, all_.core().now, true);
            if (!pool_->may_retry(model::RetryOn::connect)) return give_up(503);
            continue;
        }
        picked_at_ = monotonic_micros();
        pool_->started(peer->id);
        link->exchange = this;
        link_ = link;
        endpoint_name_ = peer->name;
        if (link->state == LinkState::connecting) return settle_deadline();
        return ask();
    }
    wait();
}

// There is none, or all were tried: again soon, until its time is over.
void Exchange::wait() {
    wait_until_ = began_ + limits::upstream_wait;
    if (pool_->over() || wait_until_ <= all_.core().now) return give_up(503);
    tried_.clear();
    all_.add_waiting(*this);
}

void Exchange::try_again() {
    unlink();
    seek_again();
}

// Outside of the asker's own turn: where there is an instance at once, nobody else sends what there is to send.
void Exchange::seek_again() {
    seek();
    if (state_ != State::asked) return;
    Link* const link = link_;
    asker_->on_room();
    if (link_ == link && link != nullptr) flush();
}

void Exchange::give_up(int status) {
    if (is_linked()) unlink();
    drop_link();
    state_ = State::idle;
    ++all_.core().totals.failed;
    asker_->on_failure(status);
}

void Exchange::ask() {
    state_ = State::asked;
    // With a PROXY header a connection is one client's, and serves this request only.
    if (!link_->reused) link_->out.held() = write_proxy_header(pool_->rules().proxy_protocol, request_.pick.client, request_.pick.here);
    link_->out.held() += request_.head;
    // It has ended already, with nothing in it.
    if (body_over_ && !body_begun_) end_chunks();
    settle_deadline();
}

bool Exchange::room() const {
    return (state_ == State::asked || state_ == State::answering) && (link_->deaf || link_->out.room());
}

void Exchange::send(std::string_view data) {
    body_begun_ = true;
    if (link_->deaf) return;
    bool sound = false;
    if (request_.framing.kind == Kind::chunked) {
        std::string size;
        http::write_chunk_size(size, data.size());
        sound = link_->out.post(all_.core().outbox, token_of(*link_), link_->stream, data, size, "\r\n");
    } else {
        sound = link_->out.post(all_.core().outbox, token_of(*link_), link_->stream, data);
    }
    all_.core().totals.to_instances += data.size();
    // It may have answered before it closed: that is read still.
    if (!sound) link_->deaf = link_->readable = true;
    watch_room();
    settle_deadline();
}

void Exchange::end_body(std::string_view trailer) {
    body_over_ = true;
    trailer_ = trailer;
    end_chunks();
}

void Exchange::end_chunks() {
    if (request_.framing.kind != Kind::chunked || link_->deaf) return;
    ((link_->out.held() += "0\r\n") += trailer_) += "\r\n";
}

void Exchange::flush() {
    if (link_ == nullptr || link_->state == LinkState::connecting) return;
    if (!link_->deaf && !link_->out.empty() && !link_->out.post(all_.core().outbox, token_of(*link_), link_->stream)) link_->deaf = link_->readable = true;
    watch_room();
    settle_deadline();
    if (link_->readable) all_.core().again(*link_);
}

// Watched for room from the first time that there was none.
void Exchange::watch_room() {
    if (link_->out.room() || link_->deaf || std::exchange(link_->writing, true)) return;
    static_cast<void>(all_.core().epoll.change(link_->stream.socket(), Epoll::Watch::stream_writing, token_of(*link_)));
}

void Exchange::on_link_late() {
    if (!link_->out.settle(link_->stream)) link_->deaf = link_->readable = true;
    watch_room();
    settle_deadline();
    if (link_->readable) all_.core().again(*link_);
}

void Exchange::on_link(const sys::Readiness& event) {
    if (link_->state == LinkState::connecting) {
        if (!event.writable && !event.ended) return;
        if (event.ended && sys::connect_error(link_->stream.socket()) != 0) return fail(Fault::connect, 503);
        link_->state = LinkState::busy;
        ask();
        asker_->on_room();
        if (link_ == nullptr || link_->state != LinkState::busy) return;
        flush();
        return;
    }
    if (event.writable && !link_->out.room()) {
        if (!link_->out.flush(link_->stream)) link_->deaf = link_->readable = true;
        if (link_->deaf || link_->out.room()) {
            Link* const link = link_;
            asker_->on_room();
            if (link_ != link) return;
            flush();
        }
    }
    if (link_->readable) read();
}

// Who waits for whom: the connection, room for the request, the response. Where the asker is the slow one,
// it has a deadline of its own.
void Exchange::settle_deadline() {
    Core& core = all_.core();
    const model::TimeoutSpec& timeouts = pool_->rules().timeouts;
    if (link_->state == LinkState::connecting) return core.deadlines.set(*link_, core.now, timeouts.connect);
    if (!asker_->has_room() || (!body_over_ && link_->out.room())) return core.deadlines.clear(*link_);
    core.deadlines.set(*link_, core.now, state_ == State::asked ? timeouts.response : timeouts.idle);
}

void Exchange::on_link_deadline() {
    if (link_->state == LinkState::connecting) return fail(Fault::connect, 504);
    fail(Fault::timeout, 504);
}

// --- from the instance ---

void Exchange::go_on() {
    if (link_ == nullptr || state_ != State::answering) return;
    settle_deadline();
    if (link_->readable) read();
}

void Exchange::read() {
    Core& core = all_.core();
    Link* const link = link_;
    std::size_t turn = 0;
    while (link_ == link && link->readable && asker_->has_room()) {
        if (turn >= limits::relay_turn_bytes) return core.again(*link);
        const std::size_t most = std::min(core.buffer.size(), asker_->at_once());
        const sys::Transfer got = link->stream.read(std::span<char>(core.buffer).first(most));
        if (got.error == EAGAIN) {
            link->readable = false;
            break;
        }
        if (got.error != 0) return fail(Fault::closed, 502);
        if (got.bytes == 0) return finish(false);
        turn += got.bytes;
        core.totals.to_clients += got.bytes;
        // Less than there was room for is all there was; what comes next is told.
        if (got.bytes < most && !link->ending) link->readable = false;
        std::string_view bytes(core.buffer.data(), got.bytes);
        std::string whole;
        if (!link->head.empty()) {
            whole = std::move(link->head.append(bytes));
            link->head.clear();
            bytes = whole;
        }
        if (!consume(bytes)) return;
    }
    if (link_ == link) settle_deadline();
}

bool Exchange::consume(std::string_view bytes) {
    while (state_ == State::asked) {
        if (bytes.empty()) return true;
        if (!read_head(bytes)) return link_ != nullptr && state_ == State::asked && !link_->head.empty();
    }
    return read_body(bytes);
}

// Takes one head off. False: it is not whole yet (and kept), or the exchange took another turn.
bool Exchange::read_head(std::string_view& bytes) {
    const http::HeadEnd end = http::find_end(bytes, link_->scan);
    if (end.kind == http::HeadEnd::Kind::bad || (end.kind == http::HeadEnd::Kind::more && bytes.size() > limits::http_response_head_bytes)) {
        fail(Fault::malformed, 502);
        return false;
    }
    if (end.kind == http::HeadEnd::Kind::more) {
        link_->head.assign(bytes);
        return false;
    }
    link_->scan = {};
    http::ResponseHead& head = all_.head();
    if (!http::read(bytes.substr(0, end.size), head)) {
        fail(Fault::malformed, 502);
        return false;
    }
    bytes.remove_prefix(end.size);
    if (head.status < 200) {
        if (head.status == 101 && request_.upgrade) {
            upgraded(head, bytes);
            return false;
        }
        if (head.status == 101 || ++interim_ > limits::http_interim_responses) {
            fail(Fault::malformed, 502);
            return false;
        }
        asker_->on_interim(head);
        return link_ != nullptr;
    }
    const http::FramingResult framing = http::framing_of(head, request_.is_head ? "HEAD" : "GET");
    if (framing.refused != 0) {
        fail(Fault::malformed, 502);
        return false;
    }
    if (head.status >= 502 && may_retry(Fault::status, head.status)) {
        fail(Fault::status, head.status);
        return false;
    }
    response_us_ = static_cast<std::uint32_t>(std::min<std::int64_t>(monotonic_micros() - picked_at_, model::unknown_us - 1));
    response_options_ = http::options_of(head);
    response_options_.upgrade = {};  // a view of what will not last
    body_ = http::BodyReader(framing.framing);
    state_ = State::answering;
    asker_->on_head(head, framing.framing);
    return link_ != nullptr;
}

bool Exchange::read_body(std::string_view bytes) {
    for (;;) {
        std::string_view data;
        // A length that is reached says so at once: the asker need not wait for what never comes.
        const ReaderState state = body_.over() ? ReaderState::end : body_.next(bytes, data);
        switch (state) {
            case ReaderState::more: return true;
            case ReaderState::data: {
                Link* const link = link_;
                asker_->on_body(data);
                if (link_ != link) return false;
                break;
            }
            case ReaderState::end: finish(bytes.empty()); return false;
            case ReaderState::bad: fail(Fault::malformed, 502); return false;
        }
    }
}

// The response is over, or the instance has closed. `clean`: nothing but the response was there.
void Exchange::finish(bool clean) {
    const bool whole = state_ == State::answering && (body_.over() || body_.framing().kind == Kind::until_close);
    if (!whole) return fail(Fault::closed, 502);
    Link& link = *std::exchange(link_, nullptr);
    // The end of a request that was answered before it was read.
    if (!link.deaf) link.deaf = !link.out.settle(link.stream);
    const bool kept = clean && body_.over() && body_over_ && !link.deaf && link.out.empty() && !response_options_.close && pool_->has(link.endpoint) &&
                      pool_->rules().proxy_protocol == model::ProxyProtocol::none;
    state_ = State::idle;
    pool_->succeeded(link.endpoint, all_.core().now, response_us_);
    pool_->finished(link.endpoint);
    if (kept) {
        // An instance that says how long it keeps a connection is left before that.
        Millis wait = pool_->rules().timeouts.pool_idle;
        if (response_options_.keep_alive_seconds > 0) wait = std::min(wait, static_cast<Millis>(response_options_.keep_alive_seconds) * 1000 - 1000);
        all_.links().park(link, wait, pool_->rules().timeouts.pool_size);
    } else {
        all_.links().close(link);
    }
    std::string trailer(body_.trailer());
    http::purge_trailer(trailer);
    asker_->on_end(trailer);
}

void Exchange::upgraded(const http::ResponseHead& head, std::string_view rest) {
    pool_->succeeded(link_->endpoint, all_.core().now);
    Links::Parted parted = all_.links().part(*std::exchange(link_, nullptr));
    state_ = State::idle;
    asker_->on_upgraded(head, std::move(parted), rest);
}

// `status`: of the response, where that is the fault.
bool Exchange::may_retry(Fault fault, int status) const {
    using model::RetryOn;
    const auto allowed = [this](RetryOn reason) { return pool_->may_retry(reason); };
    if (state_ == State::answering) return false;
    // Nothing was sent, so nothing can be done twice; who can be reached is found without counting.
    if (fault == Fault::connect) return allowed(RetryOn::connect);
    if (body_begun_ || !request_.is_idempotent) return false;
    if (is_accident(fault)) return true;
    if (attempts_ + 1U >= pool_->rules().health.retry.attempts) return false;
    switch (fault) {
        case Fault::connect:
        case Fault::malformed: return false;
        case Fault::closed: return allowed(RetryOn::error);
        case Fault::timeout: return allowed(RetryOn::timeout);
        case Fault::status:
            return (status == 502 && allowed(RetryOn::status_502)) || (status == 503 && allowed(RetryOn::status_503)) ||
                   (status == 504 && allowed(RetryOn::status_504));
    }
    return false;
}

// The instance closed a connection that had served, just as the next request went out on it.
bool Exchange::is_accident(Fault fault) const {
    return fault == Fault::closed && state_ == State::asked && link_->reused && link_->head.empty();
}

void Exchange::fail(Fault fault, int status) {
    const bool again = may_retry(fault, status);
    if (!is_accident(fault)) {
        tried_.push_back(link_->endpoint);
        pool_->failed(link_->endpoint, all_.core().now, fault == Fault::connect);
    }
    const bool answering = state_ == State::answering;
    if (!answering && again) {
        ++attempts_;
        drop_link();
        return seek_again();
    }
    if (!answering) return give_up(status);
    drop_link();
    state_ = State::idle;
    asker_->on_broken();
}

void Exchange::cancel() {
    if (is_linked()) unlink();
    drop_link();
    state_ = State::idle;
}

void Exchange::drop_link() {
    if (link_ == nullptr) return;
    pool_->finished(link_->endpoint);
    all_.links().close(*std::exchange(link_, nullptr));
}

// --- those that wait ---

std::unique_ptr<Exchange> Exchanges::take(Asker& asker) {
    if (spare_.empty()) return std::make_unique<Exchange>(*this, asker);
    auto taken = std::move(spare_.back());
    spare_.pop_back();
    taken->serve(asker);
    return taken;
}

void Exchanges::add_waiting(Exchange& exchange) {
    if (waiting_.empty()) next_retry_ = core_.now + limits::upstream_retry;
    waiting_.push_back(exchange);
}

Millis Exchanges::next() const {
    return waiting_.empty() ? never : std::min(next_retry_, waiting_.front().wait_until());
}

// One of each pool tries whether an instance can be reached now; if so, the others follow.
void Exchanges::on_time() {
    if (spare_.size() > limits::spare_exchanges) spare_.resize(limits::spare_exchanges);
    while (!waiting_.empty() && waiting_.front().wait_until() <= core_.now) waiting_.front().give_up(503);
    if (waiting_.empty() || core_.now < next_retry_) return;
    next_retry_ = core_.now + limits::upstream_retry;
    std::vector<const Pool*> in_vain;
    decltype(waiting_) round;
    round.swap(waiting_);
    while (!round.empty()) {
        Exchange& exchange = round.front();
        const Pool* pool = exchange.pool().get();
        if (std::find(in_vain.begin(), in_vain.end(), pool) == in_vain.end()) {
            exchange.try_again();
            if (!waiting_.empty() && &waiting_.back() == &exchange) in_vain.push_back(pool);
        } else {
            exchange.unlink();
            waiting_.push_back(exchange);
        }
    }
}

}  // namespace baton::gateway
