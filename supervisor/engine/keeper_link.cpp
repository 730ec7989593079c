#include "engine/keeper_link.h"

#include <algorithm>
#include <cerrno>

#include <boost/asio/post.hpp>
#include <fmt/core.h>

#include "base/limits.h"
#include "base/time.h"
#include "sys/process.h"
#include "sys/unread.h"

namespace baton::engine {

using keeper::Message;
using keeper::Tail;
using keeper::pack;

namespace {

// The keeper answers at once; one that does not is stopped or broken.
constexpr int answer_timeout_ms = 5'000;

}  // namespace

KeeperLink::KeeperLink(boost::asio::io_context& context, sys::UniqueFd channel)
    : context_(context), channel_(std::move(channel)), readable_(context) {}

Result<Greeting> KeeperLink::greet(std::uint32_t heartbeat_timeout_ms) {
    auto received = await(keeper::Welcome::type);
    if (!received) return received.error();
    const auto message = Message::open(received->bytes);
    const auto welcome = message->body<keeper::Welcome>();
    const auto strings = message->strings();
    if (!welcome || !strings || strings->size() < 2) return failed("the keeper's welcome is malformed");
    Greeting greeting;
    greeting.generation = welcome->generation;
    greeting.incarnation = welcome->incarnation;
    greeting.owner = welcome->owner;
    greeting.incumbent = welcome->incumbent;
    greeting.keeper_pid = welcome->keeper_pid;
    greeting.note = strings->at(0);
    greeting.binary = strings->at(1);
    greeting.arguments.assign(strings->begin() + 2, strings->end());

    // Then who else lives, and at last who owns.
    auto owner = await(keeper::Owner::type);
    if (!owner) return owner.error();
    const auto owned = Message::open(owner->bytes)->body<keeper::Owner>();
    if (!owned) return owned.error();
    greeting.owner = owned->generation;
    greeting.fence = owned->fence;
    fence_ = owned->fence;
    std::deque<sys::Received> later;
    for (auto& entry : aside_) {
        const auto other = Message::open(entry.bytes);
        const auto started = other ? other->body<keeper::MasterStarted>() : Result<keeper::MasterStarted>(other.error());
        const auto ready = other ? other->body<keeper::MasterReady>() : Result<keeper::MasterReady>(other.error());
        // A Resync that is here already is whole in itself: what belongs to it comes after it.
        const bool greets = later.empty() && (started || ready);
        if (greets && started) greeting.others[started->generation] = started->pid;
        if (greets && ready) greeting.ready_others.push_back(ready->generation);
        if (!greets) later.push_back(std::move(entry));
    }
    aside_ = std::move(later);
    send(pack(keeper::Hello{heartbeat_timeout_ms}));
    return greeting;
}

void KeeperLink::start(KeeperNews& news) {
    news_ = &news;
    readable_.assign(channel_.release());
    channel_ = sys::UniqueFd();
    boost::asio::post(context_, [this] { deliver_all(); });
    wait_readable();
}

void KeeperLink::wait_readable() {
    readable_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code ec) {
        if (ec) return;
        const auto received = receive(0);
        deliver_all();
        if (!received || lost_) {
            if (news_ != nullptr) news_->on_keeper_lost();
            return;
        }
        wait_readable();
    });
}

Result<void> KeeperLink::receive(int timeout_ms) {
    const int raw = channel_.valid() ? channel_.get() : readable_.native_handle();
    if (timeout_ms > 0) {
        std::vector<sys::Poll> set{{raw}};
        sys::poll_descriptors(set, timeout_ms);
    }
    sys::UniqueFd borrowed(raw);
    for (;;) {
        auto received = sys::receive_message(borrowed);
        if (!received && received.error().code() == EAGAIN) break;
        if (!received || received->bytes.empty()) {
            lost_ = true;
            break;
        }
        aside_.push_back(std::move(*received));
    }
    static_cast<void>(borrowed.release());
    if (lost_) return failed("the keeper is gone");
    return {};
}

