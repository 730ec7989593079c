// [listener.NAME].
#include <filesystem>
#include <utility>

#include <fmt/core.h>

#include "base/limits.h"
#include "config/groups.h"
#include "config/later.h"
#include "config/values.h"

namespace baton::config {
namespace {

constexpr int backlog_max = 65'535;

void read_address(Table& table, model::ListenerSpec& spec, const std::string& prefix) {
    std::string text;
    table.require("address");
    if (!table.text("address", text)) return;
    auto parsed = model::parse_address(text);
    if (!parsed) return table.fault("address", parsed.error());
    model::Address address = *parsed;
    if (address.family == model::Family::unix_path) {
        // A listener is known by its address, so a path has one spelling.
        address.host = std::filesystem::path(below(prefix, address.host)).lexically_normal().string();
        if (address.host.ends_with('/')) {
            return table.problem("address", fmt::format("is {}, which names a folder", in_quotes(address.host)));
        }
        if (address.host.size() > limits::socket_path_bytes) {
            return table.problem("address", fmt::format("is {}, {} bytes; a unix socket's path has at most {}",
                                                        in_quotes(address.host), address.host.size(),
                                                        limits::socket_path_bytes));
        }
    }
    spec.address = std::move(address);
}

}  // namespace

void read_listener(Table table, model::ListenerSpec& spec, ListenerOrigin& origin,
                   const std::string& prefix) {
    origin.self = table.place();
    origin.address = table.place_of("address");
    origin.service = table.place_of("service");

    read_address(table, spec, prefix);
    const bool understood = table.choice<model::Protocol>(
        "protocol", spec.protocol,
        {{"http", model::Protocol::http}, {"tcp", model::Protocol::tcp}, {"udp", model::Protocol::udp}});
    table.require("service");
    table.nonempty("service", spec.service);
    const bool backlog = table.integer("backlog", spec.backlog, 1, backlog_max);

    if (spec.protocol == model::Protocol::udp) {
        if (model::is_unix(spec.address)) table.problem("protocol", "= \"udp\" needs an address HOST:PORT");
        if (backlog) table.problem("backlog", "has no meaning with protocol = \"udp\"");
    }

    later_text(table, "codec");
    read_clients(table, spec, origin, prefix, understood || table.missing("protocol"));
    table.finish();
}

}  // namespace baton::config
