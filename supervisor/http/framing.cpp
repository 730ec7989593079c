#include "http/framing.h"

#include <algorithm>
#include <charconv>

#include "base/http_limits.h"

namespace baton::http {
namespace {

using Kind = Framing::Kind;

std::optional<std::uint64_t> parse_length(std::string_view text) {
    std::uint64_t length = 0;
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc() || end != text.data() + text.size() || length > INT64_MAX) return std::nullopt;
    return length;
}

// The part that both kinds of message have in common. none: neither field is there.
FramingResult read_framing(const std::vector<Field>& fields, int minor, int malformed) {
    const Field* length = nullptr;
    const Field* coding = nullptr;
    for (const Field& field : fields) {
        if (field.name.size() == 14 && same(field.name, "content-length")) {
            if (std::exchange(length, &field) != nullptr) return {{}, malformed};
        } else if (field.name.size() == 17 && same(field.name, "transfer-encoding")) {
            if (std::exchange(coding, &field) != nullptr) return {{}, malformed};
        }
    }
    if (coding != nullptr) {
        // With HTTP/1.0 nobody can know what the other side makes of it (RFC 9112, section 6.1).
        if (length != nullptr || minor == 0) return {{}, malformed};
        if (!same(coding->value, "chunked")) return {{}, malformed == 400 ? 501 : malformed};
        return {{Kind::chunked, 0}, 0};
    }
    if (length == nullptr) return {};
    const auto bytes = parse_length(length->value);
    if (!bytes) return {{}, malformed};
    return {{Kind::length, *bytes}, 0};
}

std::optional<std::uint64_t> parse_chunk_size(std::string_view line) {
    // Extensions are legal, and dropped; their content was checked to be one line.
    const std::string_view digits = line.substr(0, line.find_first_of("; \t"));
    std::uint64_t size = 0;
    if (digits.empty() || digits.size() > 15) return std::nullopt;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    const std::string_view rest = line.substr(digits.size());
    const std::size_t mark = rest.find_first_not_of(" \t");
    if (mark != std::string_view::npos && rest[mark] != ';') return std::nullopt;
    if (mark == std::string_view::npos && !rest.empty()) return std::nullopt;
    return size;
}

bool is_sound_trailer(std::string_view lines) {
    std::vector<Field> fields;
    return read_fields(lines, fields);
}

}  // namespace

FramingResult framing_of(const RequestHead& head) {
    return read_framing(head.fields, head.minor, 400);
}

FramingResult framing_of(const ResponseHead& head, std::string_view method) {
    const FramingResult said = read_framing(head.fields, head.minor, 502);
    if (said.refused != 0) return said;
    if (head.status < 200 || head.status == 204 || head.status == 304 || method == "HEAD") return {};
    if (said.framing.kind == Kind::none) return {{Kind::until_close, 0}, 0};
    return said;
}

ChunkReader::State ChunkReader::fail() {
    place_ = Place::broken;
    return State::bad;
}

// One line into line_, without its end. more: its end is not here yet.
ChunkReader::State ChunkReader::take_line(std::string_view& bytes) {
    const std::size_t limit = place_ == Place::trailer ? limits::http_trailer_bytes : limits::http_chunk_line_bytes;
    const std::size_t end = bytes.find('\n');
    const std::size_t size = end == std::string_view::npos ? bytes.size() : end + 1;
    if (line_.size() + size > limit) return State::bad;
    line_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
    const std::size_t mark = line_.find_first_of(std::string_view("\r\0", 2));
    const bool whole = end != std::string_view::npos;
    if (mark == std::string_view::npos) return whole ? State::bad : State::more;
    if (line_[mark] != '\r' || mark + (whole ? 2 : 1) != line_.size()) return State::bad;
    if (!whole) return State::more;
    line_.resize(line_.size() - 2);
    return State::data;
}

ChunkReader::State ChunkReader::next(std::string_view& bytes, std::string_view& data) {
    for (;;) {
        switch (place_) {
            case Place::over: return State::end;
            case Place::broken: return State::bad;
            case Place::data: {
                if (bytes.empty()) return State::more;
                const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
                data = bytes.substr(0, size);
                bytes.remove_prefix(size);
                left_ -= size;
                if (left_ == 0) place_ = Place::data_end;
                return State::data;
            }
            default: break;
        }
        if (bytes.empty()) return State::more;
        const State line = take_line(bytes);
        if (line == State::more) return State::more;
        if (line == State::bad) return fail();
        if (place_ == Place::data_end) {
            if (!line_.empty()) return fail();
            place_ = Place::size;
        } else if (place_ == Place::size) {
            const auto size = parse_chunk_size(line_);
            if (!size) return fail();
            left_ = *size;
            place_ = left_ == 0 ? Place::trailer : Place::data;
        } else if (line_.empty()) {
            if (!is_sound_trailer(trailer_)) return fail();
            place_ = Place::over;
        } else {
            if (trailer_.size() + line_.size() > limits::http_trailer_bytes) return fail();
            trailer_ += line_ + "\r\n";
        }
        line_.clear();
    }
}

ChunkReader::State BodyReader::next(std::string_view& bytes, std::string_view& data) {
    using State = ChunkReader::State;
    switch (framing_.kind) {
        case Kind::none: return State::end;
        case Kind::chunked: {
            const State state = chunks_->next(bytes, data);
            over_ = state == State::end;
            return state;
        }
        case Kind::until_close:
        case Kind::length: {
            const bool counted = framing_.kind == Kind::length;
            if (counted && left_ == 0) return State::end;
            if (bytes.empty()) return State::more;
            const std::size_t size = counted ? static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())) : bytes.size();
            data = bytes.substr(0, size);
            bytes.remove_prefix(size);
            if (counted) left_ -= size;
            return State::data;
        }
    }
    return State::bad;
}

}  // namespace baton::http