Result<sys::Received> KeeperLink::await(std::uint16_t type) {
    const Millis deadline = monotonic_now() + answer_timeout_ms;
    for (std::size_t looked = 0;;) {
        for (; looked < aside_.size(); ++looked) {
            const auto message = Message::open(aside_[looked].bytes);
            if (!message || message->type() != type) continue;
            sys::Received found = std::move(aside_[looked]);
            aside_.erase(aside_.begin() + static_cast<std::ptrdiff_t>(looked));
            if (news_ != nullptr && !aside_.empty()) boost::asio::post(context_, [this] { deliver_all(); });
            return found;
        }
        const Millis left = deadline - monotonic_now();
        if (left <= 0) return failed("the keeper does not answer");
        if (auto received = receive(static_cast<int>(left)); !received) return received.error();
    }
}

Result<std::map<std::string, sys::UniqueFd>> KeeperLink::fetch_held() {
    std::map<std::string, sys::UniqueFd> held;
    std::string after;
    for (;;) {
        send(pack(keeper::ListHeld{}, fence_, Tail().add(after)));
        auto page = await(keeper::HeldPage::type);
        if (!page) return page.error();
        const auto message = Message::open(page->bytes);
        const auto body = message->body<keeper::HeldPage>();
        const auto names = message->strings();
        if (!body || !names || names->size() != page->descriptors.size()) return failed("the keeper's list is malformed");
        for (std::size_t i = 0; i < names->size(); ++i) held[names->at(i)] = std::move(page->descriptors[i]);
        if (body->more == 0 || names->empty()) return held;
        after = names->back();
    }
}

Result<std::vector<model::KnownChild>> KeeperLink::fetch_children() {
    std::vector<model::KnownChild> children;
    std::uint64_t after = 0;
    for (;;) {
        send(pack(keeper::ListChildren{after}, fence_));
        auto page = await(keeper::ChildrenPage::type);
        if (!page) return page.error();
        const auto message = Message::open(page->bytes);
        const auto body = message->body<keeper::ChildrenPage>();
        if (!body || message->tail().size() != body->count * sizeof(keeper::ChildRecord)) return failed("the keeper's list is malformed");
        for (std::uint32_t i = 0; i < body->count; ++i) {
            keeper::ChildRecord record;
            std::memcpy(&record, message->tail().data() + i * sizeof(record), sizeof(record));
            children.push_back({record.id, record.pid, record.exited != 0, record.status});
            after = record.id;
        }
        if (body->more == 0 || body->count == 0) return children;
    }
}

void KeeperLink::deliver_all() {
    while (!aside_.empty()) {
        const sys::Received next = std::move(aside_.front());
        aside_.pop_front();
        deliver(next);
    }
}

void KeeperLink::deliver(const sys::Received& received) {
    const auto message = Message::open(received.bytes);
    if (!message || news_ == nullptr) return;
    const auto strings = message->strings();
    const std::string text = strings && !strings->empty() ? strings->front() : std::string();
    if (const auto done = message->body<keeper::SpawnDone>()) {
        if (done->error == 0) return news_->on_child_started(done->id, done->pid);
        return news_->on_child_not_started(done->id, text);
    }
    if (const auto exited = message->body<keeper::Exited>()) return news_->on_child_exited(exited->id, exited->status);
    if (const auto owner = message->body<keeper::Owner>()) return news_->on_owner(owner->generation, owner->fence);
    if (const auto started = message->body<keeper::MasterStarted>()) {
        return news_->on_master_started(started->generation, started->pid, started->error == 0 ? std::string() : text);
    }
    if (const auto ready = message->body<keeper::MasterReady>()) return news_->on_master_ready(ready->generation);
    if (const auto gone = message->body<keeper::MasterGone>()) return news_->on_master_gone(gone->generation, gone->status, gone->left != 0);
    if (const auto told = message->body<keeper::Told>()) return news_->on_told(told->generation, text);
    if (const auto signalled = message->body<keeper::Signalled>()) return news_->on_signalled(signalled->signal);
    if (message->type() == keeper::Resync::type) return news_->on_resync();
    if (const auto refused = message->body<keeper::Refused>()) return news_->on_refused(refused->request, text, strings && strings->size() > 1 ? strings->at(1) : std::string());
    if (const auto replaced = message->body<keeper::KeeperReplaced>()) {
        return news_->on_keeper_replaced(replaced->error == 0 ? std::string() : text);
    }
}

