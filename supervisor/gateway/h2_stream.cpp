#include "gateway/h2_stream.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <nghttp2/nghttp2.h>

#include "base/http_limits.h"
#include "gateway/h2_client.h"

namespace baton::gateway {

using Kind = http::Framing::Kind;

namespace {

// What a deadline is for.
enum Phase : std::uint8_t { none, body, sending };

// The session copies both, and writes names in lower case.
nghttp2_nv nv_of(const http::Field& field) {
    const auto bytes = [](std::string_view text) { return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data())); };  // NOLINT: it only reads them
    return {bytes(field.name), bytes(field.value), field.name.size(), field.value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::vector<nghttp2_nv> nvs_of(const std::vector<http::Field>& fields) {
    std::vector<nghttp2_nv> all;
    all.reserve(fields.size());
    for (const http::Field& field : fields) all.push_back(nv_of(field));
    return all;
}

std::vector<http::Field> sent_on(const http::ResponseHead& head, const http::Framing& framing) {
    std::vector<http::Field> fields;
    fields.reserve(head.fields.size() + 1);
    for (const http::Field& field : head.fields) {
        if (http::goes_on(head, framing, field)) fields.push_back(field);
    }
    return fields;
}

ssize_t read_response(nghttp2_session* session, std::int32_t id, std::uint8_t*, std::size_t most, std::uint32_t* flags,
                      nghttp2_data_source* source, void*) {
    const auto& stream = *static_cast<H2Stream*>(source->ptr);
    const std::size_t size = std::min(stream.waiting(), most);
    if (size == 0 && !stream.is_whole()) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size < stream.waiting() || !stream.is_whole()) return static_cast<ssize_t>(size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    std::vector<http::Field> fields;
    if (stream.response_trailer().empty() || !http::read_fields(stream.response_trailer(), fields)) return static_cast<ssize_t>(size);
    const auto all = nvs_of(fields);
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, id, all.data(), all.size());
    return static_cast<ssize_t>(size);
}

}  // namespace

H2Stream::H2Stream(H2Client& client, std::int32_t id) : client_(client), id_(id), exchange_(client.exchanges(), *this) {}

H2Stream::~H2Stream() {
    client_.count_waiting(waiting(), 0);
}

// --- the request ---

void H2Stream::take_head(int status, const http::RequestHead& head, bool has_body) {
    const Door& door = client_.door();
    if (status != 0) {
        admission_.emplace().refused = status;
        return;
    }
    is_head_ = head.method == "HEAD";
    if (door.access_log) entry_ = std::make_unique<AccessEntry>(entry_of(head, client_.core().now, 0));
    http::FramingResult framing = http::framing_of(head);
    if (has_body && framing.refused == 0 && framing.framing.kind == Kind::none) framing.framing.kind = Kind::chunked;
    admission_ = admit(door, head, framing, http::options_of(head), client_.address(), client_.secure());
    if (admission_->pool && admission_->pool->rules().proxy_protocol != model::ProxyProtocol::none) admission_->request.pick.here = client_.here();
}

void H2Stream::take_body(std::string_view data) {
    body_bytes_ += data.size();
    if (!admission_ && !exchange_.active()) return client_.consume(id_, data.size());
    in_ += data;
}

void H2Stream::begin(Admission admission) {
    if (admission.refused != 0) return refuse(admission.refused);
    exchange_.begin(std::move(admission.pool), std::move(admission.request));
}

void H2Stream::feed() {
    if (admission_) {
        Admission admission = std::move(*admission_);
        admission_.reset();
        begin(std::move(admission));
    }
    const std::uint64_t most = client_.door().entrance.http.max_body;
    const int refused = spoiled_ ? 400 : most > 0 && body_bytes_ > most ? 413 : 0;
    if (exchange_.active() && refused != 0) {
        exchange_.cancel();
        refuse(refused);
    }
    bool progress = false;
    while (!in_.empty() && (!exchange_.active() || exchange_.room())) {
        const std::string data = std::exchange(in_, {});
        if (exchange_.active()) exchange_.send(data);
        client_.consume(id_, data.size());
        progress = true;
    }
    if (!exchange_.active()) return;
    if (received_ && in_.empty() && exchange_.room() && !std::exchange(passed_, true)) exchange_.end_body(trailer_);
    exchange_.flush();
    settle_deadline(progress);
}

void H2Stream::on_room() {
    feed();
    client_.wake();
}

// --- the response ---

void H2Stream::submit(int status, const std::vector<http::Field>& fields, bool has_body) {
    answered_ = true;
    if (entry_) entry_->status = status;
    const std::string code = std::to_string(status);
    std::vector<nghttp2_nv> all{nv_of({":status", code})};
    for (const http::Field& field : fields) all.push_back(nv_of(field));
    nghttp2_data_provider provider{};
    provider.source.ptr = this;
    provider.read_callback = read_response;
    if (nghttp2_submit_response(client_.session(), id_, all.data(), all.size(), has_body ? &provider : nullptr) != 0) reset(NGHTTP2_INTERNAL_ERROR);
    client_.wake();
}

