// The checks between the parts of a configuration.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/limits.h"
#include "config/groups.h"

namespace baton::config {
namespace {

using model::ListenerSpec;
using model::ProbeSpec;
using model::ProbeType;
using model::ServiceSpec;

class References {
  public:
    References(const Draft& draft, bool complete, Report& report)
        : draft_(draft), complete_(complete), report_(report) {
        for (std::size_t i = 0; i < services().size(); ++i) index_.emplace(services()[i].name, i);
        for (const ListenerSpec& listener : draft.configuration.listeners) {
            for (const std::string& service : model::services_of(listener)) {
                listeners_of_[service].push_back(&listener);
                if (!index_.contains(service)) complete_targets_ = false;
            }
        }
    }

    void check() {
        check_counts();
        const model::SupervisorSpec& supervisor = draft_.configuration.supervisor;
        check_room("supervisor.runtime_dir", supervisor.runtime_dir, limits::runtime_socket_name_bytes,
                   draft_.runtime_dir);
        check_room("admin.socket", supervisor.admin_socket, limits::admin_socket_suffix_bytes,
                   draft_.admin_socket);
        check_listeners();
        for (std::size_t i = 0; i < services().size(); ++i) {
            check_dependencies(i);
            check_listeners_of(i);
            const ServiceOrigin& origin = draft_.services[i];
            check_probe(services()[i], services()[i].startup, "startup", origin.startup);
            check_probe(services()[i], services()[i].readiness, "readiness", origin.readiness);
            check_probe(services()[i], services()[i].liveness, "liveness", origin.liveness);
        }
        colours_.assign(services().size(), Colour::white);
        for (std::size_t i = 0; i < services().size(); ++i) find_cycles(i);
    }

  private:
    enum class Colour { white, grey, black };
    // The first listener of each kind at one port of one family and protocol.
    struct Overlap {
        std::optional<std::size_t> wildcard;
        std::optional<std::size_t> specific;
    };

    const std::vector<ServiceSpec>& services() const { return draft_.configuration.services; }

    void check_counts() {
        const auto& listeners = draft_.configuration.listeners;
        if (services().size() > limits::services) {
            report_.problem(draft_.services[limits::services].self,
                            fmt::format("there are {} services; at most {} are possible", services().size(),
                                        limits::services));
        }
        if (listeners.size() > limits::listeners) {
            report_.problem(draft_.listeners[limits::listeners].self,
                            fmt::format("there are {} listeners; at most {} are possible", listeners.size(),
                                        limits::listeners));
        }
    }

    // A socket's path is `path` with up to `more` bytes behind it.
    void check_room(std::string_view key, const std::string& path, std::size_t more, Place place) {
        const std::size_t most = limits::socket_path_bytes - more;
        if (path.size() <= most) return;
        report_.problem(
            place, fmt::format("{} is {}, {} bytes; it has at most {}, for the sockets made from it", key,
                               in_quotes(path), path.size(), most));
    }

    void check_listeners_of(std::size_t i) {
        const auto found = listeners_of_.find(services()[i].name);
        if (found == listeners_of_.end() || found->second.size() <= limits::service_listeners) return;
        report_.problem(draft_.services[i].self,
                        fmt::format("{} has {} listeners; at most {} are possible: divide it into several services",
                                    path("service", services()[i].name), found->second.size(), limits::service_listeners));
    }

    void check_listeners() {
        const auto& listeners = draft_.configuration.listeners;
        std::map<std::string, std::size_t> first;
        for (std::size_t i = 0; i < listeners.size(); ++i) {
            const ListenerSpec& listener = listeners[i];
            if (!listener.address.host.empty()) {
                const auto [other, fresh] = first.emplace(model::identity(listener), i);
                if (!fresh) {
                    report_.problem(draft_.listeners[i].address,
                                    fmt::format("{}.address = {} is the address of {} already ({})",
                                                path("listener", listener.name),
                                                in_quotes(model::to_string(listener.address)),
                                                path("listener", listeners[other->second].name),
                                                report_.where(draft_.listeners[other->second].address)));
                } else {
                    check_overlap(i);
                }
            }
            check_target(listener.service, path("listener", listener.name) + ".service", draft_.listeners[i].service);
            for (std::size_t r = 0; r < listener.routes.size(); ++r) {
                const std::string key = fmt::format("{}.route[{}].service", path("listener", listener.name), r);
                const auto place = draft_.listeners[i].keys.find(key);
                if (place != draft_.listeners[i].keys.end()) check_target(listener.routes[r].service, key, place->second);
            }
        }
    }

    // A wildcard is every address of its family. Baton shares an address with nobody, so the second of two
    // that overlap could not be opened; and a probe of the wildcard would reach the other one's instances.
    void check_overlap(std::size_t i) {
        const auto& listeners = draft_.configuration.listeners;
        const ListenerSpec& listener = listeners[i];
        if (model::is_unix(listener.address)) return;
        ListenerSpec everywhere = listener;
        everywhere.address.host = listener.address.family == model::Family::inet4 ? "0.0.0.0" : "::";
        const bool wildcard = listener.address == everywhere.address;
        Overlap& overlap = overlaps_[model::identity(everywhere)];
        const std::optional<std::size_t> other = wildcard ? overlap.specific : overlap.wildcard;
        std::optional<std::size_t>& own = wildcard ? overlap.wildcard : overlap.specific;
        if (!own) own = i;
        if (!other) return;
        report_.problem(draft_.listeners[i].address,
                        fmt::format("{}.address = {} overlaps {}, the address of {} ({})",
                                    path("listener", listener.name), in_quotes(model::to_string(listener.address)),
                                    in_quotes(model::to_string(listeners[*other].address)),
                                    path("listener", listeners[*other].name),
                                    report_.where(draft_.listeners[*other].address)));
    }

