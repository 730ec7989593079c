// [service.NAME.startup], [service.NAME.readiness] and [service.NAME.liveness].
#include <algorithm>

#include <fmt/core.h>

#include "config/groups.h"
#include "config/later.h"

namespace baton::config {
namespace {

// Of probes in a row. With limits::configured_duration it bounds every product of the two.
constexpr std::int64_t count_max = 1'000;

bool good_path(const std::string& path) {
    return path.starts_with('/') &&
           std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// A key that the chosen type does not use would be ignored, so it is an error.
void needs(Table& table, std::string_view key, bool met, std::string_view condition) {
    if (!met && !table.missing(key)) table.problem(key, fmt::format("needs {}", condition));
}

}  // namespace

void read_probe(Table table, model::ProbeSpec& spec) {
    using Type = model::ProbeType;
    const bool typed = table.choice<Type>("type", spec.type,
                                          {{"none", Type::none},
                                           {"notify", Type::notify},
                                           {"tcp", Type::tcp},
                                           {"http", Type::http},
                                           {"exec", Type::exec, false}});
    if (table.nonempty("path", spec.path) && !good_path(spec.path)) {
        table.problem("path", "must begin with '/' and have neither spaces nor control characters");
    }
    const bool port = table.integer("port", spec.port, 1, 65'535);
    // A port that was reported is not reported as lacking too; the value goes nowhere.
    if (!port && !table.missing("port")) spec.port = 1;
    later_texts(table, "command");
    table.duration("interval", spec.interval, 1);
    table.duration("timeout", spec.timeout, 1);
    table.integer("success", spec.success, 1, count_max);
    table.integer("failure", spec.failure, 1, count_max);
    table.duration("initial_delay", spec.initial_delay);

    if (typed || table.missing("type")) {
        const bool connects = spec.type == Type::tcp || spec.type == Type::http;
        needs(table, "path", spec.type == Type::http, "type = \"http\"");
        needs(table, "port", connects, "type = \"http\" or \"tcp\"");
        for (const std::string_view key : {"interval", "timeout", "success", "failure", "initial_delay"}) {
            needs(table, key, spec.type != Type::none, "a type other than \"none\"");
        }
    }
    table.finish();
}

}  // namespace baton::config
