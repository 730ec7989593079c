#include "config/load.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "base/limits.h"
#include "config/document.h"
#include "config/groups.h"
#include "config/include.h"
#include "config/report.h"
#include "config/values.h"
#include "model/folders.h"

namespace baton::config {
namespace {

// `path` as an absolute one without a separator at its end.
std::string absolute_folder(const std::filesystem::path& path) {
    std::error_code ec;
    std::filesystem::path whole = std::filesystem::absolute(path.empty() ? "." : path, ec);
    if (ec) whole = path;  // the working folder is gone
    std::string text = whole.lexically_normal().string();
    while (text.size() > 1 && text.ends_with('/')) text.pop_back();
    return text;
}

// One load: files in, then everything they say together.
class Loading {
  public:
    Loading(const std::string& file, const std::string& prefix) {
        report_.add_file(file);
        draft_.configuration.file = file;
        draft_.configuration.prefix = absolute_folder(
            prefix.empty() ? std::filesystem::path(file).parent_path() : std::filesystem::path(prefix));
        draft_.configuration.supervisor = default_supervisor(draft_.configuration.prefix);
    }

    void read_main_file() {
        const std::string& file = draft_.configuration.file;
        const auto text = read_file(file, limits::configuration_bytes);
        if (!text) return report_.problem(Place{}, text.error().message());
        bytes_ = text->size();
        add_text(*text, 0);
    }

    void add_main_text(std::string_view text) {
        if (text.size() > limits::configuration_bytes) return report_.problem(Place{}, "it is too large");
        add_text(text, 0);
    }

    void follow_includes() {
        if (documents_.empty()) return;
        std::set<std::string> seen;
        for (const Include& include : includes()) follow(include, seen);
    }

    void refuse_includes() {
        for (const Include& include : includes()) {
            report_.problem(include.place,
                            "supervisor.include needs a configuration that is read from a file");
        }
    }

    Loaded finish(const HostChecks* host) {
        for (const Node& document : documents_) read_document(document);
        if (!documents_.empty()) {
            inherit_user();
            const bool asked = host != nullptr && host->balancers;
            balancers_ = asked ? host->balancers(draft_.configuration.plugins.directories, wanted_balancers()) : shipped_balancers();
            settle_readiness();
            check_references(draft_, complete_, report_);
            check_traffic(draft_, complete_, balancers_, report_);
        }
        const bool valid = report_.clean();
        if (host != nullptr) ask(*host);
        Loaded loaded;
        loaded.problems = report_.sorted_problems();
        if (valid) {
            loaded.configuration = std::move(draft_.configuration);
            loaded.notices = report_.notices();
        }
        return loaded;
    }

  private:
    struct Include {
        std::string pattern;
        Place place;
    };

    void add_text(std::string_view text, std::uint32_t file) {
        auto root = parse_document(text, file, report_);
        if (root) {
            documents_.push_back(std::move(*root));
        } else {
            complete_ = false;
        }
    }

    // The main file's patterns, as far as they are strings; read_supervisor reports what is not.
    std::vector<Include> includes() const {
        std::vector<Include> result;
        if (documents_.empty()) return result;
        const Node* supervisor = child(documents_.front(), "supervisor");
        const Node* include = supervisor == nullptr ? nullptr : child(*supervisor, "include");
        const Array* patterns = include == nullptr ? nullptr : include->as<Array>();
        if (patterns == nullptr) return result;
        for (const Node& pattern : *patterns) {
            const std::string* text = pattern.as<std::string>();
            if (text != nullptr && text->find('\0') == std::string::npos)
                result.push_back(Include{*text, pattern.place});
        }
        return result;
    }

    static const Node* child(const Node& node, std::string_view key) {
        const Members* members = node.as<Members>();
        if (members == nullptr) return nullptr;
        for (const Member& one : *members) {
            if (one.key == key) return &one.value;
        }
        return nullptr;
    }

