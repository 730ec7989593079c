#include "h2_peer.h"

#include <algorithm>

namespace baton::gateway {
namespace {

std::string text(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

std::vector<nghttp2_nv> nvs(const H2Peer::Fields& fields) {
    std::vector<nghttp2_nv> all;
    for (const auto& [name, value] : fields) {
        const auto bytes = [](const std::string& one) { return reinterpret_cast<std::uint8_t*>(const_cast<char*>(one.data())); };
        all.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return all;
}

ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* buffer, std::size_t most, std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& body = *static_cast<H2Peer::Body*>(source->ptr);
    const std::size_t size = std::min(most, body.bytes.size() - body.from);
    if (size == 0 && body.open) return NGHTTP2_ERR_DEFERRED;
    std::copy_n(body.bytes.data() + body.from, size, buffer);
    body.from += size;
    if (body.from < body.bytes.size() || body.open) return static_cast<ssize_t>(size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!body.trailer.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, id, nvs(body.trailer).data(), body.trailer.size());
    }
    return static_cast<ssize_t>(size);
}

}  // namespace

std::string H2Peer::Response::field(const std::string& name) const {
    const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == name; });
    return found == fields.end() ? std::string("(none)") : found->second;
}

int H2Peer::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    auto& self = *static_cast<H2Peer*>(data);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        self.goaways.push_back({frame->goaway.last_stream_id, frame->goaway.error_code});
        self.order += 'G';
    }
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self.order += 'P';
    Response& response = self.responses_[frame->hd.stream_id];
    if (frame->hd.type == NGHTTP2_HEADERS && response.status == 0) {
        if (self.status_ < 200) response.interim.push_back(self.status_);
        else response.status = self.status_;
    }
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) response.ended = true;
    return 0;
}

H2Peer::H2Peer(std::uint32_t window, bool automatic) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                      std::size_t value_size, std::uint8_t, void* data) {
            auto& self = *static_cast<H2Peer*>(data);
            Response& response = self.responses_[frame->hd.stream_id];
            const std::string key = text(name, name_size);
            if (key == ":status") self.status_ = std::stoi(text(value, value_size));
            else (response.status == 0 ? response.fields : response.trailer).emplace_back(key, text(value, value_size));
            return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size, void* data) {
            static_cast<H2Peer*>(data)->responses_[id].body += text(bytes, size);
            return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, [](nghttp2_session*, std::int32_t id, std::uint32_t error, void* data) {
        Response& response = static_cast<H2Peer*>(data)->responses_[id];
        response.closed = true;
        response.error = error;
        return 0;
    });
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, automatic ? 0 : 1);
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    nghttp2_submit_settings(session_, 0, &entry, 1);
}

H2Peer::~H2Peer() {
    nghttp2_session_del(session_);
}

std::int32_t H2Peer::ask(const std::string& method, const std::string& path, const Fields& more, std::shared_ptr<Body> body) {
    Fields fields{{":method", method}, {":scheme", "http"}, {":authority", "a"}, {":path", path}};
    fields.insert(fields.end(), more.begin(), more.end());
    return submit(fields, std::move(body));
}

std::int32_t H2Peer::submit(const Fields& fields, std::shared_ptr<Body> body) {
    nghttp2_data_provider provider{};
    provider.source.ptr = body.get();
    provider.read_callback = read_body;
    const auto all = nvs(fields);
    const std::int32_t id = nghttp2_submit_request(session_, nullptr, all.data(), all.size(), body ? &provider : nullptr, nullptr);
    if (body) bodies_[id] = std::move(body);
    return id;
}

std::string H2Peer::out() {
    std::string all;
    for (;;) {
        const std::uint8_t* bytes = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
        if (size <= 0) return all;
        all += text(bytes, static_cast<std::size_t>(size));
    }
}

bool H2Peer::in(const std::string& bytes) {
    return nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()) >= 0;
}

}  // namespace baton::gateway
