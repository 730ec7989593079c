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
// Records of exchanges that are kept for the next ones.
inline constexpr std::size_t spare_exchanges = 256;
// Lines of the access log that wait to be written together.
inline constexpr std::size_t access_log_bytes = 64 * 1024;
// Interim responses (1xx) before the final one.
inline constexpr std::uint32_t http_interim_responses = 16;

// The file of a certificate with its chain, or of a key.
inline constexpr std::size_t tls_file_bytes = 256 * 1024;
// The keys of the tickets of TLS are moved on this often. One is known to all workers for one turn before it seals, seals
// for one, and opens for another: it is there for 12 hours, and no worker meets a ticket whose key it has yet to get.
inline constexpr Millis tls_ticket_turn = 4LL * 60 * 60 * 1'000;
// A session may be taken up again for so long. Less than a turn: no ticket outlives its key.
inline constexpr Millis tls_session = 2LL * 60 * 60 * 1'000;
// What clients that never begin are told of in the log, at most this often.
inline constexpr Millis porch_log = 10'000;

// --- HTTP/2 ---

// Requests that one client may have under way, as nginx allows.
inline constexpr std::uint32_t h2_streams = 128;
// What one request's body may be ahead of its instance, and all of one client's together: kept in memory until the
// instances take it. The first one bounds an upload to 256 KiB a round trip.
inline constexpr std::uint32_t h2_stream_window = 256 * 1024;
inline constexpr std::uint32_t h2_window = 1024 * 1024;
// A response that its client does not take is kept up to here, and what was read at once on top of it; times the
// streams this is the most that one client can make a worker keep.
inline constexpr std::size_t h2_stream_buffer = 32 * 1024;
// What is read of a client at once, and gathered before it is written to one.
inline constexpr std::size_t h2_read_bytes = 128 * 1024;
inline constexpr std::size_t h2_write_bytes = 256 * 1024;
// HPACK may make a response's head a little longer than it was.
inline constexpr std::size_t h2_response_head_bytes = 2 * http_response_head_bytes;
// Of one head, beside those that its size needs: frames that bring little or nothing (CVE-2024-28182).
inline constexpr std::size_t h2_continuations = 8;
// Answers to PING and SETTINGS that wait to be written (CVE-2019-9512, CVE-2019-9515).
inline constexpr std::size_t h2_acknowledgements = 128;
// Requests that were taken back or broken off (CVE-2023-44487, CVE-2025-8671): so many at once, and so many a second.
// A browser takes back a page's worth when its reader moves on.
inline constexpr std::uint32_t h2_resets = 1'000;
inline constexpr std::uint32_t h2_resets_a_second = 100;
// Frames that ask for nothing (PING, SETTINGS, PRIORITY, empty DATA), likewise (CVE-2019-9513, CVE-2019-9518).
inline constexpr std::uint32_t h2_idle_frames = 2'000;
inline constexpr std::uint32_t h2_idle_frames_a_second = 200;

}  // namespace baton::limits
