// The limits of HTTP in the data plane, each named once with the reason for its value.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace baton::limits {

// Fields of one head, or of one chunked body's trailer. Common servers stop at 100 to 128.
inline constexpr std::size_t http_fields = 128;
// A head that an instance sends; the client's limit is the listener's (http.max_header).
inline constexpr std::size_t http_response_head_bytes = 64 * 1024;
// The line that announces a chunk, with its extensions, which nobody uses.
inline constexpr std::size_t http_chunk_line_bytes = 256;
// The trailer of one chunked body.
inline constexpr std::size_t http_trailer_bytes = 16 * 1024;
// A method's name; the longest registered one has 17 bytes (RFC 3253 and others).
inline constexpr std::size_t http_method_bytes = 32;
// What is read of a client at once where a head is expected: what it sends ahead is kept no further.
inline constexpr std::size_t http_read_bytes = 64 * 1024;
// A client that was answered for good: so much more of it is read and dropped, and for so long, before its
// connection is closed.
inline constexpr std::size_t http_linger_bytes = 16 * 1024 * 1024;
inline constexpr Millis http_linger = 5'000;
// What the access log says of a request whose client did not wait for the response, as nginx does.
inline constexpr int http_client_gone = 499;
// Lines of the access log that wait to be written together.
inline constexpr std::size_t access_log_bytes = 64 * 1024;
// Interim responses (1xx) before the final one.
inline constexpr std::uint32_t http_interim_responses = 16;

}  // namespace baton::limits