void KeeperLink::send(const std::string& bytes, const std::vector<int>& descriptors) {
    if (lost_) return;
    const int raw = channel_.valid() ? channel_.get() : readable_.native_handle();
    sys::UniqueFd borrowed(raw);
    const Millis deadline = monotonic_now() + answer_timeout_ms;
    for (;;) {
        const auto sent = sys::send_message(borrowed, bytes, descriptors);
        if (sent) break;
        if (sent.error().code() != EAGAIN || monotonic_now() >= deadline) {
            lost_ = true;
            break;
        }
        // The keeper is behind with reading, perhaps because this master is: it is answered no sooner.
        static_cast<void>(receive(0));
        std::vector<sys::Poll> set{{raw, true}};
        sys::poll_descriptors(set, 1'000);
    }
    static_cast<void>(borrowed.release());
    if (news_ != nullptr && !aside_.empty()) boost::asio::post(context_, [this] { deliver_all(); });
    // A request that is lost is never asked again: this master ends, and one that knows better takes its place.
    if (lost_ && news_ != nullptr) boost::asio::post(context_, [this] { news_->on_keeper_lost(); });
}

void KeeperLink::beat() {
    sys::UniqueFd borrowed(channel_.valid() ? channel_.get() : readable_.native_handle());
    const bool behind = sys::unread(borrowed) > 0;
    static_cast<void>(borrowed.release());
    if (!behind) unread_since_ = never;
    if (behind) unread_since_ = std::min(unread_since_, monotonic_now());
    if (!behind) send(pack(keeper::Beat{}));
}
Millis KeeperLink::silence() const { return unread_since_ == never ? 0 : monotonic_now() - unread_since_; }
void KeeperLink::ready() { send(pack(keeper::Ready{})); }
void KeeperLink::hold(const std::string& name, const sys::UniqueFd& fd) {
    send(pack(keeper::Hold{}, fence_, Tail().add(name)), {fd.get()});
}
void KeeperLink::release(const std::string& name) { send(pack(keeper::Release{}, fence_, Tail().add(name))); }
void KeeperLink::spawn(const keeper::Spawn& body, const Tail& tail, const std::vector<int>& descriptors) {
    send(pack(body, fence_, tail), descriptors);
}
void KeeperLink::signal(std::uint64_t id, int signal, bool whole_group) {
    send(pack(keeper::Signal{id, signal, whole_group ? 1U : 0U}, fence_));
}
void KeeperLink::forget(std::uint64_t id) { send(pack(keeper::Forget{id}, fence_)); }
void KeeperLink::note(const std::string& text) { send(pack(keeper::Note{}, fence_, Tail().add(text))); }
void KeeperLink::start_master(const std::string& binary) { send(pack(keeper::StartMaster{}, fence_, Tail().add(binary))); }
void KeeperLink::signal_master(std::uint32_t generation, int signal) { send(pack(keeper::SignalMaster{generation, signal}, fence_)); }
void KeeperLink::transfer(std::uint32_t generation) { send(pack(keeper::Transfer{generation}, fence_)); }
void KeeperLink::leave(std::uint32_t successor) { send(pack(keeper::Leave{successor}, fence_)); }
void KeeperLink::tell(std::uint32_t generation, const std::string& text) { send(pack(keeper::Tell{generation}, fence_, Tail().add(std::string_view(text).substr(0, limits::told_bytes)))); }
void KeeperLink::replace_keeper() { send(pack(keeper::ReplaceKeeper{}, fence_)); }

}  // namespace baton::engine
