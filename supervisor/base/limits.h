// Every limit of Baton, each named once with the reason for its value.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace baton::limits {

// --- keeper ---
// One message between keeper and master: an instance's whole argument and environment block fits.
inline constexpr std::size_t message_bytes = 128 * 1024;
// Descriptors in one message; the kernel's SCM_MAX_FD is 253.
inline constexpr std::size_t message_descriptors = 250;
// A path, as the kernel takes it (PATH_MAX).
inline constexpr std::size_t path_bytes = 4'096;
// What a master leaves as a note for its replacement, and what one tells another; longer words are cut.
inline constexpr std::size_t note_bytes = 64 * 1024;
inline constexpr std::size_t told_bytes = 4 * 1024;
// Names of held descriptors: a listener's identity (a unix path of 107 bytes) and a prefix fit.
inline constexpr std::size_t held_name_bytes = 160;
// Descriptors a keeper holds: four thousand listeners and instances with their pipes.
inline constexpr std::size_t held_descriptors = 16'384;
// Children of one keeper.
inline constexpr std::size_t children = 8'192;
// A master that was silent for so long is replaced; it beats every `heartbeat_interval`.
inline constexpr Millis heartbeat_timeout = 5'000;
inline constexpr Millis heartbeat_interval = 500;
// Wait before a master that died is started again: none the first time, then doubling up to this.
inline constexpr Millis master_backoff_first = 50;
inline constexpr Millis master_backoff_max = 5'000;
// A master that lived so long counts as sound, and its next death is the first again.
inline constexpr Millis master_sound_after = 10'000;
// A new master that is asked to answer as the owner may take so long to become it.
inline constexpr Millis ownership_patience = 1'500;
// A QUIT to the old master so soon after its upgrade was taken back was meant to commit it, not to stop everything.
inline constexpr Millis late_quit = 1'000;
// After TERM the keeper waits so long for masters and instances, then kills.
inline constexpr Millis fast_stop_grace = 1'500;

// --- engine ---
// Wait before a state that could not be stored (no descriptor or memory was left) is stored again.
inline constexpr Millis store_retry_interval = 100;

// --- configuration ---
inline constexpr std::size_t configuration_bytes = 4 * 1024 * 1024;
inline constexpr std::size_t included_files = 256;
inline constexpr std::size_t services = 2'048;
inline constexpr std::size_t listeners = 2'048;
inline constexpr std::uint32_t replicas = 1'024;
// Listeners of one service: its programs get them in one message, with their output and their cgroup.
inline constexpr std::size_t service_listeners = 240;
// Name of a service or listener.
inline constexpr std::size_t name_bytes = 64;
// A configured time; a longer one is a mistake, and sums of times stay far from overflow.
inline constexpr Millis configured_duration = 366LL * 86'400'000;
// Command, version and environment of one service: they must fit in a keeper's message with the
// variables the supervisor adds.
inline constexpr std::size_t instance_block_bytes = 96 * 1024;
// Parts of one dotted key, and arrays and inline tables within each other: the schema needs far less,
// and the TOML library recurses for each without a bound of its own.
inline constexpr std::size_t toml_key_parts = 32;
inline constexpr std::size_t toml_nesting = 32;
// A path that sockaddr_un takes.
inline constexpr std::size_t socket_path_bytes = 107;
// What is appended to the admin socket's path during an upgrade.
inline constexpr std::size_t admin_socket_suffix_bytes = 16;
// The longest name of a socket below runtime_dir, with its separator.
inline constexpr std::size_t runtime_socket_name_bytes = 32;

// --- instances ---
// Time to become ready where the configuration names none (systemd's DefaultTimeoutStartSec).
inline constexpr Millis start_timeout = 90'000;
// An instance may ask for more time to start (EXTEND_TIMEOUT_USEC), up to this in all.
inline constexpr Millis start_timeout_extended = 3'600'000;
// Starts of a new revision's instance that may fail before the rollover goes back.
inline constexpr std::uint32_t rollout_attempts = 3;
// An instance that was ready for so long starts its count of restarts anew.
inline constexpr Millis stable_after = 10'000;
// One line of captured output; a longer one is cut into pieces.
inline constexpr std::size_t captured_line_bytes = 8 * 1024;
// Captured output kept for `baton logs`, in all.
inline constexpr std::size_t log_ring_bytes = 4 * 1024 * 1024;
// One sd_notify datagram.
inline constexpr std::size_t notify_bytes = 4 * 1024;
// STATUS text of an instance that is kept.
inline constexpr std::size_t status_text_bytes = 256;

