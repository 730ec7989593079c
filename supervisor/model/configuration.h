// The whole configuration, read and valid: what config/ makes from TOML and everything else reads.
// Paths are absolute. Times are milliseconds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/listener.h"
#include "model/service.h"

namespace baton::model {

enum class LogLevelName { trace, debug, info, warning, error };
BOOST_DESCRIBE_ENUM(LogLevelName, trace, debug, info, warning, error)
enum class LogFormatName { text, json };
BOOST_DESCRIBE_ENUM(LogFormatName, text, json)
enum class UpgradeMode { manual, automatic };
BOOST_DESCRIBE_ENUM(UpgradeMode, manual, automatic)

struct LogSpec {
    LogLevelName level = LogLevelName::info;
    std::string file;  // empty: standard error
    LogFormatName format = LogFormatName::text;
};
BOOST_DESCRIBE_STRUCT(LogSpec, (), (level, file, format))

struct UpgradeSpec {
    Millis ready_timeout = 30'000;
    Millis soak = 10'000;
    Millis drain_timeout = 30'000;
    UpgradeMode mode = UpgradeMode::manual;
};
BOOST_DESCRIBE_STRUCT(UpgradeSpec, (), (ready_timeout, soak, drain_timeout, mode))

struct SupervisorSpec {
    std::string pid_file;
    std::string runtime_dir;
    std::string state_dir;
    std::uint32_t workers = 0;  // of the gateway, where there is something to proxy; 0: one for each core
    std::string user;  // services and workers run as; empty: unchanged
    LogSpec log;
    UpgradeSpec upgrade;
    std::string admin_socket;
};
BOOST_DESCRIBE_STRUCT(SupervisorSpec, (), (pid_file, runtime_dir, state_dir, workers, user, log, upgrade, admin_socket))

struct PluginsSpec {
    std::vector<std::string> directories;  // absolute; beside the one of the installation
};
BOOST_DESCRIBE_STRUCT(PluginsSpec, (), (directories))

struct Configuration {
    std::string file;    // as it was opened
    std::string prefix;  // where relative paths start
    SupervisorSpec supervisor;
    PluginsSpec plugins;
    std::vector<ListenerSpec> listeners;
    std::vector<ServiceSpec> services;
};
BOOST_DESCRIBE_STRUCT(Configuration, (), (file, prefix, supervisor, plugins, listeners, services))
using boost::describe::operators::operator==;

// The listeners through which a service is reached, by themselves or by a route, in their order.
std::vector<ListenerSpec> listeners_of(const Configuration& configuration, std::string_view service);
// Null when there is none.
const ServiceSpec* find_service(const Configuration& configuration, std::string_view name);

}  // namespace baton::model
