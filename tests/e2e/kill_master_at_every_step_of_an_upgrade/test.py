# ctest: RUN_SERIAL TIMEOUT 900
"""SIGKILL of the old or the new master before every single thing it asks of the keeper in an upgrade, and
at every step of the pid file: afterwards there is one owner, every instance is adopted, and no request fails.

Each run kills one call later than the one before, until upgrades come to their end unharmed: so every step
is covered, whatever their number is. A run in which nobody was killed at the chosen call is none.
"""
import re
import signal
from collections import Counter

from baton_e2e import Killer, eventually, main, need_ptrace

# So many upgrades in a row must come to their end with nobody killed before there is no further step.
UNHARMED = 2
STEPS_LIMIT = 200
# A master that died several times in a row is started again only after a wait: then a fresh supervisor.
DEATHS_LIMIT = 3


def kinds(process):
    """What a process holds, with the numbers that each pipe or socket gets anew left out."""
    images = (re.sub(r"^/.*batond( \(deleted\))?$", "image", what) for what in process.descriptors().values())
    return Counter(re.sub(r"\d+", "N", what) for what in images)


class Scene:
    """A supervisor under load, and what must be true of it after every upgrade, however that ended."""

    def __init__(self, sandbox, own_binary=False, proxied=False):
        start = sandbox.proxied if proxied else sandbox.running_web
        self.baton, _, address = start(2, own_binary=own_binary)
        self.load = sandbox.load(address, ["post:4", "new:4"], rate=300)
        self.pids = self.baton.pids()
        self.held = None
        self.deaths = 0
        self.baton.run("upgrade", "--soak", "0s")  # the first one may set up what the others share
        self.next_generation = 3
        self.baton.await_event("keeper.")
        self.settle("at first")
        self.held = kinds(self.baton.keeper)

    def settle(self, what):
        """Ends the upgrade that may still be under way, by what a person would do next, and asserts that
        all is well."""
        baton, said = self.baton, set()

        def one_generation():
            masters = baton.masters()
            if len(masters) == 2:
                old = masters[min(masters)]
                for phase in baton.phases() & {"proved", "handed"} - {one[0] for one in said if one[1] == old}:
                    said.add((phase, old))
                    old.kill(signal.SIGQUIT)
            assert len(masters) == 1, f"masters: {masters}"
            assert not baton.upgrading(), f"{masters} is alone, and there is a pid file {baton.old_master()} .oldbin"
            assert baton.master() in masters.values(), f"{masters} is alone, and the pid file names {baton.master()}"
            view = baton.status()["generations"]
            assert [(one["role"], one["phase"]) for one in view] == [("owner", "idle")], f"{masters} is alone, and says {view}"
            return baton.single()
        try:
            baton.until(one_generation, "one generation is left", timeout=15, interval=0.005)
            baton.until(self.as_before, "everything is as before", timeout=10, interval=0.005)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from error

    def as_before(self):
        baton = self.baton
        assert baton.pids() == self.pids, f"instances changed: {self.pids} {baton.pids()}"
        assert all(one["state"] == "ready" for one in baton.instances())
        others = set(baton.keeper.children()) - {baton.master()} - baton.workers()
        views = baton.get("/v1/workers")
        assert {one["pid"] for one in views} == {worker.pid for worker in baton.workers()}, f"workers: {views} {baton.workers()}"
        assert all((one["state"], one["generation"]) == ("ready", baton.single()) for one in views), f"workers: {views}"
        assert {child.pid for child in others} == self.pids, f"other processes: {others}"
        held = kinds(baton.keeper)
        assert self.held in (None, held), f"the keeper holds more: {held - self.held}, less: {self.held - held}"
        report = self.load.now()
        assert not report.failed, report.describe()
        return True

    def finish(self):
        """The owner that is left is one: it may start and stop. Then the count of failed requests."""
        self.baton.run("restart", "web")
        assert not self.baton.pids() & self.pids
        self.load.stop(at_least=50)
        self.baton.stop()


# --- an upgrade, as far as it gets ---