    void follow(const Include& include, std::set<std::string>& seen) {
        const std::string what = fmt::format("supervisor.include = {}", in_quotes(include.pattern));
        if (include.pattern.empty())
            return fail(include.place, "supervisor.include must not name an empty file");
        const auto files = expand(include.pattern, draft_.configuration.prefix);
        if (!files) return fail(include.place, fmt::format("{}: {}", what, files.error().message()));
        for (const std::string& file : *files) {
            if (same_file(file, draft_.configuration.file)) {
                return fail(include.place, fmt::format("{} includes this file itself", what));
            }
            if (!seen.insert(file).second) continue;
            if (seen.size() > limits::included_files) {
                return fail(include.place, fmt::format("{}: there are more than {} included files", what,
                                                       limits::included_files));
            }
            const auto text = read_file(file, limits::configuration_bytes - bytes_);
            if (!text) {
                fail(include.place, fmt::format("{}: {}: {}", what, file, text.error().message()));
                continue;
            }
            bytes_ += text->size();
            add_text(*text, report_.add_file(file));
        }
    }

    void fail(Place place, std::string message) {
        complete_ = false;
        report_.problem(place, std::move(message));
    }

    void read_document(const Node& document) {
        Table root(document, "", report_);
        model::Configuration& configuration = draft_.configuration;
        model::SupervisorSpec dropped;
        if (auto supervisor = root.table("supervisor")) {
            const bool first = define(*supervisor);
            if (first && !supervisor->missing("runtime_dir"))
                draft_.runtime_dir = supervisor->place_of("runtime_dir");
            if (document.place.file != 0 && !supervisor->missing("include")) {
                supervisor->problem("include",
                                    "is for the main file: an included file cannot include others");
            }
            if (first && !supervisor->missing("user")) draft_.supervisor_user = supervisor->place_of("user");
            read_supervisor(*supervisor, first ? configuration.supervisor : dropped, configuration.prefix);
        }
        if (auto admin = root.table("admin")) {
            const bool first = define(*admin);
            if (first && !admin->missing("socket")) draft_.admin_socket = admin->place_of("socket");
            read_admin(*admin, first ? configuration.supervisor : dropped, configuration.prefix);
        }
        if (auto plugins = root.table("plugins")) {
            model::PluginsSpec other;
            const bool first = define(*plugins);
            if (first) draft_.plugin_directories = plugins->place_of("directories");
            read_plugins(*plugins, first ? configuration.plugins : other, configuration.prefix);
        }
        if (auto listeners = root.table("listener")) read_listeners(*listeners);
        if (auto services = root.table("service")) read_services(*services);
        root.finish();
    }

    // Tables of one file cannot be repeated, says TOML; those of two files are compared here. True for
    // the first of its name.
    bool define(const Table& table) {
        const auto [other, first] = defined_.emplace(table.path(), table.place());
        if (!first) {
            report_.problem(table.place(), fmt::format("[{}] is defined already ({})", table.path(),
                                                       report_.where(other->second)));
        }
        return first;
    }

    // The named tables of [listener] or [service], each with its name checked.
    std::vector<std::pair<std::string, Table>> named(Table& group) {
        std::vector<std::pair<std::string, Table>> result;
        for (const Member& one : group.members()) {
            if (const std::string fault = name_fault(one.key); !fault.empty()) {
                report_.problem(config::place_of(one),
                                fmt::format("{}: the name {}", group.path_of(one.key), fault));
            }
            if (auto table = group.table(one.key)) result.emplace_back(one.key, std::move(*table));
        }
        return result;
    }

    void read_listeners(Table group) {
        for (auto& [name, table] : named(group)) {
            model::ListenerSpec spec;
            spec.name = name;
            ListenerOrigin origin;
            const bool first = define(table);
            read_listener(table, spec, origin, draft_.configuration.prefix);
            if (!first) continue;
            draft_.configuration.listeners.push_back(std::move(spec));
            draft_.listeners.push_back(origin);
        }
    }

    void read_services(Table group) {
        for (auto& [name, table] : named(group)) {
            model::ServiceSpec spec;
            spec.name = name;
            ServiceOrigin origin;
            const bool first = define(table);
            read_service(table, spec, origin, draft_.configuration.prefix);
            if (!first) continue;
            draft_.configuration.services.push_back(std::move(spec));
            draft_.services.push_back(origin);
        }
    }

