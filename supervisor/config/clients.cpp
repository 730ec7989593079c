// How clients are spoken to at a listener: [[listener.NAME.route]], [listener.NAME.http], [listener.NAME.tls],
// and the keys beside them.
#include <algorithm>

#include <fmt/core.h>

#include "base/gateway_limits.h"
#include "config/groups.h"
#include "config/values.h"

namespace baton::config {
namespace {

void read_header(Table table, model::Match& match) {
    table.require("name");
    std::string name;
    if (table.nonempty("name", name)) {
        if (is_token(name)) {
            match.header_name = lower_case(name);
        } else {
            table.problem("name", fmt::format("= {} is not a header's name", in_quotes(name)));
        }
    }
    table.text("value", match.header_value);
    table.finish();
}

void read_match(Table table, model::Match& match) {
    if (table.nonempty("path_prefix", match.path_prefix) && !is_path(match.path_prefix)) {
        table.problem("path_prefix", "must begin with '/' and have neither spaces nor control characters, '?' nor '#'");
    }
    std::string host;
    if (table.nonempty("host", host)) {
        // An IPv6 address is written in brackets, as a client does.
        const bool port = host.find(':') != std::string::npos && !host.ends_with(']');
        if (port || host.find_first_of(" /*?#@") != std::string::npos) {
            table.problem("host", fmt::format("= {} is not a host: write a name or an address, without a port", in_quotes(host)));
        }
        match.host = lower_case(host);
    }
    if (auto header = table.table("header")) read_header(*header, match);
    if (table.members().empty()) {
        table.report().problem(table.place(), fmt::format("{} must have path_prefix, host or header; what matches no route goes to "
                                                          "the listener's service", table.path()));
    }
    table.finish();
}

void read_routes(Table& table, model::ListenerSpec& spec, ListenerOrigin& origin) {
    const auto routes = table.tables("route");
    for (Table route : routes) {
        model::RouteSpec& one = spec.routes.emplace_back();
        route.require("match");
        if (auto match = route.table("match")) read_match(*match, one.match);
        route.require("service");
        route.nonempty("service", one.service);
        route.record(origin.keys);
        route.finish();
    }
    if (routes.size() > limits::listener_routes) {
        table.problem("route", fmt::format("has {} routes; at most {} are possible", routes.size(), limits::listener_routes));
    }
}

void read_http(Table table, model::HttpSpec& spec) {
    table.duration("header_timeout", spec.header_timeout, 1);
    table.duration("body_timeout", spec.body_timeout, 1);
    table.duration("idle_timeout", spec.idle_timeout, 1);
    table.duration("send_timeout", spec.send_timeout, 1);
    const bool header = table.size("max_header", spec.max_header);
    if (header && (spec.max_header < limits::http_header_bytes_min || spec.max_header > limits::http_header_bytes_max)) {
        table.problem("max_header", fmt::format("must be from \"{}\" to \"{}\"", format_size(limits::http_header_bytes_min),
                                                format_size(limits::http_header_bytes_max)));
    }
    table.size("max_body", spec.max_body);
    table.duration("drain_grace", spec.drain_grace);
    table.boolean("http2", spec.http2);
    using model::Forwarded;
    table.choice<Forwarded>("forwarded", spec.forwarded,
                            {{"x-forwarded", Forwarded::x_forwarded},
                             {"forwarded", Forwarded::forwarded},
                             {"both", Forwarded::both},
                             {"none", Forwarded::none}});
    table.boolean("trust_forwarded", spec.trust_forwarded);
    table.boolean("abort_on_close", spec.abort_on_close);
    table.finish();
}

void read_tls(Table table, model::TlsSpec& spec, const std::string& prefix) {
    for (const auto& [key, to] : {std::pair{"certificate", &spec.certificate}, std::pair{"key", &spec.key}}) {
        table.require(key);
        std::string path;
        if (table.nonempty(key, path)) *to = below(prefix, path);
    }
    table.choice<model::TlsVersion>("minimum", spec.minimum, {{"1.2", model::TlsVersion::tls12}, {"1.3", model::TlsVersion::tls13}});
    table.finish();
}

}  // namespace

void read_clients(Table& table, model::ListenerSpec& spec, ListenerOrigin& origin, const std::string& prefix, bool protocol_known) {
    table.boolean("proxy_protocol", spec.proxy_protocol);
    std::string path;
    if (table.nonempty("access_log", path)) spec.access_log = below(prefix, path);
    read_routes(table, spec, origin);
    if (auto http = table.table("http")) read_http(*http, spec.http);
    if (auto tls = table.table("tls")) {
        read_tls(*tls, spec.tls.emplace(), prefix);
        tls->record(origin.keys);
    }
    table.record(origin.keys);

    // Where the protocol is misspelt, that is all there is to say.
    if (!protocol_known) return;
    for (const std::string_view key : {"route", "http", "access_log"}) table.needs(key, spec.protocol == model::Protocol::http, "protocol = \"http\"");
    for (const std::string_view key : {"proxy_protocol", "tls"}) {
        table.needs(key, spec.protocol != model::Protocol::udp, "protocol = \"http\" or \"tcp\"");
    }
}

}  // namespace baton::config