class ByHand:
    """USR2, WINCH, QUIT, each when the one before has worked."""

    def __init__(self, baton):
        self.baton = baton
        self.old, self.new = baton.master(), None  # the new one is not there yet

    def run(self, killed):
        baton = self.baton
        self.old.kill(signal.SIGUSR2)
        for phase, number in (("proved", signal.SIGWINCH), ("handed", signal.SIGQUIT)):
            baton.until(lambda phase=phase: killed() or phase in baton.phases(), f"the upgrade is {phase}", interval=0.005)
            if killed():
                return
            self.old.kill(number)
        baton.until(lambda: killed() or not self.old.exists, "the old master ends")

    def check(self):
        pass


class ByCommand:
    """`baton upgrade`, which must tell the truth."""

    def __init__(self, baton):
        self.baton = baton
        self.old, self.new = baton.master(), None
        self.result = None

    def run(self, _):
        self.result = self.baton.run("upgrade", "--soak", "0s", check=False, timeout=60)

    def check(self):
        if self.result.returncode == 0:
            assert not self.old.exists, "baton upgrade said that the old master has left"
        else:
            assert self.result.returncode == 1 and "upgrade" in self.result.stderr, self.result


class Return:
    """HUP to the old master, which has handed over already, and QUIT to the new one."""

    def __init__(self, baton):
        self.baton = baton
        self.old, self.new = baton.start_upgrade()
        self.old.kill(signal.SIGWINCH)
        baton.await_phase("handed")

    def run(self, killed):
        self.old.kill(signal.SIGHUP)
        self.baton.until(lambda: killed() or "proved" in self.baton.phases(), "everything is taken back", interval=0.005)
        if not killed():
            self.new.kill(signal.SIGQUIT)
            self.baton.until(lambda: killed() or not self.new.exists, "the new master ends")

    def check(self):
        pass


# --- who is killed, and where ---

class Series:
    """Upgrades of one kind, each killed one call later, until there is no later one. `with_new`: the new
    master is killed as soon as the old one is seen dead."""

    def __init__(self, sandbox, kind, who, call="sendmsg", with_new=False, proxied=False):
        self.sandbox, self.kind, self.who, self.call, self.with_new, self.proxied = sandbox, kind, who, call, with_new, proxied
        self.from_birth = who == "new" and kind is not Return
        self.scene = None
        self.steps = []  # (call, the how manieth of its kind) before which somebody was killed
        self.whole = []  # the calls of the last upgrade that came to its end
        self.outcomes = Counter()

    def run(self, expected):
        """`expected`: calls that must be among those at which somebody was killed."""
        unharmed, n = 0, 0
        while unharmed < UNHARMED:
            n += 1
            assert n < STEPS_LIMIT, f"no end after {n} steps"
            unharmed = 0 if self.attempt(n).killed() else unharmed + 1
        # What comes now sooner, now later may have been missed.
        for _ in range(STEPS_LIMIT):
            missed = [step for step in numbered(self.whole) if step not in self.steps and step[0] != "BEAT"]
            if not missed:
                break
            self.attempt(numbered(self.whole).index(missed[0]) + 1)
        assert self.steps and not missed, f"an upgrade has steps at which nobody was killed: {missed}"
        if self.scene is not None:
            self.scene.finish()
        print(f"    {self.kind.__name__}, {self.who} killed before each of {len(self.steps)} steps:"
              f" {' '.join(f'{name}.{number}' for name, number in self.steps)}; then {dict(self.outcomes)}", flush=True)
        assert expected <= {name for name, _ in self.steps}, f"never killed before one of {expected}"

    def attempt(self, n):
        self.scene = self.scene or Scene(self.sandbox, self.from_birth, self.proxied)
        scene, baton = self.scene, self.scene.baton
        generation, last = baton.single(), baton.last_event()
        killer = Killer(baton.folder, n, self.call)
        if self.from_birth:
            killer.script(baton.binary, scene.baton.real_binary, scene.next_generation)
            scene.next_generation += 1  # the old one lives, so it surely is asked for
        upgrade = self.kind(baton)
        if not self.from_birth:
            killer.attach(getattr(upgrade, self.who))
        upgrade.run(killer.killed)
        if self.with_new and killer.killed():
            for number, process in baton.masters().items():
                if number != generation:
                    process.kill()
        what = f"{self.kind.__name__}, {self.who} killed before {self.call} {n} {killer.calls()[-1:]}"
        if not killer.killed():
            self.await_end(killer, last)
        killer.stop(None if killer.killed() else baton.master())
        scene.settle(what)
        upgrade.check()
        self.note(killer, generation, baton.single())
        return killer

    def await_end(self, killer, last):
        """What the last master does for the upgrade is done, unless it is killed at that."""
        baton = self.scene.baton
        if self.from_birth and self.call == "sendmsg":
            baton.until(lambda: killer.killed() or "BEAT" in after(killer.calls(), "REPLACE_KEEPER"),
                        "the new master has nothing left to do", interval=0.005)
        elif self.from_birth:
            baton.until(lambda: killer.killed() or any(one["kind"].startswith("keeper.") and one["number"] > last
                                                       for one in baton.events()), "the keeper is renewed", interval=0.005)

    def note(self, killer, before, generation):
        if not killer.killed():
            self.whole = killer.calls()
            return
        step = numbered(killer.calls())[-1]
        if step not in self.steps:
            self.steps.append(step)
        self.outcomes["committed" if generation != before else "taken back"] += 1
        self.scene.deaths = self.scene.deaths + 1 if generation == before else 1
        if self.scene.deaths >= DEATHS_LIMIT and not self.from_birth:
            self.scene.finish()
            self.scene = None


