// The library that frames HTTP/2 (nghttp2), as one client's connection uses it: its rules, its limits, and its
// events, which go to the client.
//
// The functions that say so may be called from within its events.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct nghttp2_session;

namespace baton::gateway {

class H2Client;
class H2Stream;

class H2Session {
  public:
    // `max_header`: bytes of a head.
    H2Session(H2Client& client, std::size_t max_header);
    nghttp2_session* get() const { return session_.get(); }

    // What the client has sent; its events come before this returns.
    // flooded  it sends what must be answered, and does not read the answers.
    // broken   it does not speak this protocol.
    enum class Outcome { sound, flooded, broken };
    Outcome receive(std::string_view bytes);
    // What is to be sent, to the end of `out`, which grows to about `most`. False: there is no going on.
    bool gather(std::string& out, std::size_t most);
    // Nothing more will be read or sent.
    bool is_over() const;

    // --- also from within its events ---
    void attach(std::int32_t id, H2Stream& stream);
    void consume(std::int32_t id, std::size_t size);
    // Bytes that the client takes of a stream now.
    std::size_t window(std::int32_t id) const;
    // A notice that no more shall be asked for; once it is out, a PING, to see that it was read.
    void announce_end();
    void ping();
    // The last stream that is answered.
    void end();
    // The connection is over; `code` says why.
    void terminate(std::uint32_t code);
    static constexpr std::uint32_t calm = 0xb;  // ENHANCE_YOUR_CALM

  private:
    struct Delete {
        void operator()(nghttp2_session* session) const;
    };
    std::unique_ptr<nghttp2_session, Delete> session_;
};

}  // namespace baton::gateway
