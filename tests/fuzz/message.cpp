// Any bytes: refused, or read as a message between keeper and master, or as the keeper's own saved state,
// which then is written and read again as the same. The numbers in a made-up state are no descriptors of
// this process: closing them is kept from the system (the linker's --wrap=close), and counted.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "keeper/message.h"
#include "keeper/state.h"

namespace {

bool reading_state = false;
int closed = 0;

}  // namespace

extern "C" int __real_close(int fd);
extern "C" int __wrap_close(int fd) {
    if (!reading_state) return __real_close(fd);
    ++closed;
    return 0;
}

namespace {

using namespace baton::keeper;

template <class... Bodies>
int bodies_in(const Message& message) {
    return ((message.body<Bodies>() ? 1 : 0) + ...);
}

void read_message(std::string_view bytes) {
    const auto message = Message::open(bytes);
    if (!message) return;
    const int fitting = bodies_in<Hello, Beat, Ready, Hold, Release, ListHeld, ListChildren, Spawn, Signal, Forget, Note, StartMaster,
                                  SignalMaster, Transfer, Leave, Tell, ReplaceKeeper, Welcome, HeldPage, ChildrenPage, SpawnDone, Exited,
                                  Owner, MasterStarted, MasterReady, MasterGone, Told, Signalled, Resync, Refused, KeeperReplaced>(*message);
    CHECK(fitting <= 1);
    if (const auto strings = message->strings()) {
        std::size_t size = 0;
        for (const auto& string : *strings) size += string.size() + 1;
        CHECK(size == message->tail().size());
    }
}

void read_state(std::string_view bytes) {
    closed = 0;
    const auto state = load(bytes);
    if (!state) {
        CHECK(closed == 0);  // what is not sound is not taken over
        return;
    }
    const std::string saved = save(*state);
    const auto again = load(saved);
    CHECK(again.has_value());
    CHECK(save(*again) == saved);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    read_message(bytes);
    reading_state = true;
    read_state(bytes);
    reading_state = false;
    return 0;
}
