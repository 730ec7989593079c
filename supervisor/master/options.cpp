#include "master/options.h"

#include <array>
#include <algorithm>
#include <filesystem>
#include <string_view>

namespace baton::master {
namespace {

constexpr std::array<std::string_view, 5> signals{"stop", "quit", "reload", "reopen", "upgrade"};

}  // namespace

Options parse_options(const std::vector<std::string>& arguments) {
    Options options;
    for (std::size_t i = 0; i < arguments.size() && options.problem.empty(); ++i) {
        const std::string& word = arguments[i];
        if (word == "--help" || word == "--version") {
            (word == "--help" ? options.help : options.version) = true;
            continue;
        }
        if (word.size() < 2 || word[0] != '-') {
            options.problem = "'" + word + "' is not an option";
            break;
        }
        const char letter = word[1];
        const bool takes_value = letter == 'c' || letter == 'p' || letter == 's';
        // "-cFILE" and "-c FILE", as nginx reads them.
        std::string value = word.substr(2);
        if (takes_value && value.empty()) {
            if (++i == arguments.size()) {
                options.problem = word + " needs a value";
                break;
            }
            value = arguments[i];
        } else if (!takes_value && !value.empty()) {
            options.problem = "'" + word + "' is not an option";
            break;
        }
        switch (letter) {
            case 'c': options.configuration = value; break;
            case 'p': options.prefix = value; break;
            case 's': options.signal = value; break;
            case 'd': options.daemonize = true; break;
            case 't': options.test = true; break;
            case 'T': options.test = options.print = true; break;
            case 'v': options.version = true; break;
            case 'V': options.build = true; break;
            case 'h': options.help = true; break;
            default: options.problem = "'" + word + "' is not an option";
        }
    }
    if (!options.signal.empty() && std::find(signals.begin(), signals.end(), options.signal) == signals.end()) {
        options.problem = "-s takes stop, quit, reload, reopen or upgrade, not '" + options.signal + "'";
    }
    if (options.problem.empty() && options.test && !options.signal.empty()) options.problem = "-t tests a configuration and -s signals a supervisor: one at a time";
    return options;
}

std::string usage() {
    return "usage: batond [-c FILE] [-p PREFIX] [-d] [-t | -T] [-s SIGNAL] [-v | -V] [-h]\n"
           "  -c FILE    configuration (default /etc/baton/baton.toml)\n"
           "  -p PREFIX  where relative paths in the configuration start (default: its folder)\n"
           "  -d         daemonize (default: stay in the foreground)\n"
           "  -t         test the configuration and its addresses, and exit\n"
           "  -T         the same, and print the effective configuration\n"
           "  -s SIGNAL  signal the running supervisor: stop, quit, reload, reopen, upgrade\n"
           "  -v, -V     version (--version); version and how it was built\n"
           "  -h         this text (--help)\n";
}

std::vector<std::string> absolute_arguments(const Options& options) {
    namespace fs = std::filesystem;
    std::vector<std::string> arguments{"-c", fs::absolute(options.configuration).lexically_normal().string()};
    if (!options.prefix.empty()) {
        arguments.push_back("-p");
        arguments.push_back(fs::absolute(options.prefix).lexically_normal().string());
    }
    return arguments;
}

}  // namespace baton::master
