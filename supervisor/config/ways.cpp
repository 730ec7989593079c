// The checks of how traffic gets from a listener to a service: what each way can do, and keys that mean
// nothing on it.
#include <algorithm>
#include <string>
#include <vector>

#include <boost/describe/enum_to_string.hpp>
#include <fmt/core.h>

#include "config/groups.h"
#include "config/spelling.h"

namespace baton::config {
namespace {

using model::Delivery;
using model::ListenerSpec;
using model::Protocol;
using model::ServiceSpec;

// Whether the kernel can balance by it, without a worker.
bool is_kernel_strategy(std::string_view strategy) {
    return strategy == "round_robin" || strategy == "ip_hash" || strategy == "hash";
}

std::string path(std::string_view group, std::string_view name) {
    return fmt::format("{}.{}", group, key_text(name));
}

std::string listed(const std::vector<std::string>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += in_quotes(words[i]);
    }
    return text;
}

class Ways {
  public:
    Ways(const Draft& draft, bool complete, const std::vector<std::string>& balancers, Report& report)
        : draft_(draft), complete_(complete), balancers_(balancers), report_(report) {
        for (const ListenerSpec& listener : draft.configuration.listeners) {
            for (const std::string& name : model::services_of(listener)) {
                if (find_service(draft.configuration, name) == nullptr) complete_targets_ = false;
            }
        }
    }

    void check() {
        for (std::size_t i = 0; i < draft_.configuration.listeners.size(); ++i) check_listener(i);
        for (std::size_t i = 0; i < draft_.configuration.services.size(); ++i) check_service(i);
    }

  private:
    // Reports `key` where it was written.
    void problem(const Places& keys, const std::string& key, const std::string& message) {
        if (const auto found = keys.find(key); found != keys.end()) report_.problem(found->second, fmt::format("{} {}", key, message));
    }

    // --- listeners ---

    void check_listener(std::size_t i) {
        const ListenerSpec& listener = draft_.configuration.listeners[i];
        const Places& keys = draft_.listeners[i].keys;
        const std::string own = path("listener", listener.name);
        for (const std::string& name : model::services_of(listener)) {
            const ServiceSpec* service = find_service(draft_.configuration, name);
            if (service != nullptr) check_way(i, *service);
            if (service == nullptr || service->delivery == Delivery::proxy) continue;
            // A worker has to be between: the kernel, and a program that has the client's socket, do without.
            for (const std::string_view key : {"proxy_protocol", "access_log", "http", "tls", "route"}) {
                const bool off = key == "proxy_protocol" && !listener.proxy_protocol;
                if (!off) problem(keys, fmt::format("{}.{}", own, key), fmt::format("needs {}.delivery = \"proxy\"", path("service", name)));
            }
        }
        for (std::size_t r = 0; r < listener.routes.size(); ++r) {
            for (std::size_t earlier = 0; earlier < r; ++earlier) {
                const model::Match& match = listener.routes[r].match;
                if (match == model::Match{} || !(listener.routes[earlier].match == match)) continue;
                problem(keys, fmt::format("{}.route[{}].match", own, r),
                        fmt::format("is the match of {}.route[{}] already, so this route gets nothing", own, earlier));
                break;
            }
        }
    }

    // What a listener of this protocol cannot do with a service that is reached like this.
    void check_way(std::size_t i, const ServiceSpec& service) {
        const ListenerSpec& listener = draft_.configuration.listeners[i];
        const std::string own = path("listener", listener.name);
        const std::string protocol = fmt::format("{}.protocol = \"{}\"", own, boost::describe::enum_to_string(listener.protocol, ""));
        const auto found = draft_.listeners[i].keys.find(own + ".protocol");
        const Place place = found == draft_.listeners[i].keys.end() ? draft_.listeners[i].service : found->second;
        if (service.delivery == Delivery::handoff && listener.protocol != Protocol::tcp) {
            report_.problem(place, fmt::format("{} is not possible with {}.delivery = \"handoff\"; use \"tcp\"", protocol,
                                               path("service", service.name)));
        }
        const bool streams = service.delivery == Delivery::proxy && has_hidden_sockets(service);
        if (streams && listener.protocol == Protocol::udp) {
            report_.problem(place, fmt::format("{} is not possible with {}.upstream = \"socket\"; use \"port\"", protocol,
                                               path("service", service.name)));
        }
    }

    // --- services ---

    void check_service(std::size_t i) {
        const ServiceSpec& service = draft_.configuration.services[i];
        check_strategy(i);
        if (!draft_.services[i].delivery_known) return;
        switch (service.delivery) {
            case Delivery::inherit: return check_inherit(i);
            case Delivery::proxy: return check_proxy(i);
            case Delivery::handoff: return check_handoff(i);
        }
    }

    void check_strategy(std::size_t i) {
        const ServiceSpec& service = draft_.configuration.services[i];
        const std::string& strategy = service.balance.strategy;
        const std::string key = path("service", service.name) + ".balance.strategy";
        if (std::find(balancers_.begin(), balancers_.end(), strategy) == balancers_.end()) {
            const std::vector<std::string_view> known(balancers_.begin(), balancers_.end());
            const std::string near = suggestion(strategy, known);
            problem(draft_.services[i].keys, key,
                    fmt::format("= {} is an unknown strategy{}", in_quotes(strategy), near.empty() ? "; there are " + listed(balancers_) : near));
        } else if (service.delivery == Delivery::inherit && !is_kernel_strategy(strategy)) {
            problem(draft_.services[i].keys, key,
                    fmt::format("= {} needs delivery = \"proxy\" or \"handoff\"; without a worker there are \"round_robin\", \"ip_hash\" and \"hash\"",
                                in_quotes(strategy)));
        }
    }

