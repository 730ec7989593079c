// The configuration: TOML on disk to a valid model::Configuration, or every reason why not.
//
// Reading has no side effect. All errors of all files are reported at once, in the order in which the
// files are read (the main file, then its includes sorted) and then by line. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/configuration.h"

namespace baton::config {

struct Problem {
    std::string file;
    std::uint32_t line = 0;
    std::string message;
    friend bool operator==(const Problem&, const Problem&) = default;
};
// "FILE:LINE: message"
std::string to_string(const Problem& problem);

// What only this host knows. config/ asks nobody, so the caller brings the questions; they are asked about
// everything that is valid by itself, also where there are problems elsewhere.
struct HostChecks {
    std::function<Result<void>(const model::ListenerSpec& listener)> address;
    std::function<Result<void>(const std::string& user)> user;
    // Certificates, keys and folders of plugins. Not asked where it is empty, as the two above.
    std::function<Result<void>(const std::string& path)> readable;
    // Whether an access log can be written to; its folders are made where they are missing.
    std::function<Result<void>(const std::string& path)> appendable;
    // Whether a certificate and its key can be used; the fingerprint of both. Asked once both can be read.
    std::function<Result<std::string>(const model::TlsSpec& spec)> credentials;
    // The balancers there are with the plugins of these folders, where these are asked for; empty: those that ship.
    // What it does not name is an unknown strategy.
    std::function<std::vector<std::string>(const std::vector<std::string>& directories, const std::set<std::string>& wanted)> balancers;
    // Whether a balancer that it has named can be used, with these options. Asked where a worker picks by it.
    std::function<Result<void>(const model::BalanceSpec& balance)> balance;
    // Whether this user can enter the folder, and all those above it. Asked about runtime_dir, where something of
    // this configuration is reached by a file below it.
    std::function<Result<void>(const std::string& folder, const std::string& user)> entrance;
    // What is to be known of the ports that are given to programs; empty: nothing. Asked where one binds a port.
    std::function<std::string()> ports;
};

// The balancers that ship.
const std::vector<std::string>& shipped_balancers();

struct Loaded {
    // Set exactly when there are no problems, apart from those of the host.
    std::optional<model::Configuration> configuration;
    std::vector<Problem> problems;
    std::vector<std::string> notices;  // worth telling, and no reason to refuse the configuration
};

// Reads `file` and what it includes. Relative paths in it start at `prefix`; empty: the file's folder.
Loaded load(const std::string& file, const std::string& prefix);
// The same, with the host's answers among the problems.
Loaded load(const std::string& file, const std::string& prefix, const HostChecks& host);

// The same for text that is in memory already. It touches no file: an include is an error.
Loaded load_text(std::string_view text, const std::string& file_name, const std::string& prefix);

// The effective configuration as TOML, defaults filled in, which load_text reads back to an equal one.
std::string print(const model::Configuration& configuration);

}  // namespace baton::config
