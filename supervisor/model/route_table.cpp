#include "model/route_table.h"

#include <string_view>

#include <boost/describe/enum_to_string.hpp>
#include <fmt/format.h>

namespace baton::model {
namespace {

// With what else is agreed on in a handshake: a change of it takes the files anew.
std::string name_of(std::string_view what, const Entrance& entrance) {
    if (!entrance.tls) return {};
    return fmt::format("{} {} {} {} {}", what, entrance.listener, entrance.tls->fingerprint, boost::describe::enum_to_string(entrance.tls->minimum, ""),
                       entrance.http.http2 ? "h2" : "http/1.1");
}

}  // namespace

std::string certificate_of(const Entrance& entrance) { return name_of("certificate", entrance); }
std::string key_of(const Entrance& entrance) { return name_of("key", entrance); }
std::string tickets_of(const RouteTable& table) { return fmt::format("tickets {}", table.tickets); }

}  // namespace baton::model
