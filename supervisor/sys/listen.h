// Listening sockets: opened, recognised, watched and closed. A socket opened here is kept across
// reloads, upgrades and masters; so it is known by what it is bound to, and it is closed so that whoever
// waits in its queue is taken over by the other sockets of its group.
//
// Every function may be called from any thread; none blocks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "model/address.h"
#include "model/listener.h"
#include "sys/descriptor.h"

namespace baton::sys {

// single: one socket that all instances share. group: one of several with the same address
// (SO_REUSEPORT), each an instance's own; unix sockets cannot be grouped and are opened as single.
enum class Sharing { single, group };

// A socket that listens (or, for udp, is bound) at the address, in blocking mode, as systemd hands it
// out and programs expect it. `first`: the caller holds no socket that overlaps this address; then
// anybody else's socket there is an error (EADDRINUSE), although the kernel would let a process of the
// same user join the group. Where it is false, only another user's socket is.
//
// A path's socket file appears under its name when it listens and has its mode; the socket file of a
// program that is gone is replaced, anything else at that name is an error.
Result<UniqueFd> open_listener(const model::ListenerSpec& listener, Sharing sharing, bool first,
                               mode_t mode = 0666);

// Whether a program can bind the port, for tcp and for udp, on all addresses of this host. Leaves nothing behind.
bool port_is_free(std::uint16_t port);

// The socket file becomes this user's.
Result<void> give_file(const std::string& path, uid_t uid);

// Whether open_listener could succeed: the address exists here and may be bound. An address in use is
// no error. Leaves nothing behind and touches no file.
Result<void> test_address(const model::ListenerSpec& listener);

// model::identity() of the listener this socket belongs to; empty where it is bound to nothing, or is
// of no kind a listener can be. Tells tcp from udp; http listeners are tcp.
std::string identity_of(const UniqueFd& socket);
// The kernel's number for this socket: equal for two descriptors exactly when they are one socket.
Result<std::uint64_t> cookie_of(const UniqueFd& socket);
// Whether it still takes clients: false once any holder of the socket has shut it down.
bool is_listening(const UniqueFd& socket);
// Undoes a shutdown() by one of the holders, which stops a socket for all of them. Possible for tcp: the
// port stayed bound, but the socket has left its group's steering map and must be set there again. For
// unix and udp sockets the kernel has no way back, and the error says so.
Result<void> listen_again(const UniqueFd& socket, int backlog);

// A listening tcp socket that somebody else opened: from here on sockets of the same user may join its address.
Result<void> allow_others(const UniqueFd& socket);
// Whoever waits on this tcp socket is moved to the other sockets of its group (with the steering program
// attached), and it listens on, for every process that holds it. Its place in the steering map is lost. A
// handshake under way may still end here: look again. At least one other socket of the group must listen.
Result<void> pass_queue_on(const UniqueFd& socket, int backlog);
// An IPv6 socket that takes IPv4 clients too, as Baton's own never do.
bool takes_both_families(const UniqueFd& socket);

// What waits: connections not yet accepted, or for udp the bytes of memory that waiting datagrams take.
// 0 exactly when nothing waits. Handshakes under way are not counted; they migrate when the socket closes.
Result<std::uint32_t> queued(const UniqueFd& socket);

// Ends the socket for every process that holds it. What waits on a tcp socket, and handshakes under way,
// migrate to the other sockets of its group (kernel 5.14, with the steering program attached); where it was
// the last, they are reset. Call it limits::steering_quiet after the socket left its table. A unix socket
// refuses new clients from here on. A udp socket lives on while another process holds it.
Result<void> close_listener(UniqueFd socket);
// Removes the file of a listening unix socket, also while programs hold the socket, but only where it is
// this socket's: another program may have put its own there. Nothing to do for other sockets.
Result<void> remove_socket_file(const UniqueFd& socket);

// Where a client on this host finds `address`: loopback in place of a wildcard.
model::Address reachable(const model::Address& address);
// A non-blocking stream socket to probe reachable(target) with, bound to an own address and port, which
// is returned in `source` so that it can be registered before it connects. A unix target needs no
// source and gets an unbound socket.
Result<UniqueFd> probe_socket(const model::Address& target, model::Address& source);

}  // namespace baton::sys