    void inherit_user() {
        for (model::ServiceSpec& service : draft_.configuration.services) {
            if (service.user.empty() && service.runtime == model::Runtime::process) service.user = draft_.configuration.supervisor.user;
        }
    }

    // Where workers pick; the kernel balances without.
    std::set<std::string> wanted_balancers() const {
        std::set<std::string> wanted;
        for (const model::ServiceSpec& service : draft_.configuration.services) {
            if (model::by_workers(service)) wanted.insert(service.balance.strategy);
        }
        return wanted;
    }

    // A port that takes datagrams only accepts no connection: nobody could tell that it is ready.
    void settle_readiness() {
        for (std::size_t i = 0; i < draft_.services.size(); ++i) {
            model::ServiceSpec& service = draft_.configuration.services[i];
            const Reach reach = reach_of(draft_.configuration, service.name);
            if (draft_.services[i].readiness_by_port && reach.udp && !reach.tcp && !reach.http) service.readiness.type = model::ProbeType::none;
        }
    }

    void ask(const HostChecks& host) {
        for (std::size_t i = 0; i < draft_.listeners.size(); ++i) {
            const model::ListenerSpec& listener = draft_.configuration.listeners[i];
            ask_readable(host, i);
            ask_access_log(host, i);
            if (!host.address || listener.address.host.empty()) continue;  // it was bad, and is reported
            if (is_to_be_made(listener.address)) continue;
            const auto answer = host.address(listener);
            if (!answer) report_.problem(draft_.listeners[i].address, answer.error().message());
        }
        for (const std::string& directory : draft_.configuration.plugins.directories) {
            const auto answer = host.readable ? host.readable(directory) : Result<void>{};
            if (!answer) report_.problem(draft_.plugin_directories, "plugins.directories: " + answer.error().message());
        }
        for (std::size_t i = 0; i < draft_.services.size(); ++i) ask_balance(host, i);
        ask_entrance(host);
        const auto& services = draft_.configuration.services;
        if (host.ports && std::any_of(services.begin(), services.end(), model::binds_port)) {
            if (std::string remark = host.ports(); !remark.empty()) report_.notice(std::move(remark));
        }
        if (!host.user) return;
        ask_user(host, draft_.configuration.supervisor.user, draft_.supervisor_user, "supervisor");
        for (std::size_t i = 0; i < draft_.services.size(); ++i) {
            const model::ServiceSpec& service = draft_.configuration.services[i];
            // One that is inherited was asked for.
            if (const auto& own = draft_.services[i].user) ask_user(host, service.user, *own, "service." + key_text(service.name));
        }
    }

    void ask_readable(const HostChecks& host, std::size_t i) {
        auto& tls = draft_.configuration.listeners[i].tls;
        if (!tls || !host.readable) return;
        bool all = !tls->certificate.empty() && !tls->key.empty();
        const std::string where = "listener." + key_text(draft_.configuration.listeners[i].name) + ".tls.";
        for (const auto& [key, path] : {std::pair{"certificate", tls->certificate}, std::pair{"key", tls->key}}) {
            const auto answer = path.empty() ? Result<void>{} : host.readable(path);
            if (!answer) report_.problem(draft_.listeners[i].keys.at(where + key), where + key + ": " + answer.error().message());
            all = all && answer;
        }
        if (!all || !host.credentials) return;
        auto fingerprint = host.credentials(*tls);
        if (fingerprint) {
            tls->fingerprint = std::move(*fingerprint);
        } else {
            report_.problem(draft_.listeners[i].keys.at(where + "certificate"), where.substr(0, where.size() - 1) + ": " + fingerprint.error().message());
        }
    }

    void ask_access_log(const HostChecks& host, std::size_t i) {
        const model::ListenerSpec& listener = draft_.configuration.listeners[i];
        if (!host.appendable || listener.access_log.empty()) return;
        const auto answer = host.appendable(listener.access_log);
        const std::string where = "listener." + key_text(listener.name) + ".access_log";
        if (!answer) report_.problem(draft_.listeners[i].keys.at(where), where + ": " + answer.error().message());
    }

