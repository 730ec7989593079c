// A connection of this worker to an instance, for HTTP: it serves one exchange after the other, and waits in
// its endpoint's list between them.
//
//              made               given to an exchange
//   connecting ────▶ busy ◀──────────────────────────── idle
//                     │ the response is over, and both sides keep it  ▲
//                     └───────────────────────────────────────────────┘
//
// In every state it ends when the instance closes it, when its exchange gives up, and idle also when its
// time is over or its endpoint has left the table.
#pragma once

#include <cstdint>
#include <string>

#include "gateway/handler.h"
#include "gateway/outlet.h"
#include "gateway/stream.h"
#include "http/head.h"

namespace baton::gateway {

class Exchange;
class Links;

enum class LinkState : std::uint8_t { connecting, busy, idle };

class Link final : public Handler {
  public:
    Link(Links& owner, Stream made, std::uint64_t to, std::uint64_t* open_connections)
        : links(owner), stream(std::move(made)), endpoint(to), counter(open_connections) {}

    void on_ready(const sys::Readiness& event) override;
    void on_late() override;
    void on_deadline() override;

    Links& links;
    Stream stream;
    Outlet out;                 // the request
    std::string head;           // the beginning of a response's head, until the rest arrives
    http::Scan scan;            // in it
    Exchange* exchange = nullptr;
    std::uint64_t endpoint;
    std::uint64_t* counter;     // open connections of the endpoint; counted while it is not idle
    std::uint32_t index = 0;    // in the list of all
    LinkState state = LinkState::connecting;
    bool reused = false;        // it served an exchange before
    bool readable = false;
    bool ending = false;        // the kernel said that nothing follows what is there to read
    bool writing = false;       // it is watched for room
    bool deaf = false;          // the instance takes no more of the request
};

}  // namespace baton::gateway
