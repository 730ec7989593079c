// [service.NAME.startup], [service.NAME.readiness] and [service.NAME.liveness].
#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "config/groups.h"
#include "config/later.h"

namespace baton::config {
namespace {

using Kind = model::ProbeKind;
using Type = model::ProbeType;

// Of probes in a row. With limits::configured_duration it bounds every product of the two.
constexpr std::int64_t count_max = 1'000;

bool good_path(const std::string& path) {
    return path.starts_with('/') &&
           std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// Which types `key` is for.
std::string types_of(Kind kind, std::string_view key) {
    constexpr std::array<std::pair<Type, std::string_view>, 3> types{
        {{Type::notify, "notify"}, {Type::http, "http"}, {Type::tcp, "tcp"}}};
    std::size_t count = 0;
    std::string text;
    for (const auto& [type, word] : types) {
        if (!has_effect(kind, type, key)) continue;
        text += fmt::format("{}\"{}\"", text.empty() ? "type = " : " or ", word);
        ++count;
    }
    return count == types.size() ? "a type other than \"none\"" : text;
}

}  // namespace

bool has_effect(Kind kind, Type type, std::string_view key) {
    switch (type) {
        case Type::none: return false;
        case Type::http: return true;
        case Type::tcp:
        case Type::exec: return key != "path";
        case Type::notify:
            // Nobody is asked. What is left is the time that the program has: to become ready, and between
            // two signs of life.
            if (kind == Kind::startup) return key != "path" && key != "port" && key != "success";
            return kind == Kind::liveness && (key == "interval" || key == "failure");
    }
    return false;
}

void read_probe(Table table, Kind kind, model::ProbeSpec& spec) {
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
    if (kind == Kind::liveness && spec.success > 1) {
        table.problem("success", "must be 1: a liveness probe that passes ends a row of failures at once");
    }
    table.integer("failure", spec.failure, 1, count_max);
    table.duration("initial_delay", spec.initial_delay);

    if (typed || table.missing("type")) {
        for (const std::string_view key :
             {"path", "port", "interval", "timeout", "success", "failure", "initial_delay"}) {
            table.needs(key, has_effect(kind, spec.type, key), types_of(kind, key));
        }
    }
    table.finish();
}

}  // namespace baton::config
