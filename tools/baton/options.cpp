#include "options.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <utility>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "base/limits.h"
#include "base/time.h"

namespace baton::cli {
namespace {

constexpr int wrong_usage = 2;
constexpr const char* system_socket = "/run/baton/admin.sock";
constexpr const char* local_socket = "run/admin.sock";

std::optional<Subject> parse_subject(const std::string& text) {
    const auto slash = text.find('/');
    Subject subject{text.substr(0, slash), {}};
    if (subject.service.empty()) return {};
    if (slash == std::string::npos) return subject;
    std::uint32_t ordinal = 0;
    const char* end = text.data() + text.size();
    const auto [at, ec] = std::from_chars(text.data() + slash + 1, end, ordinal);
    if (ec != std::errc{} || at != end || ordinal == 0) return {};
    subject.ordinal = ordinal;
    return subject;
}

const CLI::Validator is_subject(
    [](std::string& text) {
        return parse_subject(text) ? std::string()
                                   : fmt::format("'{}' is not SERVICE or SERVICE/NUMBER", text);
    },
    "");

const CLI::Validator is_instance(
    [](std::string& text) {
        const auto subject = parse_subject(text);
        return subject && subject->ordinal ? std::string() : fmt::format("'{}' is not SERVICE/NUMBER", text);
    },
    "");

const CLI::Validator is_service(
    [](std::string& text) {
        const auto subject = parse_subject(text);
        return subject && !subject->ordinal ? std::string() : fmt::format("'{}' is not a SERVICE", text);
    },
    "");

const CLI::Validator is_duration(
    [](std::string& text) {
        const auto duration = parse_duration(text);
        return duration ? std::string() : duration.error().message();
    },
    "");

// The socket nobody named: the system's if there is one, else the one of a supervisor run from here.
std::string default_socket() {
    if (const char* named = std::getenv("BATON_SOCKET"); named != nullptr && *named != '\0') return named;
    return ::access(system_socket, F_OK) == 0 ? system_socket : local_socket;
}

// Everything the parser writes to.
struct Raw {
    std::string socket;
    std::string output = "table";
    std::string url;
    std::string token_file;
    std::string kind;
    std::string name;
    std::string subject;
    std::uint32_t number = 0;
    std::uint32_t lines = limits::log_lines_default;
    std::string binary;
    std::string plugin_file;
    std::string soak;
    bool no_wait = false;
    bool follow = false;
    bool fast = false;
};

const std::map<std::string, std::string> kinds{
    {"service", "service"},
    {"services", "service"},
    {"instance", "instance"},
    {"instances", "instance"},
    {"listener", "listener"},
    {"listeners", "listener"},
    {"node", "node"},
    {"nodes", "node"},
    {"revision", "revision"},
    {"revisions", "revision"},
    {"worker", "worker"},
    {"workers", "worker"},
    {"generation", "generation"},
    {"generations", "generation"},
    {"plugin", "plugin"},
    {"plugins", "plugin"},
};

constexpr const char* later_commands[] = {"apply", "rollout", "switchover", "explain", "top"};

void add_global(CLI::App& app, Raw& raw) {
    app.set_version_flag("-V,--version", "baton " BATON_VERSION, "Print the version");
    app.add_option(
        "--socket", raw.socket,
        "The supervisor's admin socket (default: $BATON_SOCKET, /run/baton/admin.sock, run/admin.sock)");
    app.add_option("-o,--output", raw.output, "table or json")->check(CLI::IsMember({"table", "json"}));
    app.add_option("--url", raw.url)->group("");
    app.add_option("--token-file", raw.token_file)->group("");
}

void add_looks(CLI::App& app, Raw& raw) {
    app.add_subcommand("status", "The node, its services and their instances on one screen");
    auto* get =
        app.add_subcommand("get", "List services, instances, listeners, workers, nodes, revisions, generations or plugins");
    get->add_option("KIND", raw.kind, "service, instance, listener, worker, node, revision, generation or plugin")
        ->required()
        ->transform(CLI::Transformer(kinds))
        ->check(
            CLI::IsMember({"service", "instance", "listener", "worker", "node", "revision", "generation", "plugin"}));
    get->add_option("NAME", raw.name, "Only this one; for instances and revisions also a service");
    auto* logs = app.add_subcommand("logs", "What services wrote to standard output and error");
    logs->add_option("SUBJECT", raw.subject, "SERVICE or SERVICE/INSTANCE; everything without it")
        ->check(is_subject);
    logs->add_flag("-f,--follow", raw.follow, "Go on with what comes");
    logs->add_option("-n,--lines", raw.lines, "Lines to begin with")
        ->check(CLI::Range(std::uint32_t{0}, limits::log_lines_max))
        ->capture_default_str();
    auto* events = app.add_subcommand("events", "What the supervisor did");
    events->add_flag("-f,--follow", raw.follow, "Go on with what comes");
}

void add_orders(CLI::App& app, Raw& raw) {
    constexpr std::array<std::pair<const char*, const char*>, 3> powers{{
        {"start", "Start a service, or one instance of it, and wait until it is ready"},
        {"stop", "Stop a service, or one instance of it, gracefully"},
        {"restart", "Restart a service, instance by instance, or one instance of it"},
    }};
    for (const auto& [verb, text] : powers) {
        auto* power = app.add_subcommand(verb, text);
        power->add_option("SUBJECT", raw.subject, "SERVICE or SERVICE/INSTANCE")
            ->required()
            ->check(is_subject);
    }
    auto* scale = app.add_subcommand("scale", "Set the number of a service's instances");
    scale->add_option("SERVICE", raw.subject)->required()->check(is_service);
    scale->add_option("N", raw.number)->required()->check(CLI::Range(std::uint32_t{1}, limits::replicas));
    auto* weight = app.add_subcommand("weight", "Set an instance's share of new connections");
    weight->add_option("INSTANCE", raw.subject, "SERVICE/INSTANCE")->required()->check(is_instance);
    weight->add_option("N", raw.number)->required()->check(CLI::Range(std::uint32_t{0}, limits::weight_max));
    constexpr std::array<std::pair<const char*, const char*>, 3> states{{
        {"drain", "Send an instance nobody new; who is connected stays"},
        {"maint", "The same, and do not probe it"},
        {"ready", "Let an instance take traffic again"},
    }};
    for (const auto& [verb, text] : states) {
        app.add_subcommand(verb, text)->add_option("INSTANCE", raw.subject, "SERVICE/INSTANCE")->required()->check(is_instance);
    }
    auto* reload = app.add_subcommand("reload", "Read the configuration again and carry it out");
    reload->add_flag("--no-wait", raw.no_wait, "Do not wait for the rollovers it starts");
    auto* upgrade = app.add_subcommand("upgrade", "Replace the supervisor's binary: trial, soak, commit");
    upgrade->add_option("--binary", raw.binary, "The new binary (default: the path of the running one)");
    upgrade->add_option("--soak", raw.soak, "How long the new one must do well before it stays")
        ->check(is_duration);
    upgrade->add_flag("--no-wait", raw.no_wait, "Return once it has begun");
    auto* plugin = app.add_subcommand("plugin", "The strategies that are loaded: list, check or reload them");
    plugin->require_subcommand(1);
    plugin->add_subcommand("list", "Every strategy there is, and whether it is used");
    plugin->add_subcommand("check", "Try a plugin's file, and say everything that is wrong with it")
        ->add_option("FILE", raw.plugin_file)
        ->required();
    plugin->add_subcommand("reload", "Look at the directories again, and use what is new");
    app.add_subcommand("reopen", "Open the log files again");
    auto* shutdown = app.add_subcommand("shutdown", "Stop everything, gracefully, and the supervisor");
    shutdown->add_flag("--fast", raw.fast, "Without waiting for connections");
}

void add_later(CLI::App& app) {
    // Whatever stands behind them is theirs, so that the message is about the command.
    for (const char* name : later_commands) {
        app.add_subcommand(name)->group("")->fallthrough(false)->prefix_command()->allow_extras();
    }
}

int later(std::string_view what) {
    fmt::print(stderr, "baton: {}: not available in this version\n", what);
    return wrong_usage;
}

Task task_of(const CLI::App& app, const Raw& raw) {
    const std::string name = app.get_subcommands().front()->get_name();
    const auto subject = parse_subject(raw.subject);
    if (name == "get") return Get{raw.kind, raw.name};
    if (name == "start" || name == "stop" || name == "restart") return Power{name, *subject};
    if (name == "scale") return Scale{raw.subject, raw.number};
    if (name == "weight") return Weight{*subject, raw.number};
    if (name == "drain" || name == "ready" || name == "maint") return Admin{name, *subject};
    if (name == "reload") return Reload{!raw.no_wait};
    if (name == "upgrade") {
        const std::string binary = raw.binary.empty() ? "" : std::filesystem::absolute(raw.binary).string();
        return Upgrade{binary, raw.soak, !raw.no_wait};
    }
    if (name == "logs") return Logs{subject, raw.lines, raw.follow};
    if (name == "events") return Events{raw.follow};
    if (name == "plugin") {
        const std::string what = app.get_subcommands().front()->get_subcommands().front()->get_name();
        if (what == "reload") return PluginReload{};
        if (what == "check") return PluginCheck{std::filesystem::absolute(raw.plugin_file).string()};
        return Get{"plugin", ""};
    }
    if (name == "reopen") return Reopen{};
    if (name == "shutdown") return Shutdown{raw.fast};
    return Status{};
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
    Raw raw;
    CLI::App app{"baton: the command line of the Baton supervisor", "baton"};
    app.require_subcommand(1);
    app.fallthrough();
    add_global(app, raw);
    add_looks(app, raw);
    add_orders(app, raw);
    add_later(app);
    try {
        app.parse(argc, argv);
    } catch (const CLI::RequiredError& error) {
        const auto words = app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>();
        if (words.empty()) return app.exit(error) == 0 ? 0 : wrong_usage;
        fmt::print(stderr, "baton: '{}' is not a command\nRun with --help for more information.\n", words.front());
        return wrong_usage;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : wrong_usage;
    }
    if (!raw.url.empty()) return later("--url");
    if (!raw.token_file.empty()) return later("--token-file");
    const std::string name = app.get_subcommands().front()->get_name();
    for (const char* unavailable : later_commands) {
        if (name == unavailable) return later(name);
    }
    Options options;
    options.socket = raw.socket.empty() ? default_socket() : raw.socket;
    options.json = raw.output == "json";
    options.task = task_of(app, raw);
    return options;
}

}  // namespace baton::cli
