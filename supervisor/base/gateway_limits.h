// The limits of the data plane, each named once with the reason for its value.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace baton::limits {

// Workers of one generation; more than a host has cores gain nothing.
inline constexpr std::uint32_t workers = 256;
// One buffer for all connections of a worker: what one read takes at most. Larger gains nothing on 1 MiB
// responses, smaller costs system calls.
inline constexpr std::size_t relay_buffer_bytes = 512 * 1024;
// Writes that wait for the end of a turn to be made together: more gain nothing, and the first would wait longer...
inline constexpr std::size_t posted_writes = 64;
// ...nor does any wait for more than as many events, or while others move so much...
inline constexpr std::uint64_t posted_wait_bytes = 256 * 1024;
// ...and what each may have: copying costs less than a call up to about this.
inline constexpr std::size_t posted_bytes = 4 * 1024;
// What one connection may move before the others have their turn.
inline constexpr std::size_t relay_turn_bytes = 2 * 1024 * 1024;
// Connections accepted from one listener before the others have their turn.
inline constexpr std::size_t accept_turn = 16;
// After so many a worker waits behind the others that accept there: the kernel wakes the first in line, and would
// give nearly all clients to one worker.
inline constexpr std::size_t accept_share = 8;
// Connections taken over from another worker before everybody else has a turn.
inline constexpr std::size_t take_turn = 64;
// Events taken from the kernel at once.
inline constexpr std::size_t gateway_events = 512;
// A client is kept so long while no instance can be reached (one that crashed is being restarted)...
inline constexpr Millis upstream_wait = 10'000;
// ...and the instances are tried again this often.
inline constexpr Millis upstream_retry = 20;
// An instance has closed its connection, and the client neither closes nor takes what is left: it is closed
// for it after so long without any progress.
inline constexpr Millis half_closed = 30'000;
// The same in a worker that leaves and has nobody to give its connections to.
inline constexpr Millis half_closed_leaving = 1'000;
// A listener that cannot be accepted from (no descriptors left) is tried again after this.
inline constexpr Millis accept_backoff = 100;
// The share of one that starts slowly grows in steps of this.
inline constexpr Millis slow_start_step = 100;
// Between two lines of a worker's log that tell of one service's failing instances.
inline constexpr Millis pool_warning = 1'000;
// Descriptors of a worker beside its listeners and its connections.
inline constexpr std::size_t worker_descriptors = 64;
// Endpoints whose connections a worker counts: those of the table and those that left it with connections open.
inline constexpr std::size_t counted_endpoints = 8'192;
// A command that changes who gets traffic waits so long for the workers to confirm it; one that is silent for
// longer is found hung.
inline constexpr Millis workers_told = 15'000;
// A worker must serve by its first table within this.
inline constexpr Millis worker_start = 10'000;
// One that served for so long is replaced at once when it ends...
inline constexpr Millis worker_sound_after = 1'000;
// ...any other after a wait, doubling up to the second: clients wait in the queue meanwhile.
inline constexpr Millis worker_backoff_first = 20;
inline constexpr Millis worker_backoff_max = 1'000;
// Orders that wait for a worker to read; it is found hung long before there are so many.
inline constexpr std::size_t worker_orders = 64;
// Ports for programs that bind their own: below those the kernel gives to clients (ip_local_port_range), and
// far more than there can be instances.
inline constexpr std::uint16_t port_first = 20'000;
inline constexpr std::uint16_t port_last = 31'999;
// A worker whose loop stood still for so long is replaced; it turns at least every `worker_beat`.
inline constexpr Millis worker_hang = 10'000;
inline constexpr Millis worker_beat = 1'000;
// Between one piece of a passed connection's buffered bytes and the next there is a message boundary.
inline constexpr std::size_t passed_piece_bytes = 64 * 1024;
// Connections that were passed and that the other worker has not confirmed: nobody serves them meanwhile, so this is
// how many stand still with a worker that stands still. Enough that the answers to them come in batches: a thousand
// connections take thirty rounds, some milliseconds.
inline constexpr std::size_t passed_under_way = 32;
// One that the other worker had no room for is offered to it again after this.
inline constexpr Millis passed_again = 1'000;
// A worker that keeps losing those who were to take its connections tells its master this often.
inline constexpr Millis lost_heir_told = 1'000;
// Routes of one listener: they are tried one after the other for each request.
inline constexpr std::size_t listener_routes = 256;
// Servers of one external service, as many as a service has instances.
inline constexpr std::size_t service_endpoints = 1'024;
// Options of one strategy, and the bytes of each name and value.
inline constexpr std::size_t strategy_options = 64;
inline constexpr std::size_t strategy_option_bytes = 1'024;
// Instances tried for one request.
inline constexpr std::uint32_t retry_attempts = 64;
// The head of a request: an HTTP client that needs more is broken, and each connection may hold so much.
inline constexpr std::uint64_t http_header_bytes_min = 1'024;
inline constexpr std::uint64_t http_header_bytes_max = 1'024 * 1'024;
// What a passed connection takes along in each direction: a request's head that is not whole yet, or what one read
// has brought, or both of a connection whose protocol has just changed.
inline constexpr std::size_t passed_bytes = http_header_bytes_max + relay_buffer_bytes;
// Idle connections that a worker keeps to one instance.
inline constexpr std::uint32_t pool_size = 4'096;
// A route table, as text.
inline constexpr std::size_t route_table_bytes = 16 * 1024 * 1024;

}  // namespace baton::limits