// Captured output that is read from one instance before the others have their turn.
inline constexpr std::size_t captured_turn_bytes = 16 * 1024;
// Captured output that is read at once after a process ended; the largest pipe (fs.pipe-max-size) fits.
inline constexpr std::size_t captured_drain_bytes = 1024 * 1024;
// Name of an instance in the ring of captured lines: a service's name, a sign and an ordinal.
inline constexpr std::size_t log_instance_bytes = 96;
// sd_notify datagrams that are read from one instance before the others have their turn.
inline constexpr std::size_t notify_turn_datagrams = 16;
// An entry of the user database, and the groups of one user (the kernel's NGROUPS_MAX).
inline constexpr std::size_t user_entry_bytes = 1024 * 1024;
inline constexpr std::size_t user_groups = 65'536;
// A file below /proc or /sys/fs/cgroup: a cgroup.procs with all the processes of a host.
inline constexpr std::size_t cgroup_file_bytes = 4 * 1024 * 1024;
// Cgroups whose last processes have not ended yet, to be removed later.
inline constexpr std::size_t cgroups_remembered = 8'192;

// --- steering ---
// Sockets of all reuseport groups together (the size of the socket map).
inline constexpr std::uint32_t steering_sockets = 16'384;
// Of these, the highest are for sockets that a service manager holds too: one a listener. Instances have the others.
inline constexpr std::uint32_t instance_places = steering_sockets - static_cast<std::uint32_t>(listeners);
// What is told to the service manager waits so long for room in its queue.
inline constexpr Millis service_manager_patience = 1'000;
// One that had no room is not given sockets to keep for so long.
inline constexpr Millis service_manager_pause = 5'000;
// Places in one group's table of weights; 1/1024 is the finest share.
inline constexpr std::uint32_t steering_places = 1'024;
inline constexpr std::uint32_t steering_groups = 4'096;
// Probes under way at once.
inline constexpr std::uint32_t steering_probes = 4'096;
inline constexpr std::uint32_t weight_max = 1'000;
// A socket is closed no sooner than this after it left its table: handshakes under way end first. One whose
// last packet arrives while its socket is being closed, on another core, is reset by the kernel.
inline constexpr Millis steering_quiet = 50;

// --- probes ---
inline constexpr std::size_t probe_response_bytes = 16 * 1024;
// What of a failed answer's first line is repeated in the reason.
inline constexpr std::size_t probe_reason_bytes = 200;
// Wait before a unix socket whose queue is full is tried again within one probe.
inline constexpr Millis probe_queue_pause = 10;
// First wait between the probes of a freshly started instance; it doubles up to the configured interval.
inline constexpr Millis probe_first_interval = 10;

// --- journal ---
// Events kept in the history on disk.
inline constexpr std::size_t journal_events = 10'000;
// Longer texts of events are cut.
inline constexpr std::size_t journal_text_bytes = 4 * 1024;
// Records that wait for flush(), or for a disk that is full; the oldest are dropped.
inline constexpr std::size_t journal_pending = 1'024;
// How long one flush waits for another master that writes, and how long an open for one that begins it.
inline constexpr Millis journal_busy = 10;
inline constexpr Millis journal_open_busy = 250;
// The write-ahead log is cut back to this after a checkpoint.
inline constexpr std::size_t journal_wal_bytes = 4 * 1024 * 1024;

// --- admin ---
inline constexpr std::size_t admin_connections = 64;
// Connections of strangers are logged at most this often.
inline constexpr Millis admin_refusal_interval = 1'000;
inline constexpr std::size_t admin_header_bytes = 16 * 1024;
inline constexpr std::size_t admin_body_bytes = 1024 * 1024;
inline constexpr Millis admin_request_timeout = 10'000;
// Connections that follow events or logs; fewer than there may be in all, so that a command always finds a place.
inline constexpr std::size_t admin_streams = 48;
// Commands under way at once, also those whose client has gone.
inline constexpr std::size_t admin_commands = 32;
// Steps of a command that its client has not read yet; older ones are dropped, the verdict never.
inline constexpr std::size_t admin_progress_backlog = 256;
// A stream without news says so often that it is alive.
inline constexpr Millis admin_keep_alive = 15'000;
// Views put into one piece of a stream.
inline constexpr std::size_t admin_stream_piece_bytes = 64 * 1024;
// After a refused request: so long its rest is read, so that the client gets to see the answer.
inline constexpr Millis admin_linger = 1'000;
// Connections in the middle of something get so long at least when a master leaves.
inline constexpr Millis admin_farewell = 100;
// A listening socket that cannot be accepted from (no descriptors left) is tried again after this.
inline constexpr Millis admin_accept_backoff = 100;
// Lines that one `baton logs` may ask for, and those it gets where it names no count.
inline constexpr std::uint32_t log_lines_max = 65'536;
inline constexpr std::uint32_t log_lines_default = 100;
// Events kept for `baton events`, and those one slow reader may be behind before it is let go.
inline constexpr std::size_t events_kept = 1'024;
inline constexpr std::size_t subscriber_backlog = 1'024;

// --- command line ---
// An answer that is a document; also a connection to a supervisor that does not accept.
inline constexpr Millis client_answer_timeout = 15'000;
// A connection that broke in the middle of a command is tried again for so long, this often.
inline constexpr Millis client_reconnect = 30'000;
inline constexpr Millis client_retry_interval = 200;
// A supervisor that knows of no upgrade for so long has none.
inline constexpr Millis client_quiet = 2'000;
// One document, one event, one line of progress.
inline constexpr std::size_t client_document_bytes = 64 * 1024 * 1024;

}  // namespace baton::limits