    void check_target(const std::string& service, const std::string& key, Place place) {
        if (!complete_ || service.empty() || index_.contains(service)) return;
        report_.problem(place, fmt::format("{} = {} does not exist", key, in_quotes(service)));
    }

    void check_dependencies(std::size_t i) {
        const ServiceSpec& service = services()[i];
        const Place place = draft_.services[i].depends_on;
        for (const std::string& name : service.depends_on) {
            const auto found = index_.find(name);
            if (name == service.name) {
                report_.problem(place,
                                fmt::format("{}.depends_on names the service itself", path("service", name)));
            } else if (found == index_.end()) {
                if (!complete_) continue;
                report_.problem(place, fmt::format("{}.depends_on names {}, which does not exist",
                                                   path("service", service.name), in_quotes(name)));
            } else if (service.enabled && !services()[found->second].enabled) {
                report_.notice(
                    fmt::format("service {} waits for service {}, which is not enabled", service.name, name));
            }
        }
    }

    // Depth first; an edge to a service that is still being visited closes a cycle.
    void find_cycles(std::size_t i) {
        if (colours_[i] != Colour::white) return;
        colours_[i] = Colour::grey;
        trail_.push_back(i);
        for (const std::string& name : services()[i].depends_on) {
            const auto found = index_.find(name);
            if (found == index_.end() || found->second == i) continue;
            if (colours_[found->second] == Colour::grey) report_cycle(found->second);
            find_cycles(found->second);
        }
        trail_.pop_back();
        colours_[i] = Colour::black;
    }

    void report_cycle(std::size_t from) {
        std::vector<std::size_t> cycle(std::find(trail_.begin(), trail_.end(), from), trail_.end());
        // Told from its first service in the files, wherever the search came in.
        std::rotate(cycle.begin(), std::min_element(cycle.begin(), cycle.end()), cycle.end());
        std::string text;
        for (const std::size_t one : cycle) text += services()[one].name + " -> ";
        report_.problem(
            draft_.services[cycle.front()].depends_on,
            fmt::format("{}.depends_on closes a cycle: {}{}", path("service", services()[cycle.front()].name),
                        text, services()[cycle.front()].name));
    }

    // A probe that connects goes through the listener on its port, or else the service's first that takes
    // connections; a port that no listener has is one on 127.0.0.1.
    const ListenerSpec* target(const ServiceSpec& service, const ProbeSpec& probe) const {
        const auto found = listeners_of_.find(service.name);
        if (found == listeners_of_.end()) return nullptr;
        for (const ListenerSpec* listener : found->second) {
            if (listener->protocol == model::Protocol::udp) continue;
            if (probe.port == 0 || listener->address.port == probe.port) return listener;
        }
        return nullptr;
    }

    void check_probe(const ServiceSpec& service, const ProbeSpec& probe, std::string_view name, Place place) {
        if (probe.type != ProbeType::tcp && probe.type != ProbeType::http) return;
        const std::string where = fmt::format("{}.{}", path("service", service.name), name);
        const ListenerSpec* through = target(service, probe);
        // What the workers can reach, a probe can, where it takes connections as a client would make them.
        const bool datagrams = through == nullptr && listeners_of_.contains(service.name);
        if (service.delivery == model::Delivery::proxy && (through != nullptr || (binds_port(service) && (!datagrams || probe.port != 0)))) return;
        if (service.delivery == model::Delivery::handoff && probe.port == 0) {
            report_.problem(place, fmt::format("{}: type = \"{}\" needs a port, as with delivery = \"handoff\" an instance accepts nobody by itself", where,
                                               probe.type == ProbeType::tcp ? "tcp" : "http"));
            return;
        }
        if (through == nullptr && probe.port == 0) {
            // One that leads to a misspelt name may be meant for this service.
            const bool udp_only = listeners_of_.contains(service.name);
            if (!complete_ || (!udp_only && !complete_targets_)) return;
            report_.problem(place, fmt::format("{}: type = \"{}\" needs a port, as {}", where,
                                               probe.type == ProbeType::tcp ? "tcp" : "http",
                                               udp_only ? "the service's listeners are all udp"
                                                        : "no listener leads to the service"));
            return;
        }
        if (service.replicas == 1 || (through != nullptr && model::can_steer(*through))) return;
        report_.notice(
            fmt::format("{}: all {} instances answer at the same {}, so the probe cannot tell them apart; "
                        "type = \"notify\" can",
                        where, service.replicas, through == nullptr ? "port" : "unix socket"));
    }

    static std::string path(std::string_view group, std::string_view name) {
        return fmt::format("{}.{}", group, key_text(name));
    }

    const Draft& draft_;
    bool complete_;
    bool complete_targets_ = true;  // every listener leads to a service
    Report& report_;
    std::map<std::string, std::size_t> index_;
    std::map<std::string, std::vector<const ListenerSpec*>> listeners_of_;
    std::map<std::string, Overlap> overlaps_;
    std::vector<Colour> colours_;
    std::vector<std::size_t> trail_;
};

}  // namespace

void check_references(const Draft& draft, bool complete, Report& report) {
    References(draft, complete, report).check();
}

}  // namespace baton::config
