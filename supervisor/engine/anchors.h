// Anchors: listening sockets that the service manager holds too, so that an address lives on while no keeper
// does. One of a socket unit is given to us and stays the unit's; one in the service manager's descriptor
// store is opened here and goes when its listener does. Known by identity, never by name or order.
//
// An anchor is a member of its listener's reuseport group that no instance ever has: the service manager's
// copy would keep it open past its instance's end. In the steering tables it stands only while everything is
// being stopped; then clients wait in it for the next start. Held by the keeper as given/PLACE/IDENTITY or
// stored/PLACE/IDENTITY; PLACE is its number in the steering maps.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sys/descriptor.h"
#include "sys/inherited.h"

namespace baton::engine {

struct Anchor {
    std::uint32_t place = 0;
    bool given = false;  // by a socket unit
    sys::UniqueFd socket;
};

// By identity.
using Anchors = std::map<std::string, Anchor, std::less<>>;

// Under which the keeper holds it.
std::string held_name(const std::string& identity, const Anchor& anchor);
bool is_anchor_name(std::string_view held_name);
// Moves the anchors out of what the keeper holds.
Anchors take_anchors(std::map<std::string, sys::UniqueFd>& held);
// The highest place that neither an anchor nor any of `taken` has.
std::uint32_t free_place(const Anchors& anchors, const std::set<std::uint32_t>& taken);

// The name in the descriptor store of the socket of that identity; systemd forbids some characters.
std::string store_name(std::string_view identity);
// What a service manager passed to batond, under the names that the keeper is to hold it by. What no listener
// could use is closed, and told in `remarks`.
std::map<std::string, sys::UniqueFd> name_inherited(std::vector<sys::Inherited> inherited, std::vector<std::string>& remarks);

}  // namespace baton::engine
