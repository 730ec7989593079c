#include "engine/anchors.h"

#include <cctype>
#include <cstdlib>

#include <fmt/core.h>

#include "base/limits.h"
#include "sys/listen.h"

namespace baton::engine {
namespace {

constexpr std::string_view given_prefix = "given/";
constexpr std::string_view stored_prefix = "stored/";

}  // namespace

std::string held_name(const std::string& identity, const Anchor& anchor) {
    return fmt::format("{}{:05}/{}", anchor.given ? given_prefix : stored_prefix, anchor.place, identity);
}

bool is_anchor_name(std::string_view held_name) { return held_name.starts_with(given_prefix) || held_name.starts_with(stored_prefix); }

Anchors take_anchors(std::map<std::string, sys::UniqueFd>& held) {
    Anchors anchors;
    for (auto& [name, fd] : held) {
        if (!is_anchor_name(name) || !fd.valid()) continue;
        const std::string rest = name.substr(name.find('/') + 1);
        Anchor anchor;
        anchor.given = name.starts_with(given_prefix);
        anchor.place = static_cast<std::uint32_t>(std::strtoul(rest.c_str(), nullptr, 10));
        anchor.socket = std::move(fd);
        anchors.insert_or_assign(rest.substr(rest.find('/') + 1), std::move(anchor));
    }
    return anchors;
}

std::uint32_t free_place(const Anchors& anchors, const std::set<std::uint32_t>& taken) {
    std::set<std::uint32_t> all = taken;
    for (const auto& [identity, anchor] : anchors) all.insert(anchor.place);
    std::uint32_t place = limits::steering_sockets - 1;
    while (place > 0 && all.contains(place)) --place;
    return place;
}

std::string store_name(std::string_view identity) {
    std::string name;
    for (const char one : identity) {
        const bool plain = std::isalnum(static_cast<unsigned char>(one)) != 0 || std::string_view("._/@[]-").find(one) != std::string_view::npos;
        name += plain ? std::string(1, one) : fmt::format("%{:02X}", static_cast<unsigned char>(one));
    }
    return name;
}

std::map<std::string, sys::UniqueFd> name_inherited(std::vector<sys::Inherited> inherited, std::vector<std::string>& remarks) {
    Anchors anchors;
    for (sys::Inherited& one : inherited) {
        const std::string identity = sys::identity_of(one.descriptor);
        const std::string what = fmt::format("the service manager passed \"{}\" ({})", one.name, identity.empty() ? "no socket of an address" : identity);
        if (identity.empty() || !sys::is_listening(one.descriptor)) {
            remarks.push_back(what + ", which does not listen; it is closed");
        } else if (sys::takes_both_families(one.descriptor)) {
            remarks.push_back(what + ", which takes IPv4 too; it is closed. BindIPv6Only=ipv6-only in the socket unit gives one that a listener can use");
        } else if (anchors.contains(identity)) {
            remarks.push_back(what + ", which it passed already; it is closed");
        } else {
            Anchor anchor;
            anchor.place = free_place(anchors, {});
            anchor.given = one.name != store_name(identity);
            anchor.socket = std::move(one.descriptor);
            anchors.emplace(identity, std::move(anchor));
        }
    }
    std::map<std::string, sys::UniqueFd> held;
    for (auto& [identity, anchor] : anchors) {
        const std::string name = held_name(identity, anchor);
        held.emplace(name, std::move(anchor.socket));
    }
    return held;
}

}  // namespace baton::engine