    void check_inherit(std::size_t i) {
        const ServiceSpec& service = draft_.configuration.services[i];
        const Places& keys = draft_.services[i].keys;
        const std::string own = path("service", service.name);
        const std::string needs = "needs delivery = \"proxy\"";
        for (const std::string_view key : {"health", "timeouts", "proxy_protocol"}) problem(keys, fmt::format("{}.{}", own, key), needs);
        if (service.balance.key != "client_ip") problem(keys, own + ".balance.key", fmt::format("= {} {}", in_quotes(service.balance.key), needs));
        if (!service.balance.options.empty()) problem(keys, own + ".balance.options", needs);
        check_balanced(i);
    }

    // The kernel balances where it can group sockets, which is nowhere else.
    void check_balanced(std::size_t i) {
        const ServiceSpec& service = draft_.configuration.services[i];
        const auto& place = draft_.services[i].balance;
        const auto listeners = listeners_of(draft_.configuration, service.name);
        if (!place || !complete_ || (listeners.empty() && !complete_targets_)) return;
        if (std::any_of(listeners.begin(), listeners.end(), model::can_steer)) return;
        report_.problem(*place, fmt::format("{}.balance has no effect, as {}", path("service", service.name),
                                            listeners.empty() ? "no listener leads to the service" : "the service's listeners are all unix sockets"));
    }

    void check_handoff(std::size_t i) {
        const ServiceSpec& service = draft_.configuration.services[i];
        const Places& keys = draft_.services[i].keys;
        const std::string own = path("service", service.name);
        const std::string nothing = "has no effect with delivery = \"handoff\"";
        for (const std::string_view key : {"response", "idle", "tunnel", "pool_idle", "pool_size"}) {
            problem(keys, fmt::format("{}.timeouts.{}", own, key), nothing);
        }
        problem(keys, own + ".proxy_protocol", nothing);
        check_requests(i);
    }

    void check_proxy(std::size_t i) {
        const ServiceSpec& service = draft_.configuration.services[i];
        const Places& keys = draft_.services[i].keys;
        const std::string own = path("service", service.name);
        const Reach reach = reach_of(draft_.configuration, service.name);
        check_requests(i);
        // Without a listener nothing is said yet of what will lead to it.
        if (!reach.any() || !complete_ || !complete_targets_) return;
        const std::pair<std::string_view, std::string_view> timeouts[] = {
            {"connect", "\"http\" or \"tcp\""}, {"response", "\"http\""}, {"idle", "\"http\" or \"udp\""},
            {"tunnel", "\"http\" or \"tcp\""}, {"pool_idle", "\"http\""}, {"pool_size", "\"http\""}};
        for (const auto& [key, protocols] : timeouts) {
            if (timeout_has_effect(reach, service.delivery, key)) continue;
            problem(keys, fmt::format("{}.timeouts.{}", own, key), fmt::format("needs a listener with protocol = {}", protocols));
        }
        if (reach.http || reach.tcp) return;
        const std::string streams = "needs a listener with protocol = \"http\" or \"tcp\"";
        problem(keys, own + ".health.retry", streams);
        if (service.proxy_protocol != model::ProxyProtocol::none) problem(keys, own + ".proxy_protocol", streams);
    }

    // What there is only where requests are understood.
    void check_requests(std::size_t i) {
        const ServiceSpec& service = draft_.configuration.services[i];
        const Reach reach = reach_of(draft_.configuration, service.name);
        if (reach.http || ((!reach.any() || !complete_ || !complete_targets_) && service.delivery == Delivery::proxy)) return;
        const std::string own = path("service", service.name);
        const bool given = service.delivery == Delivery::handoff;
        const std::string needs = given ? "is not possible with delivery = \"handoff\"" : "needs a listener with protocol = \"http\"";
        const Places& keys = draft_.services[i].keys;
        if (service.balance.key != "client_ip") problem(keys, own + ".balance.key", fmt::format("= {} {}", in_quotes(service.balance.key), needs));
        const auto& on = service.health.retry.on;
        if (std::any_of(on.begin(), on.end(), [](auto reason) { return reason != model::RetryOn::connect; })) {
            problem(keys, own + ".health.retry.on", fmt::format("with more than \"connect\" {}", needs));
        }
    }

    const Draft& draft_;
    bool complete_;
    bool complete_targets_ = true;  // every listener leads to services that exist
    const std::vector<std::string>& balancers_;
    Report& report_;
};

}  // namespace

Reach reach_of(const model::Configuration& configuration, std::string_view service) {
    Reach reach;
    for (const ListenerSpec& listener : configuration.listeners) {
        if (!leads_to(listener, service)) continue;
        if (listener.protocol == Protocol::http) reach.http = true;
        if (listener.protocol == Protocol::tcp) reach.tcp = true;
        if (listener.protocol == Protocol::udp) reach.udp = true;
    }
    return reach;
}

bool timeout_has_effect(const Reach& reach, Delivery delivery, std::string_view key) {
    if (delivery == Delivery::inherit) return false;
    if (delivery == Delivery::handoff) return key == "connect";
    if (!reach.any()) return true;
    if (key == "connect" || key == "tunnel") return reach.http || reach.tcp;
    if (key == "idle") return reach.http || reach.udp;
    return reach.http;
}

void check_traffic(const Draft& draft, bool complete, const std::vector<std::string>& balancers, Report& report) {
    Ways(draft, complete, balancers, report).check();
}

}  // namespace baton::config