void H2Stream::on_interim(const http::ResponseHead& head) {
    const std::string code = std::to_string(head.status);
    std::vector<nghttp2_nv> all{nv_of({":status", code})};
    const auto fields = sent_on(head, {});
    for (const http::Field& field : fields) all.push_back(nv_of(field));
    nghttp2_submit_headers(client_.session(), NGHTTP2_FLAG_NONE, id_, nullptr, all.data(), all.size(), nullptr);
    client_.wake();
}

void H2Stream::on_head(const http::ResponseHead& head, const http::Framing& framing) {
    auto fields = sent_on(head, framing);
    std::string length;
    if (framing.kind == Kind::length) {
        length = std::to_string(framing.length);
        fields.push_back({"content-length", length});
    }
    submit(head.status, fields, framing.kind != Kind::none && !(framing.kind == Kind::length && framing.length == 0));
}

void H2Stream::add_out(std::string_view data) {
    const std::size_t before = waiting();
    out_.erase(0, std::exchange(out_from_, 0));
    out_ += data;
    client_.count_waiting(before, waiting());
    nghttp2_session_resume_data(client_.session(), id_);
    client_.wake();
}

void H2Stream::on_body(std::string_view data) {
    add_out(data);
    full_ = full_ || !has_room();
    settle_deadline(false);
}

bool H2Stream::has_room() const {
    return waiting() < limits::h2_stream_buffer;
}

// As much as can be sent at once; of a client that takes nothing now, no more than is kept for it.
std::size_t H2Stream::at_once() const {
    const std::size_t window = client_.window(id_);
    return std::max(limits::h2_stream_buffer, std::min(window, limits::h2_write_bytes));
}

void H2Stream::on_end(std::string_view trailer) {
    ended_ = true;
    response_trailer_ = trailer;
    nghttp2_session_resume_data(client_.session(), id_);
    client_.wake();
}

void H2Stream::on_broken() {
    reset(NGHTTP2_INTERNAL_ERROR);
}

void H2Stream::on_upgraded(const http::ResponseHead&, Links::Parted, std::string_view) {
    reset(NGHTTP2_INTERNAL_ERROR);  // nobody has asked for it: requests of this version carry no Upgrade
}

void H2Stream::refuse(int status) {
    if (answered_) return reset(NGHTTP2_INTERNAL_ERROR);
    answer(status);
}

void H2Stream::answer(int status) {
    const std::string text = http::error_text(status);
    const std::string length = std::to_string(text.size());
    ended_ = true;
    if (!is_head_) add_out(text);
    submit(status, {{"content-type", "text/plain"}, {"content-length", length}}, !is_head_);
}

void H2Stream::reset(std::uint32_t code) {
    reset_ = true;
    nghttp2_submit_rst_stream(client_.session(), NGHTTP2_FLAG_NONE, id_, code);
    client_.wake();
}

std::string_view H2Stream::next(std::size_t size) {
    const std::string_view data = std::string_view(out_).substr(out_from_, size);
    client_.count_waiting(waiting(), waiting() - data.size());
    out_from_ += data.size();
    sent_ += data.size();
    if (full_ && has_room()) {
        full_ = false;
        client_.add_drained(*this);
    }
    return data;
}

void H2Stream::go_on() {
    exchange_.go_on();
}

// --- ends and deadlines ---

void H2Stream::cancel() {
    client_.consume(id_, std::exchange(in_, {}).size());
    if (exchange_.active()) ++client_.core().totals.aborted;
    exchange_.cancel();
    unlink();
    if (!entry_) return;
    if (!answered_) entry_->status = limits::http_client_gone;
    client_.log(*entry_, sent_, exchange_.endpoint_name());
    entry_.reset();
}

void H2Stream::settle_deadline(bool progress) {
    const auto& rules = client_.door().entrance.http;
    const bool waits_for_body = exchange_.active() && !received_ && in_.empty() && exchange_.room();
    const Phase phase = waiting() > 0 ? sending : waits_for_body ? body : none;
    if (phase == phase_ && !progress) return;
    phase_ = phase;
    Core& core = client_.core();
    if (phase == none) return core.deadlines.clear(*this);
    core.deadlines.set(*this, core.now, phase == sending ? rules.send_timeout : rules.body_timeout);
}

void H2Stream::on_deadline() {
    const bool slow = std::exchange(phase_, none) == body;
    exchange_.cancel();
    if (slow && !answered_) return refuse(408);
    reset(NGHTTP2_CANCEL);
}

}  // namespace baton::gateway
