// A binary that is bad in a chosen way, for upgrades that must be taken back. It speaks the keeper's
// protocol as a new master does; BATON_BAD_MASTER in its environment says what it does wrong:
//   exit           ends at once
//   mute           says nothing, ever
//   never-ready    beats, and never becomes ready
//   500            becomes ready, and answers the probe with 500
//   hang           becomes ready, and does not answer the probe
//   crash          answers the probe well, then crashes
//   crash-owner    crashes as soon as it owns the instances
//   hang-owner     hangs as soon as it owns the instances
//   500-owner      answers 500 as soon as it owns the instances
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "keeper/message.h"
#include "sys/channel.h"
#include "sys/process.h"

namespace {

using namespace baton;
using keeper::Message;
using keeper::Tail;
using keeper::pack;

void send(const sys::UniqueFd& channel, const std::string& bytes) {
    if (!sys::send_message(channel, bytes)) std::exit(9);
}

class Candidate {
  public:
    explicit Candidate(std::string mode) : mode_(std::move(mode)), channel_(3) {}

    [[noreturn]] void run() {
        if (mode_ == "exit") std::exit(3);
        if (mode_ == "mute") hang();
        send(channel_, pack(keeper::Hello{5'000}));
        send(channel_, pack(keeper::ListHeld{}, 0, Tail().add("")));
        for (;;) {
            std::vector<sys::Poll> set{{channel_.get()}};
            if (trial_.valid()) set.push_back({trial_.get()});
            sys::poll_descriptors(set, 100);
            send(channel_, pack(keeper::Beat{}));
            if (set[0].readable) receive();
            if (trial_.valid() && set.size() > 1 && set[1].readable) answer();
        }
    }

  private:
    [[noreturn]] static void hang() {
        for (;;) ::pause();
    }

    void receive() {
        for (;;) {
            auto received = sys::receive_message(channel_);
            if (!received) return;
            if (received->bytes.empty()) std::exit(0);
            const auto message = Message::open(received->bytes);
            if (!message) continue;
            if (const auto welcome = message->body<keeper::Welcome>()) generation_ = welcome->generation;
            if (const auto page = message->body<keeper::HeldPage>()) take(*message, *page, received->descriptors);
            if (const auto owner = message->body<keeper::Owner>()) owned(owner->generation);
        }
    }

    void take(const Message& message, const keeper::HeldPage& page, std::vector<sys::UniqueFd>& descriptors) {
        const auto names = message.strings();
        for (std::size_t i = 0; names && i < names->size(); ++i) {
            if (names->at(i) == "trial") trial_ = std::move(descriptors.at(i));
        }
        if (page.more != 0) return send(channel_, pack(keeper::ListHeld{}, 0, Tail().add(names->back())));
        if (mode_ != "never-ready") send(channel_, pack(keeper::Ready{}));
    }

    void owned(std::uint32_t generation) {
        owner_ = generation == generation_;
        if (!owner_) return;
        if (mode_ == "crash-owner") std::abort();
        if (mode_ == "hang-owner") hang();
        sick_ = mode_ == "500-owner";
    }

    void answer() {
        if (mode_ == "hang") hang();
        const sys::UniqueFd client(::accept4(trial_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        char request[4096];
        const ssize_t got = ::read(client.get(), request, sizeof(request));
        if (got <= 0) return;
        // It is asked as the owner: it answers when it is, as a good one does.
        const bool as_owner = std::string_view(request, static_cast<std::size_t>(got)).find("owner=true") != std::string_view::npos;
        while (as_owner && !owner_) {
            std::vector<sys::Poll> set{{channel_.get()}};
            sys::poll_descriptors(set, 100);
            receive();
        }
        const bool bad = sick_ || mode_ == "500";
        const std::string reply = std::string("HTTP/1.1 ") + (bad ? "500 Internal Server Error" : "200 OK") +
                                  "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        if (::write(client.get(), reply.data(), reply.size()) < 0) return;
        if (mode_ == "crash") std::abort();
    }

    std::string mode_;
    sys::UniqueFd channel_;
    sys::UniqueFd trial_;
    std::uint32_t generation_ = 0;
    bool sick_ = false;
    bool owner_ = false;
};

}  // namespace

int main() {
    const char* mode = std::getenv("BATON_BAD_MASTER");
    if (mode == nullptr) {
        std::cerr << "baton-bad-master: BATON_BAD_MASTER is not set\n";
        return 2;
    }
    Candidate(mode).run();
}
