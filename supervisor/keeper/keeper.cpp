#include "keeper/keeper.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include <fmt/core.h>

#include "base/limits.h"
#include "sys/channel.h"
#include "sys/spawn.h"

namespace baton::keeper {
namespace {

// Numbers of what is held begin here. A child copies the table of descriptors up to the highest that it needs, and
// those lie below: the keeper's own, and those that came with one message.
constexpr int kept_descriptors_from = 512;
// An orphan that ended, and whose signal came with another's, is reaped after this.
constexpr Millis strangers_wait = 1'000;

void say(const std::string& text) {
    sys::write_error("batond: keeper: " + text + "\n");
}

Millis backoff(std::uint32_t failures) {
    if (failures <= 1) return 0;
    return std::min(limits::master_backoff_max, limits::master_backoff_first << std::min(failures - 2, 10U));
}

}  // namespace

Keeper::Keeper(State state) : state_(std::move(state)) {}

int Keeper::run() {
    auto null = sys::open_null();
    auto signals = sys::signal_descriptor({SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH});
    auto ends = sys::Offspring::create();
    if (!null || !signals || !ends) {
        say((!null ? null.error() : !signals ? signals.error() : ends.error()).message());
        return 1;
    }
    null_ = std::move(*null);
    signals_ = std::move(*signals);
    watched_.emplace(std::move(*ends));
    sys::adopt_orphans();
    const bool first = state_.incumbent().incarnation == 0;
    if (first) start_first_master();
    if (!first) push(state_.masters.at(state_.owner), pack(KeeperReplaced{0}, 0, Tail().add("")));
    // What was to be sent meanwhile may be lost: everybody is told everything anew.
    for (auto& [generation, master] : state_.masters) master.lagging = !first;
    // To ask for any ended child looks at all of them, and a successor would wait for that. So those that somebody
    // waits for are watched, and the rest are looked for when there is time.
    for (const auto& [generation, master] : state_.masters) watched_->watch(master.pid, master.pidfd);
    for (const auto& [id, child] : state_.children) {
        if (!child.exited) living_[child.pid] = id;
        watched_->watch(child.pid, child.pidfd);
    }
    reap_all();  // what ended while this program was being replaced
    while (!finished_) {
        std::vector<sys::Poll> set{{signals_.get()}};
        std::vector<std::uint32_t> generations;
        for (const auto& [generation, master] : state_.masters) {
            if (!master.channel.valid()) continue;
            // One that does not read is not answered; it is heard when it does, or has ended.
            set.push_back({master.channel.get(), master.lagging, !master.lagging});
            generations.push_back(generation);
        }
        const Millis wait = next_deadline() == never ? -1 : std::clamp<Millis>(next_deadline() - monotonic_now(), 0, 60'000);
        const Millis before = monotonic_now();
        sys::poll_descriptors(set, static_cast<int>(wait));
        // This process was stopped or the machine slept: then silence proves nothing.
        const bool slept = wait >= 0 && monotonic_now() - before > wait + 1'000;
        for (std::size_t i = 0; i < generations.size(); ++i) {
            const auto found = state_.masters.find(generations[i]);
            if (found == state_.masters.end() || !found->second.channel.valid()) continue;
            if (set[i + 1].writable && found->second.lagging) {
                found->second.lagging = false;
                push(found->second, pack(Resync{static_cast<std::uint32_t>(state_.masters.size() - 1)}));
                tell_all(found->second);
                if (found->first == state_.owner) deliver_signals(found->second);
            }
            if (set[i + 1].readable && !found->second.lagging) receive(found->second);
        }
        if (set[0].readable) this->signals();
        deadlines(slept);
    }
    finish();
    return exit_status_;
}

// --- masters ---

void Keeper::start_first_master() {
    Master& master = state_.incumbent();
    state_.owner = master.generation;
    start_master(master);
}

void Keeper::start_master(Master& master) {
    master.restart_at = never;
    master.ready = master.lagging = false;
    master.started = master.last_heard = monotonic_now();
    master.heartbeat_timeout = limits::heartbeat_timeout;
    auto channel = sys::make_channel();
    sys::SpawnSpec spec;
    spec.path = master.path;
    spec.image = master.image.get();
    spec.arguments = {fmt::format("batond: master process (gen {}) {}", master.generation, master.path)};
    spec.environment = role_environment("master");
    if (state_.ready_pipe.valid()) spec.environment.emplace_back("BATON_DAEMON=1");  // the first master of a daemon
    spec.parent_death_signal = SIGKILL;
    auto spawned = Result<sys::Spawned>(sys::Spawned{});
    if (channel) {
        spec.descriptors = {null_.get(), STDOUT_FILENO, STDERR_FILENO, channel->second.get()};
        spawned = sys::spawn(spec);
    }
    if (!channel || !spawned) {
        const Error why = channel ? spawned.error() : channel.error();
        say(why.message());
        push_all(pack(MasterStarted{master.generation, 0, why.code() == 0 ? EIO : why.code(), 0}, 0, Tail().add(why.message())));
        master.pid = 0;
        master_ended(master.generation, 127 << 8);
        return;
    }
    master.pid = spawned->pid;
    master.pidfd = std::move(spawned->pidfd);
    watched_->watch(master.pid, master.pidfd);
    master.channel = std::move(channel->first);
    Tail tail;
    tail.add(master.note).add(master.path);
    for (const std::string& argument : state_.arguments) tail.add(argument);
    push(master, pack(Welcome{master.generation, master.incarnation, state_.owner, state_.incumbent().generation,
                              ::getpid(), static_cast<std::uint32_t>(state_.masters.size() - 1)},
                      0, tail));
    ++master.incarnation;
    tell_all(master);
}

// Who else lives, and at last who owns.
void Keeper::tell_all(Master& master) {
    for (const auto& [generation, other] : state_.masters) {
        if (generation == master.generation) continue;
        push(master, pack(MasterStarted{generation, other.pid, 0, 0}, 0, Tail().add(other.path)));
        if (other.ready) push(master, pack(MasterReady{generation}));
    }
    push(master, pack(Owner{state_.owner, state_.fence}));
}

void Keeper::master_ended(std::uint32_t generation, int status) {
    Master& master = state_.masters.at(generation);
    master.pid = 0;
    master.pidfd.reset();
    master.channel.reset();
    const bool incumbent = generation == state_.incumbent().generation;
    if (!master.leaving) say(fmt::format("master of generation {}: {}", generation, sys::describe_status(status)));
    if (master.leaving || !incumbent || stop_deadline_ != never || !state_.ever_ready) {
        forget_master(generation, status);
        return;
    }
    if (monotonic_now() - master.started > limits::master_sound_after) master.failures = 0;
    master.restart_at = monotonic_now() + backoff(++master.failures);
}

void Keeper::forget_master(std::uint32_t generation, int status) {
    const bool left = state_.masters.at(generation).leaving;
    const bool owned = state_.owner == generation;
    state_.masters.erase(generation);
    if (state_.masters.empty()) {
        finished_ = true;
        exit_status_ = left || stop_deadline_ != never ? 0 : 1;
        return;
    }
    push_all(pack(MasterGone{generation, status, left ? 1U : 0U, 0}));
    for (auto& [number, other] : state_.masters) other.leaving = other.leaving && (left || other.successor != generation);
    if (owned) give(state_.incumbent().generation);
}

void Keeper::give(std::uint32_t generation) {
    state_.owner = generation;
    ++state_.fence;
    push_all(pack(Owner{state_.owner, state_.fence}));
    deliver_signals(state_.masters.at(state_.owner));
}

void Keeper::on_ready(Master& master) {
    master.ready = true;
    state_.ever_ready = true;
    if (state_.ready_pipe.valid()) {
        [[maybe_unused]] const ssize_t told = ::write(state_.ready_pipe.get(), "R", 1);
        state_.ready_pipe.reset();
        // A daemon lets go of the terminal it was started from, now that it has nothing to tell there.
        sys::let_go_of_terminal();
    }
    for (auto& [generation, other] : state_.masters) {
        if (generation != master.generation) push(other, pack(MasterReady{master.generation}));
    }
    if (master.generation != state_.owner) return;
    deliver_signals(master);
}

void Keeper::deliver_signals(Master& owner) {
    while (!pending_signals_.empty() && owner.ready && push(owner, pack(Signalled{pending_signals_.front()}))) {
        pending_signals_.erase(pending_signals_.begin());
    }
}

// --- signals, children, time ---

void Keeper::signals() {
    while (!finished_) {
        const auto taken = sys::take_signal(signals_);
        if (!taken) return;
        if (taken->signal == SIGCHLD) {
            // One signal may stand for several ends.
            if (const auto ended = sys::peek_ended_child(taken->from)) reap_one(*ended);
            for (auto ended = watched_->next(); ended && !finished_; ended = watched_->next()) reap_one(*ended);
            strangers_at_ = std::min(strangers_at_, monotonic_now() + strangers_wait);
        } else if (taken->signal == SIGWINCH && taken->from_kernel) {
            continue;  // a terminal changed its size
        } else {
            // A terminal that hangs up ends what runs in its foreground.
            forward(taken->signal == SIGHUP && taken->from_kernel ? SIGTERM : taken->signal);
        }
    }
}

void Keeper::forward(int signal) {
    const bool fast = signal == SIGTERM || signal == SIGINT;
    // Beyond the master's own deadline, so that it is the keeper's only if the master fails at it.
    if (fast && stop_deadline_ == never) stop_deadline_ = monotonic_now() + limits::fast_stop_grace * 2;
    if (fast) {
        push_all(pack(Signalled{signal}));
        finished_ = std::all_of(state_.masters.begin(), state_.masters.end(), [](const auto& m) { return m.second.pid == 0; });
        return;
    }
    // Everybody stops, the owner when it can hear it; every other signal is the owner's alone.
    for (auto& [generation, master] : state_.masters) {
        if (signal == SIGQUIT && generation != state_.owner) push(master, pack(Signalled{signal}));
    }
    const bool pending = std::find(pending_signals_.begin(), pending_signals_.end(), signal) != pending_signals_.end();
    if (!pending) pending_signals_.push_back(signal);
    deliver_signals(state_.masters.at(state_.owner));
}

void Keeper::reap_all() {
    strangers_at_ = never;
    // What ends when there is no master left is finish()'s.
    while (!finished_) {
        const auto ended = sys::peek_ended_child();
        if (!ended) return;
        reap_one(*ended);
    }
}

void Keeper::reap_one(const sys::Ended& ended) {
    const pid_t pid = ended.pid;
    if (const auto found = living_.find(pid); found != living_.end()) {
        const std::uint64_t id = found->second;
        // Before it is reaped, while its group's number cannot be another's: nothing of it stays behind.
        sys::signal_group(pid, SIGKILL);
        // The owner is told first: it has a successor to think of meanwhile.
        push(state_.masters.at(state_.owner), pack(Exited{id, pid, ended.status}));
        sys::reap(pid);
        living_.erase(found);
        Child& child = state_.children.at(id);
        child.status = ended.status;
        child.exited = true;
        child.pidfd.reset();
        return;
    }
    const bool checker = checker_ && checker_->pid == pid;
    const auto master = std::find_if(state_.masters.begin(), state_.masters.end(), [pid](const auto& one) { return one.second.pid == pid; });
    // Nor of these: what a binary that was no good has started would hold its channel for ever.
    if (checker || master != state_.masters.end()) sys::signal_group(pid, SIGKILL);
    const int status = sys::reap(pid).status;
    // Otherwise a stranger: an orphan of some child, or of pid 1.
    if (master == state_.masters.end()) return checker ? checker_ended(status) : void();
    // Its last words, Leave above all, were sent before it ended.
    if (master->second.channel.valid()) receive(master->second);
    master_ended(master->first, status);
}

Millis Keeper::next_deadline() const {
    Millis next = std::min({stop_deadline_, checker_ ? checker_->deadline : never, watchdog_.next(), strangers_at_});
    for (const auto& [generation, master] : state_.masters) {
        next = std::min(next, master.pid == 0 ? master.restart_at : master.last_heard + master.heartbeat_timeout);
    }
    return next;
}

void Keeper::deadlines(bool slept) {
    const Millis now = monotonic_now();
    watchdog_.beat(now);
    std::vector<std::uint32_t> due;
    for (auto& [generation, master] : state_.masters) {
        if (slept) master.last_heard = now;
        if (master.pid == 0 && master.restart_at <= now) due.push_back(generation);
        if (master.pid == 0 || master.last_heard + master.heartbeat_timeout > now) continue;
        static_cast<void>(sys::send_signal(master.pidfd, SIGKILL));
        say(fmt::format("master of generation {} was silent for {} ms: killed", generation, now - master.last_heard));
        master.last_heard = now;
    }
    for (const std::uint32_t generation : due) start_master(state_.masters.at(generation));
    if (checker_ && checker_->deadline <= now) {
        static_cast<void>(sys::send_signal(checker_->pidfd, SIGKILL));
        checker_->deadline = never;
    }
    if (strangers_at_ <= now) reap_all();
    if (stop_deadline_ <= now) finished_ = true;
}

void Keeper::finish() {
    // Whatever is left: masters that hung, instances of a master that failed to stop them, strangers.
    while (sys::kill_all_children()) sys::reap(-1);
}

// --- requests ---

void Keeper::receive(Master& master) {
    const std::uint32_t generation = master.generation;
    for (;;) {
        auto received = sys::receive_message(master.channel);
        if (!received) return;
        if (received->bytes.empty() && !received->cut) {
            // Its end is closed: it is ending or broken; its exit or its silence decides.
            master.channel.reset();
            return;
        }
        master.last_heard = monotonic_now();
        const auto message = Message::open(received->bytes);
        if (message && received->cut) {
            refuse_cut(master, *message);
        } else if (message) {
            handle(master, *message, received->descriptors);
        } else {
            say(message.error().message());
        }
        const auto still = state_.masters.find(generation);
        if (still == state_.masters.end() || !still->second.channel.valid()) return;
    }
}

// The request was too long, or there is no descriptor left here to take what came with it.
void Keeper::refuse_cut(Master& master, const Message& message) {
    const std::string why = "the keeper has no descriptors left (limit: ulimit -n)";
    if (const auto spawn = message.body<Spawn>()) {
        push(master, pack(SpawnDone{spawn->id, 0, EMFILE}, 0, Tail().add(why)));
    } else {
        refuse(master, message, why);
    }
}

void Keeper::handle(Master& master, const Message& message, std::vector<sys::UniqueFd>& descriptors) {
    const std::string first(message.first());
    const bool incumbent = master.generation == state_.incumbent().generation;
    switch (message.type()) {
        case Hello::type:
            if (const auto hello = message.body<Hello>()) master.heartbeat_timeout = std::max<Millis>(hello->heartbeat_timeout_ms, 100);
            return;
        case Beat::type: return;
        case Ready::type: return on_ready(master);
        case ListHeld::type: return list_held(master, first);
        case ListChildren::type: {
            const auto list = message.body<ListChildren>();
            return list ? list_children(master, list->after) : refuse(master, message, list.error().message());
        }
        case Note::type:
            if (first.size() > limits::note_bytes) return refuse(master, message, "note: too long");
            master.note = first;
            return;
        case Leave::type: {
            const auto leave = message.body<Leave>();
            if (!leave || (leave->successor != 0 && !state_.masters.contains(leave->successor))) return refuse(master, message, "leave: nobody to leave to");
            master.leaving = true;
            master.successor = leave->successor;
            return;
        }
        case Tell::type: {
            const auto tell = message.body<Tell>();
            const auto to = tell ? state_.masters.find(tell->generation) : state_.masters.end();
            if (to == state_.masters.end()) return refuse(master, message, "no such master");
            push(to->second, pack(Told{master.generation}, 0, Tail().add(first)));
            return;
        }
        case SignalMaster::type: {
            const auto request = message.body<SignalMaster>();
            const auto to = request ? state_.masters.find(request->generation) : state_.masters.end();
            if (!incumbent || to == state_.masters.end() || to->second.pid == 0) return refuse(master, message, "no such master, or not the incumbent");
            static_cast<void>(sys::send_signal(to->second.pidfd, request->signal));
            return;
        }
        case Transfer::type: {
            const auto request = message.body<Transfer>();
            const bool allowed = master.generation == state_.owner || (incumbent && request && request->generation == master.generation);
            if (!request || !allowed || !state_.masters.contains(request->generation)) return refuse(master, message, "not the owner");
            // Who owns already has been told so; a new fence would make void what it is asking for at this moment.
            if (request->generation != state_.owner) give(request->generation);
            return;
        }
        default: break;
    }
    if (master.generation != state_.owner || message.fence() != state_.fence) {
        return refuse(master, message, fmt::format("generation {} with fence {} is not the owner ({} with {})", master.generation,
                                                   message.fence(), state_.owner, state_.fence));
    }
    handle_as_owner(master, message, descriptors);
}

void Keeper::handle_as_owner(Master& master, const Message& message, std::vector<sys::UniqueFd>& descriptors) {
    switch (message.type()) {
        case Hold::type: return on_hold(master, message, descriptors);
        case Release::type: state_.held.erase(std::string(message.first())); return;
        case Spawn::type: return on_spawn(master, message, descriptors);
        case Signal::type: {
            const auto request = message.body<Signal>();
            const auto child = request ? state_.children.find(request->id) : state_.children.end();
            if (child == state_.children.end() || child->second.exited) return;  // it ended meanwhile: Exited says so
            if (request->whole_group != 0) return sys::signal_group(child->second.pid, request->signal);
            static_cast<void>(sys::send_signal(child->second.pidfd, request->signal));
            return;
        }
        case Forget::type: {
            const auto request = message.body<Forget>();
            const auto child = request ? state_.children.find(request->id) : state_.children.end();
            if (child != state_.children.end() && child->second.exited) state_.children.erase(child);
            return;
        }
        case StartMaster::type: return on_start_master(master, message);
        case ReplaceKeeper::type: return on_replace(master);
        default: return refuse(master, message, "unknown request");
    }
}

void Keeper::on_hold(Master& master, const Message& message, std::vector<sys::UniqueFd>& descriptors) {
    const auto names = message.strings();
    if (!names || names->size() != 1 || descriptors.size() != 1 || names->front().size() > limits::held_name_bytes) {
        return refuse(master, message, "hold: one name and one descriptor");
    }
    if (state_.held.size() >= limits::held_descriptors && !state_.held.contains(names->front())) {
        return refuse(master, message, "hold: too many descriptors");
    }
    state_.held[names->front()] = sys::move_up(std::move(descriptors.front()), kept_descriptors_from);
}

void Keeper::on_spawn(Master& master, const Message& message, std::vector<sys::UniqueFd>& descriptors) {
    const auto body = message.body<Spawn>();
    auto strings = message.strings();
    const auto answer = [&](std::uint64_t id, std::int32_t pid, const std::string& why, int code) {
        push(master, pack(SpawnDone{id, pid, code}, 0, Tail().add(std::string_view(why).substr(0, limits::told_bytes))));
    };
    if (!body || !strings) return refuse(master, message, "spawn: malformed");
    const std::uint64_t wanted = std::uint64_t{2} + body->argument_count + body->environment_count + body->group_count;
    if (strings->size() != wanted || body->argument_count == 0 || body->has_cgroup > 1 || descriptors.size() < 1U + body->has_cgroup) {
        return answer(body->id, 0, "spawn: malformed", EINVAL);
    }
    if (state_.children.size() >= limits::children) return answer(body->id, 0, "spawn: too many children", EAGAIN);
    if (state_.children.contains(body->id)) return answer(body->id, 0, "spawn: this number is taken", EEXIST);

    sys::SpawnSpec spec;
    auto next = std::make_move_iterator(strings->begin());
    spec.path = *next++;
    spec.directory = *next++;
    spec.arguments.assign(next, next + body->argument_count);
    next += body->argument_count;
    spec.environment.assign(next, next + body->environment_count);
    next += body->environment_count;
    for (auto group = next.base(); group != strings->end(); ++group) spec.groups.push_back(static_cast<std::uint32_t>(std::strtoul(group->c_str(), nullptr, 10)));
    spec.uid = body->uid;
    spec.gid = body->gid;
    spec.umask = body->umask;
    spec.nofile = body->nofile;
    spec.raise_nofile = body->keep_hard_nofile == 0;
    spec.parent_death_signal = SIGTERM;
    if (body->has_cgroup != 0) spec.cgroup = descriptors.back().get();
    spec.descriptors = {null_.get(), descriptors[0].get(), descriptors[0].get()};
    for (std::size_t i = 1; i < descriptors.size() - body->has_cgroup; ++i) spec.descriptors.push_back(descriptors[i].get());

    auto spawned = sys::spawn(spec);
    if (!spawned) return answer(body->id, 0, spawned.error().message(), spawned.error().code());
    living_[spawned->pid] = body->id;
    Child& child = state_.children[body->id] = Child{spawned->pid, sys::move_up(std::move(spawned->pidfd), kept_descriptors_from), false, 0};
    watched_->watch(child.pid, child.pidfd);
    answer(body->id, child.pid, "", 0);
}

void Keeper::on_start_master(Master& master, const Message& message) {
    const auto strings = message.strings();
    if (!strings || strings->empty() || strings->front().size() > limits::path_bytes) return refuse(master, message, "start a master: malformed");
    if (state_.masters.size() != 1) return refuse(master, message, "an upgrade is on");
    auto image = sys::open_image(strings->front());
    if (!image) {
        push(master, pack(MasterStarted{0, 0, image.error().code(), 0}, 0, Tail().add(image.error().message())));
        return;
    }
    Master fresh;
    fresh.generation = state_.next_generation++;
    fresh.path = strings->front();
    fresh.image = std::move(*image);
    Master& placed = state_.masters[fresh.generation] = std::move(fresh);
    const std::uint32_t generation = placed.generation;
    start_master(placed);
    const auto started = state_.masters.find(generation);
    if (started != state_.masters.end()) push(master, pack(MasterStarted{generation, started->second.pid, 0, 0}, 0, Tail().add(strings->front())));
}

void Keeper::list_held(Master& master, const std::string& after) {
    Tail names;
    std::vector<int> descriptors;
    auto entry = after.empty() ? state_.held.begin() : state_.held.upper_bound(after);
    for (; entry != state_.held.end() && descriptors.size() < limits::message_descriptors; ++entry) {
        names.add(entry->first);
        descriptors.push_back(entry->second.get());
    }
    push(master, pack(HeldPage{static_cast<std::uint32_t>(descriptors.size()), entry != state_.held.end() ? 1U : 0U}, 0, names), descriptors);
}

void Keeper::list_children(Master& master, std::uint64_t after) {
    constexpr std::uint32_t page = 1024;
    Tail records;
    std::uint32_t count = 0;
    auto entry = state_.children.upper_bound(after);
    for (; entry != state_.children.end() && count < page; ++entry, ++count) {
        const ChildRecord record{entry->first, entry->second.pid, entry->second.status, entry->second.exited ? 1U : 0U, 0};
        records.add_raw(&record, sizeof(record));
    }
    push(master, pack(ChildrenPage{count, entry != state_.children.end() ? 1U : 0U}, 0, records));
}

bool Keeper::push(Master& master, const std::string& bytes, const std::vector<int>& descriptors) {
    if (!master.channel.valid() || master.lagging) return false;
    const auto sent = sys::send_message(master.channel, bytes, descriptors);
    // It does not read. Nothing is queued here: it is told how things are when it does.
    if (!sent && sent.error().code() != EPIPE && sent.error().code() != ECONNRESET) master.lagging = true;
    return static_cast<bool>(sent);
}

void Keeper::push_all(const std::string& bytes) {
    for (auto& [generation, master] : state_.masters) push(master, bytes);
}

void Keeper::refuse(Master& master, const Message& message, const std::string& why) {
    // What it was about, where it was a name.
    const auto strings = message.strings();
    const bool named = message.type() == Hold::type && strings && !strings->empty();
    push(master, pack(Refused{message.type()}, 0, Tail().add(why).add(named ? std::string_view(strings->front()).substr(0, limits::held_name_bytes) : "")));
}

}  // namespace baton::keeper
