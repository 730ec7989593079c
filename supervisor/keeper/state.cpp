#include "keeper/state.h"

#include "base/limits.h"
#include "keeper/message.h"

namespace baton::keeper {
namespace {

// The state is a list of messages, each after its length, so that it has the same rules as the channel.
struct SavedKeeper {
    static constexpr std::uint16_t type = 128;
    std::uint32_t owner = 0, fence = 0, next_generation = 0, ever_ready = 0;
    std::int32_t ready_pipe = -1;
    std::uint32_t unused = 0;
};
struct SavedMaster {
    static constexpr std::uint16_t type = 129;
    std::uint32_t generation = 0, incarnation = 0;
    std::int32_t pid = 0, pidfd = -1, channel = -1, image = -1;
    std::uint32_t ready = 0, leaving = 0, failures = 0, successor = 0;
    std::int64_t heartbeat_timeout = 0, started = 0, restart_at = 0;
};
struct SavedChild {
    static constexpr std::uint16_t type = 130;
    std::uint64_t id = 0;
    std::int32_t pid = 0, pidfd = -1, status = 0;
    std::uint32_t exited = 0;
};
struct SavedHeld {
    static constexpr std::uint16_t type = 131;
    std::int32_t descriptor = -1;
};

void append(std::string& to, const std::string& message) {
    const auto size = static_cast<std::uint32_t>(message.size());
    to.append(reinterpret_cast<const char*>(&size), sizeof(size));
    to.append(message);
}

// A part of the saved state, whole and of a known kind.
Result<void> check(const Message& part) {
    const auto strings = part.strings();
    if (!strings) return strings.error();
    if (part.body<SavedMaster>() && strings->size() != 2) return failed("keeper state: a master without its path");
    if (part.body<SavedHeld>() && strings->size() != 1) return failed("keeper state: a descriptor without its name");
    if (part.body<SavedKeeper>() || part.body<SavedMaster>() || part.body<SavedChild>() || part.body<SavedHeld>()) return {};
    return failed("keeper state: an unknown part");
}

// Takes over what a checked part names.
void take(State& state, const Message& part) {
    const auto strings = part.strings();
    if (const auto keeper = part.body<SavedKeeper>()) {
        state.owner = keeper->owner;
        state.fence = keeper->fence;
        state.next_generation = keeper->next_generation;
        state.ever_ready = keeper->ever_ready != 0;
        state.ready_pipe = sys::UniqueFd(keeper->ready_pipe);
        state.arguments = *strings;
    } else if (const auto saved = part.body<SavedMaster>()) {
        Master& master = state.masters[saved->generation];
        master.generation = saved->generation;
        master.incarnation = saved->incarnation;
        master.pid = saved->pid;
        master.pidfd = sys::UniqueFd(saved->pidfd);
        master.channel = sys::UniqueFd(saved->channel);
        master.image = sys::UniqueFd(saved->image);
        master.path = strings->at(0);
        master.note = strings->at(1);
        master.ready = saved->ready != 0;
        master.leaving = saved->leaving != 0;
        master.successor = saved->successor;
        master.failures = saved->failures;
        master.heartbeat_timeout = saved->heartbeat_timeout;
        master.last_heard = monotonic_now();
        master.started = saved->started;
        master.restart_at = saved->restart_at;
    } else if (const auto child = part.body<SavedChild>()) {
        state.children[child->id] = Child{child->pid, sys::UniqueFd(child->pidfd), child->exited != 0, child->status};
    } else if (const auto held = part.body<SavedHeld>()) {
        state.held[strings->at(0)] = sys::UniqueFd(held->descriptor);
    }
}

}  // namespace

std::string save(const State& state) {
    std::string bytes;
    Tail arguments;
    for (const std::string& argument : state.arguments) arguments.add(argument);
    append(bytes, pack(SavedKeeper{state.owner, state.fence, state.next_generation, state.ever_ready ? 1U : 0U,
                                   state.ready_pipe.get(), 0},
                       0, arguments));
    for (const auto& [generation, master] : state.masters) {
        SavedMaster saved{generation, master.incarnation, master.pid, master.pidfd.get(), master.channel.get(),
                          master.image.get(), master.ready ? 1U : 0U, master.leaving ? 1U : 0U, master.failures, master.successor,
                          master.heartbeat_timeout, master.started, master.restart_at};
        append(bytes, pack(saved, 0, Tail().add(master.path).add(master.note)));
    }
    for (const auto& [id, child] : state.children) {
        append(bytes, pack(SavedChild{id, child.pid, child.pidfd.get(), child.status, child.exited ? 1U : 0U}));
    }
    for (const auto& [name, fd] : state.held) append(bytes, pack(SavedHeld{fd.get()}, 0, Tail().add(name)));
    return bytes;
}

Result<State> load(std::string_view bytes) {
    std::vector<Message> parts;
    while (!bytes.empty()) {
        std::uint32_t size = 0;
        if (bytes.size() < sizeof(size)) return failed("keeper state: cut short");
        std::memcpy(&size, bytes.data(), sizeof(size));
        bytes.remove_prefix(sizeof(size));
        if (size > bytes.size()) return failed("keeper state: cut short");
        const auto message = Message::open(bytes.substr(0, size));
        if (!message) return message.error();
        if (const auto sound = check(*message); !sound) return sound.error();
        parts.push_back(*message);
        bytes.remove_prefix(size);
    }
    State state;
    for (const Message& part : parts) take(state, part);
    return state;
}

}  // namespace baton::keeper
