// A client of HTTP/2 in a test: the library's other side over a stream of the test's own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace baton::gateway {

class H2Peer {
  public:
    using Fields = std::vector<std::pair<std::string, std::string>>;
    struct Response {
        std::vector<int> interim;
        int status = 0;
        Fields fields;
        std::string body;
        Fields trailer;
        bool ended = false;           // END_STREAM
        bool closed = false;
        std::uint32_t error = 0;      // of the stream's end
        std::string field(const std::string& name) const;
    };
    struct Body {
        std::string bytes;
        std::size_t from = 0;
        bool open = false;  // more will come
        Fields trailer;
    };

    // `most`: the window of each response; automatic: what arrives is acknowledged at once.
    explicit H2Peer(std::uint32_t window = 65'535, bool automatic = true);
    ~H2Peer();
    H2Peer(const H2Peer&) = delete;
    H2Peer& operator=(const H2Peer&) = delete;

    std::int32_t ask(const std::string& method, const std::string& path, const Fields& more = {}, std::shared_ptr<Body> body = nullptr);
    std::int32_t submit(const Fields& fields, std::shared_ptr<Body> body = nullptr);
    void resume(std::int32_t id) { nghttp2_session_resume_data(session_, id); }
    void reset(std::int32_t id) { nghttp2_submit_rst_stream(session_, 0, id, NGHTTP2_CANCEL); }

    // What is to be sent; what was received. False: the other side broke the protocol.
    std::string out();
    bool in(const std::string& bytes);

    nghttp2_session* session() { return session_; }
    Response& operator[](std::int32_t id) { return responses_[id]; }
    struct Goaway {
        std::int32_t last = 0;
        std::uint32_t code = 0;
    };
    std::vector<Goaway> goaways;
    std::string order;  // in which they came: G for GOAWAY, P for PING

  private:
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self);

    nghttp2_session* session_ = nullptr;
    std::map<std::int32_t, Response> responses_;
    std::map<std::int32_t, std::shared_ptr<Body>> bodies_;
    int status_ = 0;
};

}  // namespace baton::gateway
