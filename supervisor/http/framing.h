// Where a body ends (RFC 9112, section 6), and the reader of chunked ones.
//
// Nothing is guessed: Transfer-Encoding beside Content-Length, either of them twice, another coding than
// chunked, a length that is no plain number are all refused, in requests and in responses.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/head.h"

namespace baton::http {

struct Framing {
    enum class Kind { none, length, chunked, until_close } kind = Kind::none;
    std::uint64_t length = 0;
};

// An empty one: the message is refused (400 for a request, 502 for a response; 501 for a coding that is not known).
struct FramingResult {
    Framing framing;
    int refused = 0;
};
FramingResult framing_of(const RequestHead& head);
// `method`: of the request that is answered.
FramingResult framing_of(const ResponseHead& head, std::string_view method);

// Finds the data in a chunked body. Fed with whatever has arrived, it gives the data piece by piece, as
// views of what it was fed with, and keeps only where it is.
class ChunkReader {
  public:
    enum class State { more, data, end, bad };
    // Takes from the front of `bytes`. data: `data` is a piece, go on. more: all was taken, the body goes on.
    // end: what is left in `bytes` is not the body's. bad: the framing is broken, or a line of the trailer is no field.
    State next(std::string_view& bytes, std::string_view& data);
    // The trailer's lines, once the end is reached; without the empty line.
    const std::string& trailer() const { return trailer_; }

  private:
    enum class Place { size, data, data_end, trailer, over, broken };
    State fail();
    State take_line(std::string_view& bytes);

    Place place_ = Place::size;
    std::uint64_t left_ = 0;  // of the present chunk
    std::string line_;        // the beginning of a line whose end has not arrived
    std::string trailer_;
};

// What is left of a body of any framing; one for each direction of an exchange.
class BodyReader {
  public:
    explicit BodyReader(Framing framing = {})
        : framing_(framing), left_(framing.length), chunks_(framing.kind == Framing::Kind::chunked ? std::make_unique<ChunkReader>() : nullptr) {}
    ChunkReader::State next(std::string_view& bytes, std::string_view& data);
    const Framing& framing() const { return framing_; }
    std::string_view trailer() const { return chunks_ ? std::string_view(chunks_->trailer()) : std::string_view(); }
    // Nothing of it is to come; a body until close never says so.
    bool over() const { return over_ || framing_.kind == Framing::Kind::none || (framing_.kind == Framing::Kind::length && left_ == 0); }

  private:
    Framing framing_;
    std::uint64_t left_ = 0;
    bool over_ = false;
    std::unique_ptr<ChunkReader> chunks_;
};

}  // namespace baton::http
