// What was asked for on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace baton::cli {

// SERVICE, or SERVICE/INSTANCE with the instance's number.
struct Subject {
    std::string service;
    std::optional<std::uint32_t> ordinal;

    std::string name() const { return ordinal ? service + "/" + std::to_string(*ordinal) : service; }
};

struct Status {};
struct Get {
    std::string kind;  // service, instance, listener, node, revision, generation, plugin
    std::string name;  // empty: all
};
struct Power {
    std::string verb;  // start, stop, restart
    Subject subject;
};
struct Scale {
    std::string service;
    std::uint32_t replicas = 1;
};
struct Weight {
    Subject subject;
    std::uint32_t weight = 1;
};
struct Admin {
    std::string verb;  // drain, ready, maint
    Subject subject;
};
struct Reload {
    bool wait = true;
};
struct Upgrade {
    std::string binary;  // absolute; empty: the running one's path
    std::string soak;    // a duration; empty: as configured
    bool wait = true;
};
struct Logs {
    std::optional<Subject> subject;  // empty: everything
    std::uint32_t lines = 0;
    bool follow = false;
};
struct Events {
    bool follow = false;
};
struct Reopen {};
struct Shutdown {
    bool fast = false;
};
struct PluginReload {};
struct PluginCheck {
    std::string file;  // absolute
};

using Task =
    std::variant<Status, Get, Power, Scale, Weight, Admin, Reload, Upgrade, Logs, Events, Reopen, Shutdown, PluginReload, PluginCheck>;

struct Options {
    std::string socket;
    bool json = false;
    Task task;
};

// The options, or the exit status after help (0) or a message about wrong usage (2) was printed.
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace baton::cli
