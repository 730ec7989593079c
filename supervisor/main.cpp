// batond: one binary in three roles. Started by hand or by a service manager it becomes the keeper; the
// keeper starts it again as masters, and to check a new image of itself.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "master/launch.h"
#include "master/master.h"
#include "worker/worker.h"

int main(int argc, char** argv) {
    using namespace baton::master;
    const char* role = std::getenv("BATON_ROLE");
    const std::string_view name = role == nullptr ? "" : role;
    if (name == "keeper") return run_keeper();
    if (name == "master") return run();
    if (name == "worker") return baton::worker::run();
    if (name == "check") return run_check();

    const Options options = parse_options(std::vector<std::string>(argv + 1, argv + argc));
    if (!options.problem.empty()) {
        std::fprintf(stderr, "batond: %s\n%s", options.problem.c_str(), usage().c_str());
        return 2;
    }
    if (options.help) return std::fputs(usage().c_str(), stdout), 0;
    if (options.version || options.build) {
        std::printf("batond %s\n", BATON_VERSION_TEXT);
        if (options.build) std::printf("built with g++ %s, C++%ld\n", __VERSION__, __cplusplus);
        return 0;
    }
    if (options.test) return test_configuration(options);
    if (!options.signal.empty()) return send_signal(options);
    return launch(options, argv[0]);
}
