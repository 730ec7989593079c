// Everything the keeper holds, and how it survives the replacement of the keeper's own program: as a
// sealed memory file that the new program reads, in the same process, with the same descriptors open.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "sys/descriptor.h"

namespace baton::keeper {

struct Master {
    std::uint32_t generation = 0;
    std::uint32_t incarnation = 0;  // counts the processes this generation has had
    std::int32_t pid = 0;           // 0: ended, to be started again at `restart_at`
    sys::UniqueFd pidfd;
    sys::UniqueFd channel;
    sys::UniqueFd image;  // the very bytes it runs, whatever becomes of the file
    std::string path;
    std::string note;     // what its replacement will be told
    bool ready = false;
    bool leaving = false;
    std::uint32_t successor = 0;  // while leaving: the one it leaves everything to; 0: nobody
    bool lagging = false;  // it did not read; it is owed a Resync
    Millis heartbeat_timeout = 0;
    Millis last_heard = 0;
    Millis started = 0;
    Millis restart_at = never;
    std::uint32_t failures = 0;
};

struct Child {
    std::int32_t pid = 0;
    sys::UniqueFd pidfd;
    bool exited = false;  // and kept until the owner has noted it
    std::int32_t status = 0;
};

struct State {
    std::vector<std::string> arguments;  // batond's own, for every master
    std::map<std::uint32_t, Master> masters;
    std::map<std::uint64_t, Child> children;
    std::map<std::string, sys::UniqueFd> held;
    std::uint32_t owner = 0;  // the one generation that may act on instances
    std::uint32_t fence = 1;  // grows with each change of owner
    std::uint32_t next_generation = 1;
    bool ever_ready = false;
    sys::UniqueFd ready_pipe;  // closed, after one byte, when the first master is ready (batond -d waits)

    // The oldest master: the one that can take everything back.
    Master& incumbent() { return masters.begin()->second; }
};

std::string save(const State& state);
// Takes the descriptors that are named in it as its own, or, where it is an Error, none.
Result<State> load(std::string_view bytes);

}  // namespace baton::keeper
