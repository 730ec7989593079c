// A listening socket of this worker: whether it is accepted from, how its clients are spoken to, and which pool
// each of their requests is for.
//
// It stays while the tables name it and clients of it are there; what a new table says holds for the next
// request or connection.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/pool.h"
#include "gateway/tls.h"
#include "http/forward.h"
#include "http/head.h"
#include "model/route_table.h"
#include "sys/descriptor.h"

namespace baton::gateway {

class AccessLog;

struct Door {
    struct Choice {
        model::Match match;
        std::shared_ptr<Pool> pool;
    };

    std::string name;           // of the listening socket
    sys::UniqueFd listener;     // invalid: not served by this worker any more
    bool is_unix = false;
    bool watched = false;       // accepted from
    std::size_t accepted = 0;   // since it waits in line behind other workers
    bool gone = false;          // the table knows it no more
    std::size_t clients = 0;    // of http
    // Those who are there are told to go.
    bool closes() const { return gone || entrance.closing; }
    Millis paused = 0;          // accepting failed; not before this
    model::Entrance entrance;
    std::vector<Choice> choices;  // the first that matches
    std::shared_ptr<AccessLog> access_log;
    std::shared_ptr<const Credentials> credentials;  // null: no TLS, or none that can be used

    // No endpoint of it takes anybody new.
    bool empty() const;
    // The last choice's: of a listener without requests to look at, and where no other matches.
    const std::shared_ptr<Pool>& pool() const { return choices.back().pool; }
    // Whose the request is; null, and the status to answer with: the door leads nowhere any more (404), or it chooses by
    // the path, and that cannot be decoded (400).
    struct Found {
        int refused = 0;
        std::shared_ptr<Pool> pool;
    };
    Found find(const http::RequestHead& head) const;
    // Behind the choices that are there.
    void add(model::Match match, std::shared_ptr<Pool> pool);
    http::Origin origin(const ClientAddress& client, bool secure) const;
};

// What a strategy hashes of a request, by its `key`: client_ip, header:NAME, cookie:NAME, path.
std::string key_of(const std::string& spec, const http::RequestHead& head, const ClientAddress& client);

}  // namespace baton::gateway
