// Checks plugins from the command line, for tests that build some: exit status 0 if all are good.
#include <cstdio>

#include "strategy/check.h"

int main(int argc, char** argv) {
    bool good = true;
    for (int i = 1; i < argc; ++i) {
        const baton::model::PluginReport report = baton::strategy::check(argv[i]).report;
        good = good && report.good();
        std::printf("%s: %s %s\n", argv[i], report.name.c_str(), report.version.c_str());
        for (const auto& factory : report.factories) std::printf("  %s %s\n", factory.kind.c_str(), factory.name.c_str());
        for (const auto& problem : report.problems) std::printf("  problem: %s\n", problem.c_str());
        for (const auto& note : report.notes) std::printf("  note: %s\n", note.c_str());
    }
    return good ? 0 : 1;
}
