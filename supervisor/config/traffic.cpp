// How traffic reaches the instances of a service: [service.NAME.balance], health and timeouts, and the endpoints
// of an external one.
#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "base/gateway_limits.h"
#include "base/limits.h"
#include "config/groups.h"
#include "config/values.h"

namespace baton::config {
namespace {

constexpr std::uint32_t fails_max = 1'000;

void read_key(Table& table, model::BalanceSpec& spec) {
    std::string key;
    if (!table.text("key", key)) return;
    const auto colon = key.find(':');
    const std::string kind = key.substr(0, colon);
    const std::string name = colon == std::string::npos ? "" : key.substr(colon + 1);
    const bool plain = key == "client_ip" || key == "path";
    if (!plain && !((kind == "header" || kind == "cookie") && is_token(name))) {
        return table.problem("key", fmt::format("= {} is an unknown value; it must be \"client_ip\", \"path\", \"header:NAME\" or "
                                                "\"cookie:NAME\"", in_quotes(key)));
    }
    // Headers are told apart without regard to case, cookies are not.
    spec.key = kind == "header" ? kind + ":" + lower_case(name) : key;
}

void read_balance(Table table, model::BalanceSpec& spec, ServiceOrigin& origin) {
    table.nonempty("strategy", spec.strategy);
    read_key(table, spec);
    if (table.scalars("options", spec.options)) {
        if (spec.options.size() > limits::strategy_options) {
            table.problem("options", fmt::format("has {} options; at most {} are possible", spec.options.size(), limits::strategy_options));
        }
        for (const auto& [name, value] : spec.options) {
            if (name.empty() || name.size() > limits::strategy_option_bytes || value.size() > limits::strategy_option_bytes) {
                table.problem("options", fmt::format("has an empty name, or a name or value of more than {} bytes", limits::strategy_option_bytes));
            }
        }
    }
    table.record(origin.keys);
    table.finish();
}

void read_reasons(Table& table, std::vector<model::RetryOn>& to) {
    using model::RetryOn;
    static const std::map<std::string_view, RetryOn> reasons{
        {"connect", RetryOn::connect}, {"error", RetryOn::error},    {"timeout", RetryOn::timeout},
        {"502", RetryOn::status_502},  {"503", RetryOn::status_503}, {"504", RetryOn::status_504}};
    std::vector<std::string> words;
    if (!table.texts("on", words)) return;
    std::vector<RetryOn> chosen;
    for (const std::string& word : words) {
        const auto found = reasons.find(word);
        if (found == reasons.end()) {
            table.problem("on", fmt::format("has {}, which is no reason to retry; there are \"connect\", \"error\", \"timeout\", "
                                            "\"502\", \"503\" and \"504\"", in_quotes(word)));
        } else if (std::find(chosen.begin(), chosen.end(), found->second) != chosen.end()) {
            table.problem("on", fmt::format("names {} twice", in_quotes(word)));
        } else {
            chosen.push_back(found->second);
        }
    }
    if (chosen.size() == words.size()) to = std::move(chosen);
}

void read_health(Table table, model::HealthSpec& spec, ServiceOrigin& origin) {
    table.integer("max_fails", spec.max_fails, 0, fails_max);
    table.duration("fail_timeout", spec.fail_timeout, 1);
    table.duration("slow_start", spec.slow_start);
    if (auto retry = table.table("retry")) {
        retry->integer("attempts", spec.retry.attempts, 1, limits::retry_attempts);
        read_reasons(*retry, spec.retry.on);
        retry->needs("attempts", !spec.retry.on.empty(), "a reason in on");
        retry->record(origin.keys);
        retry->finish();
    }
    table.record(origin.keys);
    table.finish();
}

void read_timeouts(Table table, model::TimeoutSpec& spec, ServiceOrigin& origin) {
    table.duration("connect", spec.connect, 1);
    table.duration("response", spec.response, 1);
    table.duration("idle", spec.idle, 1);
    table.duration("tunnel", spec.tunnel);
    table.duration("pool_idle", spec.pool_idle, 1);
    table.integer("pool_size", spec.pool_size, 0, limits::pool_size);
    table.record(origin.keys);
    table.finish();
}

void read_endpoint_address(Table& table, model::Address& to, const std::string& prefix) {
    table.require("address");
    std::string text;
    if (!table.text("address", text)) return;
    auto parsed = model::parse_address(text);
    if (!parsed) return table.fault("address", parsed.error());
    if (parsed->host == "0.0.0.0" || parsed->host == "::") {
        return table.problem("address", fmt::format("= {} is every address of this host; name one of them", in_quotes(text)));
    }
    if (parsed->family == model::Family::unix_path) {
        parsed->host = below(prefix, parsed->host);
        if (parsed->host.size() > limits::socket_path_bytes) {
            return table.problem("address", fmt::format("is {}, {} bytes; a unix socket's path has at most {}", in_quotes(parsed->host),
                                                        parsed->host.size(), limits::socket_path_bytes));
        }
    }
    to = std::move(*parsed);
}

void read_endpoints(Table& table, model::ServiceSpec& spec, const std::string& prefix) {
    table.require("endpoints");
    const auto endpoints = table.tables("endpoints");
    const Node* written = table.find("endpoints");
    const Array* array = written == nullptr ? nullptr : written->as<Array>();
    if (array != nullptr && array->empty()) table.problem("endpoints", "must have at least one");
    if (endpoints.size() > limits::service_endpoints) {
        table.problem("endpoints", fmt::format("has {} endpoints; at most {} are possible", endpoints.size(), limits::service_endpoints));
    }
    std::map<std::string, std::string> by_address;
    std::map<std::string, std::string> by_name;
    for (Table one : endpoints) {
        model::EndpointSpec endpoint;
        endpoint.max_fails = spec.health.max_fails;
        endpoint.fail_timeout = spec.health.fail_timeout;
        read_endpoint_address(one, endpoint.address, prefix);
        if (one.nonempty("name", endpoint.name)) {
            if (const std::string fault = name_fault(endpoint.name); !fault.empty()) one.problem("name", fault);
            const auto [other, fresh] = by_name.emplace(endpoint.name, one.path());
            if (!fresh) one.problem("name", fmt::format("= {} is the name of {} already", in_quotes(endpoint.name), other->second));
        }
        one.integer("weight", endpoint.weight, 0, limits::weight_max);
        one.integer("max_fails", endpoint.max_fails, 0, fails_max);
        one.duration("fail_timeout", endpoint.fail_timeout, 1);
        one.boolean("backup", endpoint.backup);
        one.boolean("down", endpoint.down);
        one.finish();
        if (!endpoint.address.host.empty()) {
            const auto [other, fresh] = by_address.emplace(model::to_string(endpoint.address), one.path());
            if (!fresh) one.problem("address", fmt::format("= {} is the address of {} already", in_quotes(other->first), other->second));
        }
        spec.endpoints.push_back(std::move(endpoint));
    }
}

}  // namespace

void read_traffic(Table& table, model::ServiceSpec& spec, ServiceOrigin& origin, const std::string& prefix) {
    if (!table.missing("balance")) origin.balance = table.place_of("balance");
    if (auto balance = table.table("balance")) read_balance(*balance, spec.balance, origin);
    if (auto health = table.table("health")) read_health(*health, spec.health, origin);
    if (auto timeouts = table.table("timeouts")) read_timeouts(*timeouts, spec.timeouts, origin);
    using model::ProxyProtocol;
    table.choice<ProxyProtocol>("proxy_protocol", spec.proxy_protocol,
                                {{"none", ProxyProtocol::none}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}});
    if (spec.runtime == model::Runtime::external) {
        read_endpoints(table, spec, prefix);
    } else {
        const Node* endpoints = table.find("endpoints");
        if (endpoints != nullptr && endpoints->as<Array>() == nullptr) table.tables("endpoints");  // says so
        if (endpoints != nullptr && endpoints->as<Array>() != nullptr) table.needs("endpoints", false, "runtime = \"external\"");
    }
    table.record(origin.keys);
}

}  // namespace baton::config
