#include "compact.h"

#include <algorithm>
#include <functional>
#include <map>

#include "scenario_file.h"

namespace baton::plan::test {
namespace {

using model::ProbeType;
using model::ServiceSpec;

Result<Millis> duration(const std::string& text) {
    return parse_duration(text);
}

Result<model::ProbeSpec> probe(const std::string& text) {
    static const std::map<std::string, ProbeType> types{
        {"none", ProbeType::none}, {"notify", ProbeType::notify}, {"tcp", ProbeType::tcp}, {"http", ProbeType::http}};
    // "http", or "notify:2s:3": the interval, and how many in a row fail
    const auto parts = split(text, ':');
    const auto type = parts.empty() ? types.end() : types.find(parts[0]);
    if (type == types.end()) return failed("unknown probe " + text);
    model::ProbeSpec spec;
    spec.type = type->second;
    if (parts.size() > 1) {
        const auto interval = duration(parts[1]);
        if (!interval) return interval.error();
        spec.interval = *interval;
    }
    if (parts.size() > 2) spec.failure = static_cast<std::uint32_t>(std::stoul(parts[2]));
    return spec;
}

model::Share share(const std::string& text) {
    return {static_cast<std::uint32_t>(std::stoul(text)), text.ends_with('%')};
}

template <class T>
Result<void> set(T& to, const Result<T>& from) {
    if (!from) return from.error();
    to = *from;
    return {};
}

// endpoints=192.0.2.1:80*5,192.0.2.2:80+backup+down: an external service
Result<void> endpoints(ServiceSpec& spec, const std::string& text) {
    spec.runtime = model::Runtime::external;
    spec.delivery = model::Delivery::proxy;
    spec.command.clear();
    for (const std::string& one : split(text, ',')) {
        const auto words = split(one, '+');
        const auto weighted = split(words.at(0), '*');
        const auto address = model::parse_address(weighted.at(0));
        if (!address) return address.error();
        model::EndpointSpec endpoint;
        endpoint.address = *address;
        if (weighted.size() > 1) endpoint.weight = static_cast<std::uint32_t>(std::stoul(weighted[1]));
        endpoint.backup = std::find(words.begin() + 1, words.end(), "backup") != words.end();
        endpoint.down = std::find(words.begin() + 1, words.end(), "down") != words.end();
        spec.endpoints.push_back(std::move(endpoint));
    }
    return {};
}

using Setter = std::function<Result<void>(ServiceSpec&, const std::string&)>;

const std::map<std::string, Setter>& setters() {
    static const std::map<std::string, model::RestartPolicy> policies{{"always", model::RestartPolicy::always},
                                                                      {"on_failure", model::RestartPolicy::on_failure},
                                                                      {"never", model::RestartPolicy::never}};
    const auto number = [](const std::string& text) { return static_cast<std::uint32_t>(std::stoul(text)); };
    const auto done = [](auto&&...) { return Result<void>(); };
    static const std::map<std::string, Setter> table{
        {"replicas", [=](ServiceSpec& s, const std::string& v) { return done(s.replicas = number(v)); }},
        {"version", [=](ServiceSpec& s, const std::string& v) { return done(s.version = v); }},
        {"delivery", [=](ServiceSpec& s, const std::string& v) { return done(s.delivery = v == "proxy" ? model::Delivery::proxy : model::Delivery::inherit); }},
        {"upstream", [=](ServiceSpec& s, const std::string& v) { return done(s.upstream = v == "socket" ? model::Upstream::socket : model::Upstream::port); }},
        {"endpoints", endpoints},
        {"depends", [=](ServiceSpec& s, const std::string& v) { return done(s.depends_on = split(v, ',')); }},
        {"enabled", [=](ServiceSpec& s, const std::string& v) { return done(s.enabled = v == "yes"); }},
        {"startup", [](ServiceSpec& s, const std::string& v) { return set(s.startup, probe(v)); }},
        {"readiness", [](ServiceSpec& s, const std::string& v) { return set(s.readiness, probe(v)); }},
        {"liveness", [](ServiceSpec& s, const std::string& v) { return set(s.liveness, probe(v)); }},
        {"surge", [=](ServiceSpec& s, const std::string& v) { return done(s.rollout.max_surge = share(v)); }},
        {"unavailable", [=](ServiceSpec& s, const std::string& v) { return done(s.rollout.max_unavailable = share(v)); }},
        {"min_ready", [](ServiceSpec& s, const std::string& v) { return set(s.rollout.min_ready, duration(v)); }},
        {"deadline", [](ServiceSpec& s, const std::string& v) { return set(s.rollout.deadline, duration(v)); }},
        {"rollback", [=](ServiceSpec& s, const std::string& v) { return done(s.rollout.auto_rollback = v == "yes"); }},
        {"policy", [=](ServiceSpec& s, const std::string& v) { return done(s.restart.policy = policies.at(v)); }},
        {"backoff", [](ServiceSpec& s, const std::string& v) { return set(s.restart.backoff, duration(v)); }},
        {"backoff_max", [](ServiceSpec& s, const std::string& v) { return set(s.restart.backoff_max, duration(v)); }},
        {"limit", [=](ServiceSpec& s, const std::string& v) { return done(s.restart.limit = number(v)); }},
        {"drain", [](ServiceSpec& s, const std::string& v) { return set(s.stop.drain_timeout, duration(v)); }},
        {"kill", [](ServiceSpec& s, const std::string& v) { return set(s.stop.kill_timeout, duration(v)); }},
    };
    return table;
}

// supervisor workers=2 drain=30s
Result<void> parse_supervisor(const std::vector<std::string>& words, model::SupervisorSpec& spec) {
    for (std::size_t i = 1; i < words.size(); ++i) {
        const auto parts = split(words[i], '=');
        if (parts.size() == 2 && parts[0] == "workers") {
            spec.workers = static_cast<std::uint32_t>(std::stoul(parts[1]));
        } else if (parts.size() == 2 && parts[0] == "drain") {
            if (auto result = set(spec.upgrade.drain_timeout, duration(parts[1])); !result) return result.error();
        } else {
            return failed("unknown setting " + words[i]);
        }
    }
    return {};
}

Result<model::ListenerSpec> parse_listener(const std::vector<std::string>& words) {
    if (words.size() < 4) return failed("listener NAME ADDRESS SERVICE");
    const auto address = model::parse_address(words[2]);
    if (!address) return address.error();
    model::ListenerSpec listener;
    listener.name = words[1];
    listener.address = *address;
    listener.service = words[3];
    if (words.size() > 4 && words[4] == "udp") listener.protocol = model::Protocol::udp;
    if (words.size() > 4 && words[4] == "http") listener.protocol = model::Protocol::http;
    for (std::size_t i = 5; i < words.size(); ++i) {
        const auto route = split(words[i], '=');
        if (route.size() != 2) return failed("a route is PREFIX=SERVICE, not " + words[i]);
        listener.routes.push_back({{route[0], "", "", ""}, route[1]});
    }
    return listener;
}

}  // namespace

Result<ServiceSpec> parse_service(const std::vector<std::string>& words) {
    ServiceSpec spec;
    spec.name = words.at(1);
    spec.command = {"/srv/" + spec.name};
    for (std::size_t i = 2; i < words.size(); ++i) {
        const auto sign = words[i].find('=');
        const auto setter = setters().find(words[i].substr(0, sign));
        if (sign == std::string::npos || setter == setters().end()) return failed("unknown setting " + words[i]);
        if (auto result = setter->second(spec, words[i].substr(sign + 1)); !result) return result.error();
    }
    return spec;
}

Result<model::Configuration> parse_compact(const std::vector<std::string>& lines) {
    model::Configuration configuration;
    configuration.supervisor.runtime_dir = "/run/baton";
    for (const std::string& line : lines) {
        const auto words = split(line, ' ');
        if (words.size() >= 2 && words[0] == "service") {
            auto spec = parse_service(words);
            if (!spec) return spec.error();
            configuration.services.push_back(std::move(*spec));
        } else if (words.size() >= 2 && words[0] == "listener") {
            auto listener = parse_listener(words);
            if (!listener) return listener.error();
            configuration.listeners.push_back(std::move(*listener));
        } else if (words.size() >= 2 && words[0] == "supervisor") {
            if (auto result = parse_supervisor(words, configuration.supervisor); !result) return result.error();
        } else {
            return failed("none of supervisor, service and listener: " + line);
        }
    }
    return configuration;
}

}  // namespace baton::plan::test
