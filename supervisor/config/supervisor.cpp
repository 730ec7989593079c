// [supervisor], [admin] and [plugins].
#include <vector>

#include "base/limits.h"
#include "base/gateway_limits.h"
#include "config/groups.h"
#include "config/later.h"
#include "config/values.h"

namespace baton::config {
namespace {

void read_path(Table& table, std::string_view key, std::string& to, const std::string& prefix) {
    std::string path;
    if (table.nonempty(key, path)) to = below(prefix, path);
}

void read_log(Table table, model::LogSpec& spec, const std::string& prefix) {
    table.choice<model::LogLevelName>("level", spec.level,
                                      {{"trace", model::LogLevelName::trace},
                                       {"debug", model::LogLevelName::debug},
                                       {"info", model::LogLevelName::info},
                                       {"warning", model::LogLevelName::warning},
                                       {"error", model::LogLevelName::error}});
    read_path(table, "file", spec.file, prefix);
    table.choice<model::LogFormatName>(
        "format", spec.format, {{"text", model::LogFormatName::text}, {"json", model::LogFormatName::json}});
    table.finish();
}

void read_upgrade(Table table, model::UpgradeSpec& spec) {
    table.duration("ready_timeout", spec.ready_timeout, 1);
    table.duration("soak", spec.soak);
    table.duration("drain_timeout", spec.drain_timeout);
    table.choice<model::UpgradeMode>(
        "mode", spec.mode, {{"manual", model::UpgradeMode::manual}, {"auto", model::UpgradeMode::automatic}});
    table.finish();
}

// "auto", or a number of gateway workers.
void read_workers(Table& table, model::SupervisorSpec& spec) {
    const Node* found = table.find("workers");
    if (found == nullptr) return;
    const std::string* word = found->as<std::string>();
    if (word != nullptr && *word == "auto") return;
    if (found->as<std::int64_t>() != nullptr) {
        table.integer("workers", spec.workers, 1, limits::workers);
    } else {
        table.problem("workers", "must be \"auto\" or an integer, not " +
                                     (word != nullptr ? in_quotes(*word) : describe_kind(*found)));
    }
}

}  // namespace

model::SupervisorSpec default_supervisor(const std::string& prefix) {
    model::SupervisorSpec spec;
    spec.pid_file = below(prefix, "run/baton.pid");
    spec.runtime_dir = below(prefix, "run");
    spec.state_dir = below(prefix, "state");
    spec.admin_socket = below(prefix, "run/admin.sock");
    return spec;
}

void read_supervisor(Table table, model::SupervisorSpec& spec, const std::string& prefix) {
    read_path(table, "pid_file", spec.pid_file, prefix);
    read_path(table, "runtime_dir", spec.runtime_dir, prefix);
    read_path(table, "state_dir", spec.state_dir, prefix);
    read_workers(table, spec);
    table.nonempty("user", spec.user);
    std::vector<std::string> include;  // followed by load(); here its type is checked
    table.texts("include", include);
    if (auto log = table.table("log")) read_log(*log, spec.log, prefix);
    if (auto upgrade = table.table("upgrade")) read_upgrade(*upgrade, spec.upgrade);
    table.finish();
}

void read_admin(Table table, model::SupervisorSpec& spec, const std::string& prefix) {
    read_path(table, "socket", spec.admin_socket, prefix);
    later_text(table, "listen");
    later_text(table, "token_file");
    table.finish();
}

void read_plugins(Table table, model::PluginsSpec& spec, const std::string& prefix) {
    std::vector<std::string> directories;
    if (table.texts("directories", directories)) {
        spec.directories.clear();
        for (const std::string& directory : directories) {
            if (directory.empty()) table.problem("directories", "must not have an empty path");
            spec.directories.push_back(below(prefix, directory));
        }
    }
    table.finish();
}

}  // namespace baton::config
