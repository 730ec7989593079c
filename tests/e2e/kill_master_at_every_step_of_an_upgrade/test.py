# ctest: RUN_SERIAL TIMEOUT 900
"""SIGKILL of the old or the new master at every step of an upgrade, the steps that hold and the moments
between them: there is always one owner in the end, every instance is adopted, and no request fails.
"""
import signal

from baton_e2e import eventually, main

# Microseconds after the signal that starts a step; the steps themselves take a few milliseconds.
MOMENTS = [0, 300, 1000, 2000, 4000, 7000, 12000, 20000, 35000, 60000, 100000]


def wait_micros(micros):
    """Not a protocol: the very moment is what is varied."""
    import time
    end = time.perf_counter() + micros / 1e6
    while time.perf_counter() < end:
        pass


class Scene:
    def __init__(self, sandbox):
        self.baton, self.config, self.address = sandbox.running_web(2)
        self.load = sandbox.load(self.address, ["post:4", "new:4"], rate=600)
        self.pids = self.baton.pids()
        self.what = ""

    def settle(self, what):
        """Ends the upgrade that may still be under way, and asserts that all is well."""
        baton = self.baton
        try:
            baton.until(lambda: self.one_generation() and baton.single(), "one generation is left")
            assert baton.pids() == self.pids, f"instances changed: {self.pids} {baton.pids()}"
            baton.until(self.nothing_else_runs, "nothing runs beside the instances")
            assert self.load.process.poll() is None
            report = self.load.now()
            assert not report.failed, report.describe()
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from error

    def nothing_else_runs(self):
        running = [child for child in self.baton.keeper.children() if not child.title.startswith("batond:")]
        assert {child.pid for child in running} == self.pids, f"other processes: {running}"
        return True

    def one_generation(self):
        """Wherever an upgrade has come to rest it is taken back: the new master is told to end."""
        masters = self.baton.masters()
        if len(masters) == 1 and not self.baton.upgrading():
            return True
        if len(masters) == 2 and self.baton.phases() & {"proved", "handed"}:
            masters[max(masters)].kill(signal.SIGTERM)
        return False


def victims(baton, old, choice):
    if choice == "old":
        return [old]
    new = [process for process in baton.masters().values() if process != old]
    return new if choice == "new" else [old, *new]


def at_the_steps_that_hold(sandbox):
    scene = Scene(sandbox)
    baton = scene.baton
    for phase in ("proved", "handed", "taken back"):
        for choice in ("old", "new", "both"):
            old, _ = baton.start_upgrade()
            if phase != "proved":
                old.kill(signal.SIGWINCH)
                baton.await_phase("handed")
            if phase == "taken back":
                old.kill(signal.SIGHUP)
                baton.await_phase("proved")
            killed = victims(baton, old, choice)
            for process in killed:
                process.kill()
            for process in killed:
                eventually(lambda process=process: not process.exists, "it is reaped")
            scene.settle(f"{choice} killed when {phase}")
    scene.load.stop(at_least=100)


def between(sandbox, signals, choice):
    """Kills `choice` at each moment after the last of `signals` to the old master."""
    scene = Scene(sandbox)
    baton = scene.baton
    for micros in MOMENTS:
        old = baton.master()
        for number in signals[:-1]:
            old.kill(number)
            baton.await_phase({signal.SIGUSR2: "proved", signal.SIGWINCH: "handed"}[number])
        before = baton.last_event()
        old.kill(signals[-1])
        wait_micros(micros)
        for process in victims(baton, old, choice):
            process.kill()
        if signals[-1] == signal.SIGUSR2 and choice == "new":
            # It may have been too early to kill anybody; the old one has the signal still.
            baton.await_event("upgrade.trial", after=before)
        scene.settle(f"{choice} killed {micros} us after {signals[-1]!r}")
    scene.load.stop(at_least=100)


def old_during_the_trial(sandbox):
    between(sandbox, [signal.SIGUSR2], "old")


def new_during_the_trial(sandbox):
    between(sandbox, [signal.SIGUSR2], "new")


def both_during_the_trial(sandbox):
    between(sandbox, [signal.SIGUSR2], "both")


def old_during_the_hand_over(sandbox):
    between(sandbox, [signal.SIGUSR2, signal.SIGWINCH], "old")


def new_during_the_hand_over(sandbox):
    between(sandbox, [signal.SIGUSR2, signal.SIGWINCH], "new")


def both_during_the_hand_over(sandbox):
    between(sandbox, [signal.SIGUSR2, signal.SIGWINCH], "both")


def old_during_the_commit(sandbox):
    between(sandbox, [signal.SIGUSR2, signal.SIGWINCH, signal.SIGQUIT], "old")


def new_during_the_commit(sandbox):
    between(sandbox, [signal.SIGUSR2, signal.SIGWINCH, signal.SIGQUIT], "new")


def old_or_new_during_the_return(sandbox):
    between(sandbox, [signal.SIGUSR2, signal.SIGWINCH, signal.SIGHUP], "old")


def new_during_the_return(sandbox):
    between(sandbox, [signal.SIGUSR2, signal.SIGWINCH, signal.SIGHUP], "new")


main(at_the_steps_that_hold, old_during_the_trial, new_during_the_trial, both_during_the_trial,
     old_during_the_hand_over, new_during_the_hand_over, both_during_the_hand_over, old_during_the_commit,
     new_during_the_commit, old_or_new_during_the_return, new_during_the_return)