def numbered(calls):
    """Each call with the how manieth of its kind it is."""
    return [(name, calls[:place + 1].count(name)) for place, name in enumerate(calls)]


def after(calls, name):
    return calls[calls.index(name):] if name in calls else []


def every_step(sandbox, kind, who, expected, **options):
    need_ptrace()
    Series(sandbox, kind, who, **options).run(expected)


OF_THE_OLD = {"HOLD", "NOTE", "START_MASTER", "TRANSFER", "LEAVE"}
OF_THE_NEW = {"HELLO", "LIST_HELD", "READY", "LIST_CHILDREN", "HOLD", "RELEASE", "REPLACE_KEEPER"}
STEPS_OF_THE_PID_FILE = {
    ("old", "rename"): "rename(baton.pid, baton.pid.oldbin)", ("old", "unlink"): "unlink(baton.pid.oldbin)",
    ("new", "rename"): "rename(baton.pid.new, baton.pid)", ("new", "unlink"): "unlink(admin.sock.trial)",
}


def old_by_hand(sandbox):
    every_step(sandbox, ByHand, "old", OF_THE_OLD)


def old_by_command(sandbox):
    every_step(sandbox, ByCommand, "old", OF_THE_OLD)


def new_by_hand(sandbox):
    every_step(sandbox, ByHand, "new", OF_THE_NEW)


def new_by_command(sandbox):
    every_step(sandbox, ByCommand, "new", OF_THE_NEW)


def both(sandbox):
    every_step(sandbox, ByHand, "old", OF_THE_OLD, with_new=True)


def old_behind_workers(sandbox):
    every_step(sandbox, ByHand, "old", OF_THE_OLD, proxied=True)


def old_while_it_takes_back(sandbox):
    every_step(sandbox, Return, "old", {"NOTE", "TRANSFER"})


def new_while_it_is_taken_back(sandbox):
    every_step(sandbox, Return, "new", {"LEAVE"})


def at_the_pid_file(sandbox):
    for call in ("rename", "unlink"):
        for who in ("old", "new"):
            every_step(sandbox, ByHand, who, {STEPS_OF_THE_PID_FILE[who, call]}, call=call)


def at_rest(sandbox):
    """Also where an upgrade waits for a person nothing is lost."""
    scene = Scene(sandbox)
    baton = scene.baton
    for phase in ("proved", "handed", "taken back"):
        for choice in ("old", "new", "both"):
            old, new = baton.start_upgrade()
            if phase != "proved":
                old.kill(signal.SIGWINCH)
                baton.await_phase("handed")
            if phase == "taken back":
                old.kill(signal.SIGHUP)
                baton.await_phase("proved")
            killed = {"old": [old], "new": [new], "both": [old, new]}[choice]
            for process in killed:
                process.kill()
            for process in killed:
                eventually(lambda process=process: not process.exists, "it is reaped")
            scene.settle(f"{choice} killed when {phase}")
    scene.finish()


main(old_by_hand, old_by_command, new_by_hand, new_by_command, both, old_behind_workers, old_while_it_takes_back, new_while_it_is_taken_back,
     at_the_pid_file, at_rest)
