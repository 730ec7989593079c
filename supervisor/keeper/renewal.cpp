// How the keeper's own program is replaced, in place: the new image proves in a child that it can read the
// present state, then this process executes it and goes on where it was.
#include <signal.h>
#include <unistd.h>

#include <fmt/core.h>

#include "keeper/keeper.h"
#include "sys/spawn.h"

namespace baton::keeper {
namespace {

constexpr std::size_t state_bytes = 64 * 1024 * 1024;
constexpr Millis checker_timeout = 5'000;

}  // namespace

std::vector<std::string> Keeper::role_environment(const char* role) {
    std::vector<std::string> environment = sys::own_environment();
    std::erase_if(environment, [](const std::string& variable) { return variable.starts_with("BATON_ROLE="); });
    environment.push_back(std::string("BATON_ROLE=") + role);
    return environment;
}

void Keeper::on_replace(Master& master) {
    const auto fail = [&](const std::string& why) { push(master, pack(KeeperReplaced{EINVAL}, 0, Tail().add(why))); };
    if (checker_ || stop_deadline_ != never) return fail("it is being replaced already, or about to end");
    auto memory = sys::sealed_memory("baton-keeper", save(state_));
    if (!memory) return fail(memory.error().message());
    sys::SpawnSpec spec;
    spec.path = master.path;
    spec.image = master.image.get();
    spec.arguments = {"batond: keeper check"};
    spec.environment = role_environment("check");
    spec.descriptors = {null_.get(), null_.get(), STDERR_FILENO, memory->get()};
    spec.parent_death_signal = SIGKILL;
    auto spawned = sys::spawn(spec);
    if (!spawned) return fail(spawned.error().message());
    watched_->watch(spawned->pid, spawned->pidfd);
    checker_ = Checker{spawned->pid, std::move(spawned->pidfd), master.generation, monotonic_now() + checker_timeout};
}

void Keeper::checker_ended(int status) {
    const auto requester = state_.masters.find(checker_->generation);
    checker_.reset();
    if (requester == state_.masters.end()) return;
    std::string why = "the new image did not pass its check: " + sys::describe_status(status);
    const bool busy = stop_deadline_ != never || !pending_signals_.empty();  // a signal that waits would be lost
    if (status == 0) why = busy ? "signals came meanwhile" : become(requester->second.image).message();
    push(requester->second, pack(KeeperReplaced{EINVAL}, 0, Tail().add(why)));
}

std::vector<int> Keeper::descriptors() const {
    std::vector<int> list{state_.ready_pipe.get()};
    for (const auto& [generation, master] : state_.masters) list.insert(list.end(), {master.pidfd.get(), master.channel.get(), master.image.get()});
    for (const auto& [id, child] : state_.children) list.push_back(child.pidfd.get());
    for (const auto& [name, fd] : state_.held) list.push_back(fd.get());
    std::erase(list, -1);
    return list;
}

Error Keeper::become(const sys::UniqueFd& image) {
    auto memory = sys::sealed_memory("baton-keeper", save(state_));
    if (!memory) return memory.error();
    std::vector<int> kept = descriptors();
    kept.push_back(memory->get());
    for (const int fd : kept) static_cast<void>(sys::keep_across_exec(fd, true));
    auto environment = role_environment("keeper");
    std::erase_if(environment, [](const std::string& variable) { return variable.starts_with("BATON_STATE="); });
    environment.push_back(fmt::format("BATON_STATE={}", memory->get()));
    Error error = sys::execute(image, {"batond: keeper"}, environment);
    for (const int fd : kept) static_cast<void>(sys::keep_across_exec(fd, false));
    return error;
}

Result<Keeper> Keeper::resume(sys::UniqueFd saved) {
    const auto bytes = sys::read_all(saved, state_bytes);
    if (!bytes) return bytes.error();
    auto state = load(*bytes);
    if (!state) return state.error();
    if (state->masters.empty()) return failed("keeper state: no master in it");
    Keeper keeper(std::move(*state));
    for (const int fd : keeper.descriptors()) static_cast<void>(sys::keep_across_exec(fd, false));
    return keeper;
}

int check_state(const sys::UniqueFd& state) {
    const auto bytes = sys::read_all(state, state_bytes);
    if (!bytes) return 1;
    auto loaded = load(*bytes);
    if (!loaded || loaded->masters.empty()) return 1;
    ::_exit(0);  // the numbers in it are the running keeper's descriptors, not this process's
}

}  // namespace baton::keeper
