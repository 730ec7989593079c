// The heads that a gateway sends on: what concerns one connection only is left out (RFC 9110, section 7.6.1),
// framing and Host are written anew, and who the client is is told.
//
// Pure; everything is appended to the caller's text, which is reused. No Via is added to requests: servers
// (nginx among them) stop compressing for it, and a loop cannot come about between a gateway and instances.
#pragma once

#include <string>
#include <string_view>

#include "http/framing.h"
#include "http/head.h"

namespace baton::http {

// How the client is told of. trusted: what the request says of clients before it is kept and added to; else dropped.
struct Origin {
    std::string_view address;  // numeric, without brackets and port; "unix:" for a unix socket
    bool secure = false;
    bool x_forwarded = true;
    bool forwarded = false;
    bool trusted = false;
};

// What a connection's own fields ask for.
struct Options {
    bool close = false;             // Connection: close, or HTTP/1.0 without keep-alive
    bool keep_alive = false;        // HTTP/1.0 that asked for it
    std::string_view upgrade;       // the protocol, where Connection lists it; never h2c
    bool trailers = false;          // TE: trailers
    std::size_t keep_alive_seconds = 0;  // Keep-Alive: timeout=; 0: not said
};
Options options_of(const RequestHead& head);
Options options_of(const ResponseHead& head);

void write_request(std::string& out, const RequestHead& head, const Framing& framing, const Options& options, const Origin& origin);

// `framing`: how the body will be sent. after: close or keep_alive as the client must be told.
enum class After { nothing, close, keep_alive };
void write_response(std::string& out, const ResponseHead& head, const Framing& framing, After after, std::string_view upgrade);

// Whether a field of a response goes on to the client, whichever version it speaks; a length, where the body has
// one, does not: it is written anew.
bool goes_on(const ResponseHead& head, const Framing& framing, const Field& field);

// A response of the gateway's own: its body, and the whole of it for HTTP/1.
std::string error_text(int status);
void write_error(std::string& out, int status, bool with_body, After after);
std::string_view reason_of(int status);

// The line before a chunk's data; after the data follows CR LF.
void write_chunk_size(std::string& out, std::size_t size);

// Whether a field is of one connection only, or written anew by the gateway.
bool is_hop_field(std::string_view name);

}  // namespace baton::http
