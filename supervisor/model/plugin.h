// What is known of a plugin: what its file says, what its check found. Travels from the process that checks it,
// and to who asks (`baton plugin list`, `baton plugin check`).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/operators.hpp>
#include <fmt/core.h>

namespace baton::model {

struct PluginOption {
    std::string name;
    std::string type;           // bool, integer, number, duration, text, choice
    std::string default_value;  // as a user writes it
    std::string choices;        // "ring|maglev"
    std::string description;
};
BOOST_DESCRIBE_STRUCT(PluginOption, (), (name, type, default_value, choices, description))

struct PluginFactory {
    std::string kind;  // "baton.balancer/1"
    std::string name;
    std::string description;
    std::vector<PluginOption> options;
    // What one pick costs, in nanoseconds, with the default options; 0: not measured.
    double pick_ns_of_10 = 0;
    double pick_ns_of_100 = 0;
};
BOOST_DESCRIBE_STRUCT(PluginFactory, (), (kind, name, description, options, pick_ns_of_10, pick_ns_of_100))

struct PluginReport {
    std::string file;
    std::string name;
    std::string version;
    std::string description;
    std::string build;  // compiler
    std::string abi;    // "1.0"
    std::uint64_t fingerprint = 0;
    std::vector<PluginFactory> factories;
    std::vector<std::string> problems;  // it is refused for these
    std::vector<std::string> notes;     // it works all the same

    bool good() const { return problems.empty(); }
};
BOOST_DESCRIBE_STRUCT(PluginReport, (), (file, name, version, description, build, abi, fingerprint, factories, problems, notes))

// A plugin in force: workers load it and pick by it.
struct PluginRef {
    std::uint64_t fingerprint = 0;
    std::string file;                     // where it was read; for people
    std::vector<std::string> strategies;  // the balancers that are taken from it
    std::string quarantined;              // why the built-in round_robin is in their place; empty: it is not
};
BOOST_DESCRIBE_STRUCT(PluginRef, (), (fingerprint, file, strategies, quarantined))
using boost::describe::operators::operator==;

// The name of the descriptor that its bytes are read from: of the keeper's, and of those that go before a table.
inline std::string plugin_descriptor(std::uint64_t fingerprint) { return fmt::format("plugin/{:016x}", fingerprint); }

}  // namespace baton::model
