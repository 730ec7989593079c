// What plan/step wants done, in this order. What can be derived from the state (which sockets to hold,
// which probes to run, what the steering tables say) is no action: the engine makes it so.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace baton::model {

// The instance whose id is `id` shall run.
struct StartProcess {
    std::uint64_t id = 0;
};
struct StartWorker {
    std::uint64_t id = 0;
};
// It accepts nobody new, gives its connections to the worker `to` (0: to nobody), and ends.
struct ReleaseWorker {
    std::uint64_t id = 0;
    std::uint64_t to = 0;
};
struct SignalProcess {
    std::uint64_t id = 0;
    int signal = 0;
    bool whole_group = false;
};
// The end of this child is noted.
struct ForgetProcess {
    std::uint64_t id = 0;
};
struct Announce {
    std::string kind;     // "instance.ready"
    std::string subject;  // "web/1"
    std::string text;
    bool warning = false;
};

using Action = std::variant<StartProcess, StartWorker, ReleaseWorker, SignalProcess, ForgetProcess, Announce>;

}  // namespace baton::model