    void ask_balance(const HostChecks& host, std::size_t i) {
        const model::ServiceSpec& service = draft_.configuration.services[i];
        const bool known = std::find(balancers_.begin(), balancers_.end(), service.balance.strategy) != balancers_.end();
        if (!host.balance || !known || !model::by_workers(service)) return;
        const auto answer = host.balance(service.balance);
        if (answer) return;
        const std::string where = "service." + key_text(service.name) + ".balance";
        const Places& keys = draft_.services[i].keys;
        auto place = keys.find(where + (service.balance.options.empty() ? ".strategy" : ".options"));
        if (place == keys.end()) place = keys.find(where + ".strategy");
        if (place != keys.end()) report_.problem(place->second, fmt::format("{}: {}", where, answer.error().message()));
    }

    // A unix socket in a folder that is not there yet, and that the supervisor makes when it starts.
    bool is_to_be_made(const model::Address& address) const {
        if (address.family != model::Family::unix_path) return false;
        const std::string folder = model::folder_of(address.host);
        std::error_code ec;
        return !std::filesystem::exists(folder, ec) && model::is_made(draft_.configuration, folder);
    }

    // The workers reach hidden sockets, and programs their notify sockets, through files below runtime_dir.
    void ask_entrance(const HostChecks& host) {
        if (!host.entrance) return;
        const model::SupervisorSpec& own = draft_.configuration.supervisor;
        std::map<std::string, std::string> users;  // and what for
        for (const model::ServiceSpec& service : draft_.configuration.services) {
            const bool notifies = service.readiness.type == model::ProbeType::notify || service.startup.type == model::ProbeType::notify || service.liveness.type == model::ProbeType::notify;
            const std::string name = "service." + key_text(service.name);
            if (has_hidden_sockets(service)) users.emplace(own.user, fmt::format("the workers reach {} through it", name));
            if (notifies) users.emplace(service.user, fmt::format("{} says through it that it is ready", name));
        }
        users.erase("");
        const bool by_default = own.runtime_dir == default_supervisor(draft_.configuration.prefix).runtime_dir;
        const Place place = by_default ? draft_.supervisor_user : draft_.runtime_dir;
        for (const auto& [user, purpose] : users) {
            const auto answer = host.entrance(own.runtime_dir, user);
            if (answer) continue;
            report_.problem(place, fmt::format("supervisor.runtime_dir = {}: {}, and {}: let that user in (chmod o+x), or choose another runtime_dir",
                                               in_quotes(own.runtime_dir), answer.error().message(), purpose));
        }
    }

    void ask_user(const HostChecks& host, const std::string& name, Place place, const std::string& where) {
        if (name.empty()) return;
        const auto answer = host.user(name);
        if (!answer) report_.problem(place, fmt::format("{}.user: {}", where, answer.error().message()));
    }

    Report report_;
    Draft draft_;
    std::vector<Node> documents_;
    std::map<std::string, Place> defined_;
    std::vector<std::string> balancers_;  // that are known
    std::size_t bytes_ = 0;
    bool complete_ = true;  // every file could be read and parsed
};

Loaded load_files(const std::string& file, const std::string& prefix, const HostChecks* host) {
    Loading loading(file, prefix);
    loading.read_main_file();
    loading.follow_includes();
    return loading.finish(host);
}

}  // namespace

const std::vector<std::string>& shipped_balancers() {
    static const std::vector<std::string> names{"round_robin", "least_connections", "random_two", "ip_hash", "hash", "least_time", "active_standby"};
    return names;
}

Loaded load(const std::string& file, const std::string& prefix) {
    return load_files(file, prefix, nullptr);
}

Loaded load(const std::string& file, const std::string& prefix, const HostChecks& host) {
    return load_files(file, prefix, &host);
}

Loaded load_text(std::string_view text, const std::string& file_name, const std::string& prefix) {
    Loading loading(file_name, prefix);
    loading.add_main_text(text);
    loading.refuse_includes();
    return loading.finish(nullptr);
}

}  // namespace baton::config
