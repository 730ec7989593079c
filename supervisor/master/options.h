// batond's command line, as main reads it to start, and as every master reads it again.
#pragma once

#include <string>
#include <vector>

namespace baton::master {

struct Options {
    std::string configuration = "/etc/baton/baton.toml";
    std::string prefix;
    bool daemonize = false;
    bool test = false;
    bool print = false;
    std::string signal;  // stop, quit, reload, reopen, upgrade
    bool version = false;
    bool build = false;  // -V
    bool help = false;
    std::string problem;  // what is wrong with the command line; empty: nothing
};

// `arguments` without the program's name.
Options parse_options(const std::vector<std::string>& arguments);
std::string usage();
// The same arguments with paths made absolute, so that they mean the same in every later process.
std::vector<std::string> absolute_arguments(const Options& options);

}  // namespace baton::master
