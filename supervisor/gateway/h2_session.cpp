#include "gateway/h2_session.h"

#include <algorithm>
#include <array>

#include <nghttp2/nghttp2.h>

#include "base/check.h"
#include "base/http_limits.h"
#include "gateway/h2_client.h"

namespace baton::gateway {
namespace {

constexpr std::size_t frame_bytes = 16 * 1024;

H2Client& client_of(void* data) {
    return *static_cast<H2Client*>(data);
}

H2Stream* stream_of(nghttp2_session* session, std::int32_t id) {
    return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session, id));
}

std::string_view text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

bool is_request(const nghttp2_frame& frame) {
    return frame.hd.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST;
}

int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    client_of(data).on_begin_headers(frame->hd.stream_id, is_request(*frame));
    return 0;
}

int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
              std::size_t value_size, std::uint8_t, void* data) {
    client_of(data).block().add(text(name, name_size), text(value, value_size));
    return 0;
}

// The library would pass over it in silence.
int on_invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t, const std::uint8_t*, std::size_t,
                      std::uint8_t, void* data) {
    client_of(data).block().spoil();
    return 0;
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* data) {
    H2Client& client = client_of(data);
    const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const bool answer = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    switch (frame->hd.type) {
        case NGHTTP2_HEADERS: client.on_headers(stream_of(session, frame->hd.stream_id), is_request(*frame), last); break;
        case NGHTTP2_DATA:
            if (last) client.on_end(stream_of(session, frame->hd.stream_id));
            else if (frame->hd.length == 0) client.on_idle_frame();
            break;
        case NGHTTP2_RST_STREAM: client.on_reset(); break;
        case NGHTTP2_PING: answer ? client.on_pong() : client.on_idle_frame(); break;
        case NGHTTP2_SETTINGS:
            if (!answer) client.on_idle_frame();
            break;
        case NGHTTP2_PRIORITY: client.on_idle_frame(); break;
        default: break;
    }
    return 0;
}

int on_invalid_frame(nghttp2_session*, const nghttp2_frame*, int, void* data) {
    client_of(data).on_bad_frame();
    return 0;
}

int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size, void* data) {
    if (H2Stream* stream = stream_of(session, id)) client_of(data).on_data(*stream, text(bytes, size));
    else nghttp2_session_consume(session, id, size);
    return 0;
}

int on_closed(nghttp2_session*, std::int32_t id, std::uint32_t, void* data) {
    client_of(data).on_closed(id);
    return 0;
}

int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* data) {
    const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const std::int32_t id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        // What the library resets by itself, the client has provoked.
        const H2Stream* stream = stream_of(session, id);
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR && (stream == nullptr || !stream->was_reset())) client_of(data).on_reset();
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        client_of(data).on_goaway_sent();
    } else if (last && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
               nghttp2_session_get_stream_remote_close(session, id) == 0) {
        // All was answered: the rest of the body need not be sent (RFC 9113, section 8.1).
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

int on_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int, void*) {
    if (frame->hd.type == NGHTTP2_HEADERS) nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

int put_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t size, nghttp2_data_source* source, void* data) {
    return client_of(data).put_data(*static_cast<H2Stream*>(source->ptr), text(head, 9), size) ? 0 : NGHTTP2_ERR_WOULDBLOCK;
}

struct Rules {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* options = nullptr;

    explicit Rules(std::size_t max_header) {
        CHECK(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&options) == 0);
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
        nghttp2_session_callbacks_set_send_data_callback(callbacks, put_data);
        // A body is acknowledged as the instance takes it.
        nghttp2_option_set_no_auto_window_update(options, 1);
        nghttp2_option_set_no_closed_streams(options, 1);
        nghttp2_option_set_max_outbound_ack(options, limits::h2_acknowledgements);
        nghttp2_option_set_max_send_header_block_length(options, limits::h2_response_head_bytes);
        nghttp2_option_set_max_continuations(options, limits::h2_continuations + max_header / frame_bytes);
        // Its own measure of resets stays behind that of the client, which says why.
        nghttp2_option_set_stream_reset_rate_limit(options, 2ULL * limits::h2_resets, 2ULL * limits::h2_resets_a_second);
    }
    ~Rules() {
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_option_del(options);
    }
    Rules(const Rules&) = delete;
    Rules& operator=(const Rules&) = delete;
};

}  // namespace

void H2Session::Delete::operator()(nghttp2_session* session) const {
    nghttp2_session_del(session);
}

H2Session::H2Session(H2Client& client, std::size_t max_header) {
    const Rules rules(max_header);
    nghttp2_session* made = nullptr;
    CHECK(nghttp2_session_server_new2(&made, rules.callbacks, &client, rules.options) == 0);
    session_.reset(made);
    const std::array<nghttp2_settings_entry, 3> settings{{
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits::h2_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits::h2_stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(max_header)},
    }};
    CHECK(nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0);
    CHECK(nghttp2_session_set_local_window_size(made, NGHTTP2_FLAG_NONE, 0, limits::h2_window) == 0);
}

H2Session::Outcome H2Session::receive(std::string_view bytes) {
    const auto taken = nghttp2_session_mem_recv(get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken >= 0) return Outcome::sound;
    return taken == NGHTTP2_ERR_FLOODED ? Outcome::flooded : Outcome::broken;
}

bool H2Session::gather(std::string& out, std::size_t most) {
    while (out.size() < most) {
        const std::uint8_t* data = nullptr;
        const auto size = nghttp2_session_mem_send(get(), &data);
        if (size < 0) return false;
        if (size == 0) break;
        out += text(data, static_cast<std::size_t>(size));
    }
    return true;
}

bool H2Session::is_over() const {
    return nghttp2_session_want_read(get()) == 0 && nghttp2_session_want_write(get()) == 0;
}

void H2Session::attach(std::int32_t id, H2Stream& stream) {
    nghttp2_session_set_stream_user_data(get(), id, &stream);
}

void H2Session::consume(std::int32_t id, std::size_t size) {
    nghttp2_session_consume(get(), id, size);
}

std::size_t H2Session::window(std::int32_t id) const {
    const std::int32_t both = std::min(nghttp2_session_get_stream_remote_window_size(get(), id), nghttp2_session_get_remote_window_size(get()));
    return both > 0 ? static_cast<std::size_t>(both) : 0;
}

void H2Session::announce_end() {
    nghttp2_submit_shutdown_notice(get());
}

// The library sends a PING before everything else that waits.
void H2Session::ping() {
    nghttp2_submit_ping(get(), NGHTTP2_FLAG_NONE, nullptr);
}

void H2Session::end() {
    nghttp2_submit_goaway(get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(get()), NGHTTP2_NO_ERROR, nullptr, 0);
}

void H2Session::terminate(std::uint32_t code) {
    nghttp2_session_terminate_session(get(), code);
}

}  // namespace baton::gateway
